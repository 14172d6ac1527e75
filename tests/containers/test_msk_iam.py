"""Logging in as MSK wants it: a token that is signed with AWS credentials, judged at each login and re-authentication.

What stands in for MSK is told in msk_listener.py. Its sessions live three seconds, where those of MSK may live hours.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.adapters.system.clock import SystemClock
from doka.app.cli.main import main
from doka.app.service import build, serve
from doka.app.settings.load import settings_from
from tests.certificates import make_authority
from tests.checking import judge
from tests.containers.credentials_agent import CredentialsAgent
from tests.containers.feeding import Feeder, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.containers.msk_listener import MskListener
from tests.containers.msk_tokens import TokenJudge
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import REGION, SOURCE_ACCOUNT, SOURCE_KEYS, FakeAwsProcess, Keys
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures", "tests.failure_modes.fixtures"]

PARTITIONS = 2
POD_ROLE = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/doka-workload"
NO_KEYS_OF_A_USER = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
SESSION_SECONDS = 3
FORGED = Keys(SOURCE_KEYS.access_key, "another secret")
CURE = (
    "the token was signed with the AWS credentials of this process (source: env): check that they are good and may "
    "kafka-cluster:Connect to this cluster, that aws.region is the cluster's, and that this host's clock is right"
)
VARIABLES = {
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,BEHIND:SASL_PLAINTEXT"
    ),
    "KAFKA_SASL_ENABLED_MECHANISMS": "OAUTHBEARER",
    "KAFKA_LISTENER_NAME_BEHIND_OAUTHBEARER_SASL_JAAS_CONFIG": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
    ),
    "KAFKA_LISTENER_NAME_BEHIND_OAUTHBEARER_CONNECTIONS_MAX_REAUTH_MS": str(SESSION_SECONDS * 1000),
}


@dataclass(frozen=True)
class Msk:
    """A broker, the listener in front of it that doka is to log in at, and the judge of its tokens."""

    broker: KafkaBroker
    listener: MskListener
    judge: TokenJudge
    ca_file: str

    def settings(self, aws_url: str, topic: str) -> dict[str, Any]:
        """Give what an operator writes for this topic and a stream of its name."""
        security = {"protocol": "sasl_ssl", "mechanism": "aws_msk_iam", "ca_file": self.ca_file}
        servers = f"127.0.0.1:{self.listener.port}"
        return settings(servers, aws_url, {topic: topic}, group_id=topic, kafka={"security": security})


@pytest.fixture(scope="module")
def msk(container_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Msk]:
    """Give one broker for the tests of this module; each of them has credentials of its own."""
    authority = make_authority(tmp_path_factory.mktemp("msk"), "127.0.0.1")
    judging = TokenJudge(REGION)
    with (
        MskListener(judging, authority.server) as listener,
        running_broker(VARIABLES, in_front=listener.port) as broker,
    ):
        listener.upstream = broker.behind_port
        yield Msk(broker, listener, judging, str(authority.ca_file))


@dataclass(frozen=True)
class Line:
    """A topic of MSK, a stream of its name, and what is fed to the one and shall land in the other."""

    msk: Msk
    aws: FakeAwsProcess
    topic: str
    feeder: Feeder

    def feed(self, records: int) -> None:
        """Feed records, and wait until as many have landed as ever were fed."""
        self.feeder.feed(records)
        fed = len(self.feeder.production)
        eventually(lambda: fed <= self.aws.landed_count(self.topic), within=60, what=f"{fed} records")

    def assert_exactly_once(self) -> None:
        """Assert that each record landed once and in order, and that the group's commits say so."""
        judge(self.feeder.production, self.aws.payloads(self.topic)).assert_kept(at_least=len(self.feeder.production))
        topics, servers = {self.topic: PARTITIONS}, self.msk.broker.bootstrap_servers
        assert log_ends(servers, topics) == committed(servers, self.topic, topics)


@pytest.fixture
def line(msk: Msk, fake_aws_process: FakeAwsProcess) -> Line:
    """Give a topic and a stream."""
    topic = msk.broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(topic)
    return Line(msk, fake_aws_process, topic, Feeder(msk.broker.bootstrap_servers, topic, PARTITIONS))


