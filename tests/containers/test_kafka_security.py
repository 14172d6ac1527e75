"""Logging in to a broker that asks for TLS, a name and a password, and rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import _acl as acl
from confluent_kafka.admin import _resource as resource
from confluent_kafka.admin import _scram as scram

from doka.adapters.kafka.letter_preflight import look_at_letters
from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.kafka.preflight import Obstacle, Preflight, look
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings, SaslMechanism
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, LetterAcknowledged, LetterRefused, SourceFailed, TopicsMissing
from tests.certificates import certificates_for
from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.dead_letters import letter
from tests.failure_modes import Seen, Sees
from tests.integration.kafka.group import member, settings_for
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
USERS = 'user_admin="admin-word" user_doka="doka-word" user_nobody="nobody-word"'
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
DOKA = ("doka", "doka-word")
VARIABLES = {
    # The listener keeps its plain name: the public image wants key stores of its own for one that is called SSL.
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL,INSIDE:PLAINTEXT",
    "KAFKA_SASL_ENABLED_MECHANISMS": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "KAFKA_LISTENER_NAME_PLAINTEXT_PLAIN_SASL_JAAS_CONFIG": f"{PLAIN_LOGIN} {USERS};",
    "KAFKA_LISTENER_NAME_PLAINTEXT_SCRAM___SHA___256_SASL_JAAS_CONFIG": SCRAM_LOGIN,
    "KAFKA_LISTENER_NAME_PLAINTEXT_SCRAM___SHA___512_SASL_JAAS_CONFIG": SCRAM_LOGIN,
    "KAFKA_SSL_KEYSTORE_TYPE": "PEM",
    "KAFKA_SSL_KEYSTORE_LOCATION": "/opt/kafka/broker.pem",
    "KAFKA_AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "KAFKA_SUPER_USERS": "User:admin;User:ANONYMOUS",
}


@dataclass(frozen=True)
class SecuredBroker:
    """A broker behind TLS and passwords, and a topic with ten records in it."""

    broker: KafkaBroker
    topic: str
    ca_file: str

    def settings(self, mechanism: SaslMechanism = "PLAIN", login: tuple[str, str] = DOKA) -> MemberSettings:
        """Give the settings of a member that logs in this way."""
        user, password = login
        security = KafkaSecurity("sasl_ssl", mechanism, username=user, password=password, ca_file=self.ca_file)
        settings = settings_for(self.broker.bootstrap_servers, self.topic, security=security)
        return replace(settings, group_id=f"doka-{settings.group_id}")


@pytest.fixture(scope="module")
def secured(container_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """Give a broker where `doka` may read everything under groups that begin with its name, and `nobody` nothing."""
    certificates = certificates_for("127.0.0.1")
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca_file.write_bytes(certificates.authority)
    client = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "admin",
        "sasl.password": "admin-word",
        "ssl.ca.location": str(ca_file),
    }
    with running_broker(VARIABLES, files={"/opt/kafka/broker.pem": certificates.server}, client=client) as broker:
        admin = broker.admin()
        topic = broker.create_topic()
        _give_rights(admin)
        _give_scram_passwords(admin)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0, **client})
        for number in range(10):
            producer.produce(topic, value=b"%d" % number, partition=0)
        assert producer.flush(30) == 0
        yield SecuredBroker(broker, topic, str(ca_file))


def _give_rights(admin: AdminClient) -> None:
    topics, groups = resource.ResourceType.TOPIC, resource.ResourceType.GROUP
    literal, prefixed = resource.ResourcePatternType.LITERAL, resource.ResourcePatternType.PREFIXED
    rights = [
        acl.AclBinding(kind, name, pattern, "User:doka", "*", acl.AclOperation.READ, acl.AclPermissionType.ALLOW)
        for kind, name, pattern in [(topics, "*", literal), (groups, "doka-", prefixed)]
    ]
    for future in admin.create_acls(rights, request_timeout=30).values():
        future.result(timeout=30)


def _give_scram_passwords(admin: AdminClient) -> None:
    for mechanism in (scram.ScramMechanism.SCRAM_SHA_256, scram.ScramMechanism.SCRAM_SHA_512):
        credential = scram.ScramCredentialInfo(mechanism, 4096)
        change = scram.UserScramCredentialUpsertion("doka", credential, b"scram-word")
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result(timeout=30)


def looked(settings: MemberSettings, timeout: float = 5) -> Preflight:
    """Look at the cluster with these settings."""
    return look(settings, SystemClock(), timeout=timeout)


@pytest.mark.parametrize(
    ("mechanism", "password"),
    [("PLAIN", "doka-word"), ("SCRAM-SHA-256", "scram-word"), ("SCRAM-SHA-512", "scram-word")],
)
def test_records_are_read_behind_tls_and_a_password(
    secured: SecuredBroker, mechanism: SaslMechanism, password: str
) -> None:
    """Each mechanism logs in over verified TLS, passes the preflight and reads."""
    settings = secured.settings(mechanism, ("doka", password))

    found = looked(settings)
    with member(settings) as m:
        m.until(lambda: m.records() == 10)

    assert Preflight({secured.topic: 1}) == found


@pytest.mark.failure_mode("a password was rotated")
@pytest.mark.parametrize(
    ("mechanism", "password"),
    [("PLAIN", "doka-word"), ("SCRAM-SHA-512", "scram-word")],
)
def test_a_rotated_password_is_read_again_when_the_login_is_refused(
    secured: SecuredBroker,
    sees: Sees,
    caplog: pytest.LogCaptureFixture,
    mechanism: SaslMechanism,
    password: str,
) -> None:
    """A member that was made with the former password goes on with what the file holds by now, and ends nothing."""
    settings = secured.settings(mechanism, ("doka", "the former word"))
    settings = replace(settings, security=replace(settings.security, password_again=lambda: password))

    with member(settings) as m:
        m.until(lambda: m.records() == 10, within=30)

    sees(Seen(log=[{"event": "log", "message": said} for said in caplog.messages]))
    assert [] == [event for event in m.events if isinstance(event, SourceFailed)]


def test_a_wrong_password_is_told_as_one(secured: SecuredBroker) -> None:
    """A refused login is one sentence that names the settings to look at, and holds no password."""
    (obstacle,) = looked(secured.settings(login=("doka", "wrong-word"))).obstacles

    assert obstacle.told.startswith("Kafka refuses the login: ")
    assert "check kafka.security (mechanism, username, password)" == obstacle.cure
    assert "wrong-word" not in obstacle.told


def test_a_broker_of_another_authority_is_not_trusted(secured: SecuredBroker, tmp_path: Path) -> None:
    """A certificate that our authority did not sign ends the connection, with the setting to look at."""
    other = tmp_path / "other.pem"
    other.write_bytes(certificates_for("127.0.0.1").authority)
    settings = secured.settings()
    settings = replace(settings, security=replace(settings.security, ca_file=str(other)))

    (obstacle,) = looked(settings).obstacles

    assert "certificate verify failed" in obstacle.told
    assert "check kafka.security (protocol, ca_file) and the port" == obstacle.cure


def test_a_broker_under_another_name_is_not_trusted(secured: SecuredBroker) -> None:
    """A certificate for one address is not taken from another, though the authority is right."""
    settings = secured.settings()
    elsewhere = settings.bootstrap_servers[0].replace("127.0.0.1", "localhost")

    (obstacle,) = looked(replace(settings, bootstrap_servers=(elsewhere,))).obstacles

    assert "certificate verify failed" in obstacle.told


def test_plain_text_to_a_port_that_encrypts_is_told(secured: SecuredBroker) -> None:
    """A protocol that the port does not speak is told with the setting's name."""
    (obstacle,) = looked(replace(secured.settings(), security=KafkaSecurity("plaintext")), timeout=3).obstacles

    assert "whether kafka.security.protocol plaintext is what this port speaks" in (obstacle.cure or "")


