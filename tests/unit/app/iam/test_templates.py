from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from doka.app.iam.documents import KINDS, Form, documents
from doka.app.iam.templates import accounts, cloudformation, terraform
from tests.unit.app.iam.given import ALL, FOREIGN_STREAM, everything, full
from tests.unit.app.settings.given import settings


def of(account: str) -> list[object]:
    """Give the documents of an account."""
    return [each for each in everything() if each.account == account]


@pytest.mark.slow
def test_cloudformation_is_as_cfn_lint_wants_it(tmp_path: Path) -> None:
    """Types, properties, policies and the actions in them, for every account; a misspelt action would be found."""
    for account in accounts(everything()):
        text = json.dumps(cloudformation(each for each in everything() if each.account == account))
        (tmp_path / f"{account}.json").write_text(text)
    assert "" == lint(tmp_path, "--include-checks", "I")
    for file in tmp_path.iterdir():
        file.write_text(file.read_text().replace("kinesis:PutRecords", "kinesis:PutRecord5"))
    assert "PutRecord5" in lint(tmp_path) or "putrecord5" in lint(tmp_path)


def lint(folder: Path, *options: str) -> str:
    """Give what cfn-lint says of the templates in a folder."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "none", *options]
    files = sorted(str(file) for file in folder.iterdir())
    return subprocess.run(
        [*command, "--", *files], capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


def test_a_role_is_there_before_its_policies() -> None:
    """Both tools make resources side by side unless one names the other."""
    made = cloudformation(each for each in everything() if each.account == "210987654321")["Resources"]
    assert "TrustDokaWriter" == made["WriterDokaWriter"]["DependsOn"]
    resources = terraform(each for each in everything() if each.account == "210987654321")["resource"]
    assert "${aws_iam_role.trust_doka_writer.name}" == resources["aws_iam_role_policy"]["writer_doka_writer"]["role"]
    # A role that was made elsewhere is named as it is.
    alone = terraform(documents(full(), ALL, ["msk"]))["resource"]["aws_iam_role_policy"]
    assert "doka-workload" == alone["msk_doka_workload"]["role"]


def test_terraform_takes_the_policies_as_they_are() -> None:
    """As text, in which ${ would begin an expression."""
    resources = terraform(each for each in everything() if each.account == "210987654321")["resource"]
    written = json.loads(resources["aws_iam_role_policy"]["writer_doka_writer"]["policy"])
    assert written == next(each.policy for each in everything() if each.name == "writer-doka-writer")
    role = resources["aws_iam_role"]["trust_doka_writer"]
    assert ("doka-writer", "/") == (role["name"], role["path"])
    workload = terraform(each for each in everything() if each.account == "111122223333")["resource"]["aws_iam_role"]
    assert "/pods/" == workload["trust_doka_workload"]["path"]
    dollars = settings({("kafka", "group_id"): "doka-${x}"})
    text = json.dumps(terraform(documents(dollars, ALL, ["msk"])))
    assert "doka-$${$}{x}" in text


def test_a_streams_policy_is_a_resource_of_both() -> None:
    """For the stream's own account."""
    documents_of_it = [each for each in everything() if each.account == "333344445555"]
    (policy,) = terraform(documents_of_it)["resource"]["aws_kinesis_resource_policy"].values()
    assert FOREIGN_STREAM == policy["resource_arn"]
    (resource,) = cloudformation(documents_of_it)["Resources"].values()
    assert "AWS::Kinesis::ResourcePolicy" == resource["Type"]


def test_a_keys_policy_is_in_no_template() -> None:
    """It is one document, and a template would take the rest of it away."""
    keys = [each for each in documents(full(), ALL, KINDS) if each.form is Form.KEY]
    assert keys
    assert {"resource": {}} == terraform(keys)
    assert {} == cloudformation(keys)["Resources"]


def test_a_long_session_is_asked_of_the_role() -> None:
    """Else STS refuses the duration."""
    long = settings({("roles", "analytics", "hops", 0, "duration_seconds"): 7200})
    found = documents(long, ALL, ["trust"])
    assert 7200 == terraform(found)["resource"]["aws_iam_role"]["trust_doka_writer"]["max_session_duration"]
    assert 7200 == cloudformation(found)["Resources"]["TrustDokaWriter"]["Properties"]["MaxSessionDuration"]