@pytest.mark.failure_mode(
    "MSK with IAM: the next credentials are of a session of another name (EKS Pod Identity names each anew)"
)
def test_records_flow_while_sessions_and_credentials_end(line: Line, sees: Sees, tmp_path: Path) -> None:
    """No token is refused, though each session ends after seconds, and each set of credentials before its tokens would.

    Each set is of a session of another name, as those of EKS Pod Identity are, so the broker ends connections as well.
    """
    msk, given = line.msk, list[str]()

    def issue() -> tuple[Keys, float]:
        # The first is for the lease too, and none is asked for with credentials that end within a minute.
        keys, ends_at = line.aws.issue(POD_ROLE).keys, time.time() + (6 if given else 120)
        msk.judge.know(keys, ends_at)
        given.append(keys.access_key)
        return keys, ends_at

    refused = len(msk.listener.refused())
    with CredentialsAgent(issue, seconds_before=3) as agent:
        environment = NO_KEYS_OF_A_USER | agent.environment
        with DokaProcess(msk.settings(line.aws.url, line.topic), tmp_path, environment=environment) as doka:
            line.feed(20)
            agent.renew()

            def has_logged_in_anew() -> bool:
                line.feed(20)
                return len(given) >= 3 and all(msk.listener.accepted(key) for key in given[:3])

            eventually(has_logged_in_anew, within=60, what="logins with three sets of credentials", every=0.2)
            sees.until(doka.look)  # a connection that logged in by the third set has not met the fourth yet
            assert [] == doka.look().reasons
            assert 0 == doka.stop()
    line.assert_exactly_once()
    assert refused == len(msk.listener.refused()), msk.listener.refused()
    logins = Counter(login.connection for key in given for login in msk.listener.accepted(key))
    assert max(logins.values()) >= 3, f"no connection has authenticated again and again: {logins}"


def write_credentials(file: Path, keys: Keys) -> None:
    """Write keys as `aws configure` does."""
    file.write_text(
        f"[default]\naws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret_key}\n"
        f"aws_session_token = {keys.token}\n"
    )


@pytest.mark.failure_mode("MSK with IAM: there are no credentials at the start")
@pytest.mark.failure_mode("MSK with IAM: keys were rotated in a file, or a session was revoked")
def test_credentials_come_late_and_are_replaced_when_a_login_is_refused(line: Line, sees: Sees, tmp_path: Path) -> None:
    """A start without any is waited for; keys that are deleted are replaced by what the file holds by then."""
    msk, file = line.msk, tmp_path / "credentials"
    former, latter = (line.aws.issue(POD_ROLE).keys for _ in range(2))
    msk.judge.know(former)
    environment = NO_KEYS_OF_A_USER | {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    with DokaProcess(msk.settings(line.aws.url, line.topic), tmp_path, environment=environment) as doka:
        sees.until(doka.look, row="MSK with IAM: there are no credentials at the start")
        assert "this process has no AWS credentials" in doka.said()
        write_credentials(file, former)
        line.feed(100)
        write_credentials(file, latter)
        msk.judge.know(latter)
        msk.judge.forget(former.access_key)
        eventually(lambda: former.access_key in str(msk.listener.refused()), what="a refused login")
        refused_at = time.monotonic()
        eventually(lambda: msk.listener.accepted(latter.access_key), within=60, what="a login with the new keys")
        assert 15 > time.monotonic() - refused_at
        line.feed(100)
        sees(doka.look(), row="MSK with IAM: keys were rotated in a file, or a session was revoked")
        assert 0 == doka.stop()
    line.assert_exactly_once()


@pytest.fixture
def give_keys(monkeypatch: pytest.MonkeyPatch, no_aws_around: None) -> Callable[[Keys], None]:  # noqa: F811 - as above
    """Give what gives this process the keys of a workload."""

    def give(keys: Keys) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)

    return give


def checked(given: Mapping[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `doka check` with these settings; gives the exit code and what it said."""
    (folder / "doka.yaml").write_text(yaml.safe_dump(dict(given)))
    code = main(["check", "--config", str(folder / "doka.yaml")])
    return code, capsys.readouterr().out


def test_a_check_logs_in_as_the_service_does(
    line: Line, give_keys: Callable[[Keys], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the keys of this process; where they are refused, their source and all that a token stands on is named."""
    given = line.msk.settings(line.aws.url, line.topic)
    line.msk.judge.know(SOURCE_KEYS)
    give_keys(SOURCE_KEYS)
    code, told = checked(given, tmp_path, capsys)
    assert f"✓ topic {line.topic}: 2 partitions\n" in told
    assert 0 == code

    give_keys(FORGED)
    code, told = checked(given, tmp_path, capsys)
    assert f"✗ kafka {given['kafka']['bootstrap_servers'][0]}: Kafka refuses the login: " in told
    assert f"→ {CURE}\n" in told
    assert 1 == code


class FastClock(SystemClock):
    """A minute in three seconds; dates are true."""

    def now(self) -> int:
        """Give the clock that never jumps, in ns."""
        return 20 * super().now()


def test_a_login_that_is_refused_for_a_minute_ends_the_service(line: Line, give_keys: Callable[[Keys], None]) -> None:
    """It ends with exit code 1, and names the credentials, not kafka.security, though nothing but they are wrong."""
    give_keys(FORGED)
    given = line.msk.settings(line.aws.url, line.topic)
    service = build(settings_from(given, hostname="host"), "host")
    service.clock.override(FastClock())

    ending = serve(service)

    assert 1 == ending.code
    assert ending.reason.startswith("Kafka refuses the login: ")
    assert ending.reason.endswith(f", for a minute now; {CURE}")