def test_a_topic_without_rights_is_told(secured: SecuredBroker) -> None:
    """Who may not see a topic is told which right to ask for, and the service shows the topic as one that may not be read."""
    settings = secured.settings(login=("nobody", "nobody-word"))

    found = looked(settings)
    with member(settings) as m:
        m.until(lambda: TopicsMissing(frozenset(), refused=frozenset({secured.topic})) in m.events)

    cure = "grant this process READ and DESCRIBE on it"
    wanted = Obstacle(f"not authorised to see topic {secured.topic}", cure, secured.topic)
    assert Preflight({}, (wanted,)) == found


def test_a_group_without_rights_is_told(secured: SecuredBroker) -> None:
    """Who may read the topic but not as this group is told so."""
    settings = replace(secured.settings(), group_id="somebody-elses")

    denied = Obstacle("not authorised to use consumer group somebody-elses", "grant this process READ on it")
    assert (denied,) == looked(settings).obstacles


def test_letters_need_the_right_to_write(secured: SecuredBroker) -> None:
    """Without it the check says so and each letter is refused with Kafka's name; granting it is cure enough.

    Who may write to no topic may not write idempotently either, which ends the client: a new one follows.
    """
    settings, clock = secured.settings(), SystemClock()
    topic = secured.broker.create_topic()
    letters = KafkaLetters(settings, topic, clock)
    numbers = iter(range(1, 1000))

    def answer() -> Event:
        letters.submit(letter(next(numbers)))
        (event,) = eventually(letters.answers, within=40, what="the answer to a letter")
        return event

    denied = Obstacle(f"not authorised to write to topic {topic}", "grant this process WRITE on it", topic)
    assert (denied,) == look_at_letters(settings, topic, clock).obstacles
    assert LetterRefused(1, "CLUSTER_AUTHORIZATION_FAILED") == answer()

    _give_right_to_write(secured.broker.admin(), topic)

    eventually(lambda: isinstance(answer(), LetterAcknowledged), within=60, every=0.5, what="an acknowledged letter")
    letters.close()
    found = look_at_letters(settings, topic, clock)
    assert ((), "TOPIC_AUTHORIZATION_FAILED") == (found.obstacles, found.doubts[0].told.split("(")[1].split(")")[0])


def _give_right_to_write(admin: AdminClient, topic: str) -> None:
    right = acl.AclBinding(
        resource.ResourceType.TOPIC,
        topic,
        resource.ResourcePatternType.LITERAL,
        "User:doka",
        "*",
        acl.AclOperation.WRITE,
        acl.AclPermissionType.ALLOW,
    )
    for future in admin.create_acls([right], request_timeout=30).values():
        future.result(timeout=30)
