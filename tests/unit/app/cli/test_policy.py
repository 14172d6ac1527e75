from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.unit.app.cli.conftest import run

EXAMPLE = ("--config", str(ROOT / "examples" / "doka.yaml"))
LEGACY = ("--legacy-config", str(ROOT / "examples" / "legacy" / "prd.yaml"), "--allow-plaintext")


def test_each_document_is_headed_by_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees the account, what it is attached to and what for; what is missing is told at the end, in one line."""
    code, out, err = run(capsys, "policy", *EXAMPLE)
    assert (code, err) == (0, "")
    heads = [line for line in out.splitlines() if line.startswith("# account ")]
    assert (
        "# account 210987654321, policy of the role arn:aws:iam::210987654321:role/doka-writer: write to the streams"
        in heads
    )
    assert 6 == len(heads)
    missing = [line for line in out.splitlines() if line.startswith("# To fill in: ")]
    assert missing == [
        "# To fill in: WORKLOAD_ACCOUNT, WORKLOAD_ROLE by --workload-role-arn; MSK_ACCOUNT, MSK_CLUSTER, MSK_UUID by --msk-cluster-arn."
    ]
    assert out.rstrip().endswith("# Next: doka check --config FILE")


def test_a_machine_gets_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With the same documents, and what is missing."""
    told = json.loads(run(capsys, "policy", "--format", "json", *EXAMPLE)[1])
    assert ["writer", "trust", "trust", "workload", "workload", "msk"] == [each["for"] for each in told["documents"]]
    assert "--msk-cluster-arn" == told["placeholders"]["MSK_UUID"]


def test_a_folder_gets_a_file_of_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Ready for `aws iam --policy-document file://...`; templates one for each account."""
    out = tmp_path / "new" / "policies"
    assert 0 == run(capsys, "policy", "--out", str(out), *EXAMPLE)[0]
    assert "2012-10-17" == json.loads((out / "writer-doka-writer.json").read_text())["Version"]
    assert 6 == len(list(out.iterdir()))
    templates = tmp_path / "terraform"
    assert 0 == run(capsys, "policy", "--format", "terraform", "--out", str(templates), *EXAMPLE)[0]
    assert {"111122223333.tf.json", "210987654321.tf.json", "WORKLOAD_ACCOUNT.tf.json"} == {
        file.name for file in templates.iterdir()
    }


def test_a_template_of_two_accounts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be deployed into one, with the rest of the other in it."""
    code, out, err = run(capsys, "policy", "--format", "cloudformation", *LEGACY)
    assert (code, out) == (2, "")
    assert "add --account ID, or --out DIR" in err
    code, out, _ = run(capsys, "policy", "--format", "cloudformation", "--account", "210987654321", *LEGACY)
    assert {"WriterDokaWriter", "TrustDokaWriter"} == json.loads(out)["Resources"].keys()
    assert code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--for", "role"), "--for: there is no 'role'; there are writer, trust, "),
        (("--for", "msk"), "so Kafka's rights are ACLs: READ on the topics"),
        (("--account", "1"), "this configuration needs no document in account 1"),
        (("--for", "stream"), "this configuration needs no document for stream"),
        (("--kms-key-arn", "x"), "--kms-key-arn cannot be 'x'; write it like arn:aws:kms:"),
        (("--out", "/dev/null/x"), "--out: /dev/null/x cannot be written"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    """With the option, and what would do."""
    code, out, err = run(capsys, "policy", *options, *LEGACY)
    assert (code, out) == (2, "")
    assert told in err
    assert 1 == len(err.splitlines())


def test_what_a_template_leaves_out_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """And where else it stands."""
    key = "arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-3333-4444-555555555555"
    options = ("--format", "cloudformation", "--out", str(tmp_path), "--kms-key-arn", key)
    out = run(capsys, "policy", *options, *LEGACY)[1]
    assert "Not in a template: kms-11111111-2222-3333-4444-555555555555; see them by --format text." in out


def test_a_document_that_is_too_long_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """IAM would refuse it, and does not say what to do."""
    routes = "\n".join(f"  - {{topics: [t{n}], stream: {{name: {'s' * 100}{n}, role: a}}}}" for n in range(80))
    (tmp_path / "doka.yaml").write_text(
        "kafka: {bootstrap_servers: ['b:9098'], group_id: g}\naws: {region: eu-west-1}\nlimits: {requests_in_flight: 80}\n"
        f"roles: {{a: {{hops: [{{role_arn: 'arn:aws:iam::210987654321:role/w'}}]}}}}\nroutes:\n{routes}\n"
    )
    code, out, _ = run(capsys, "policy", "--config", str(tmp_path / "doka.yaml"))
    assert code == 0
    assert "characters, and a policy of the role takes 10,240." in out
