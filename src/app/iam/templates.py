"""The same documents as Terraform (JSON syntax) or CloudFormation: one template for each account.

A key's policy is one document, which no template may replace by a statement; what a template leaves out is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from doka.app.iam.documents import SESSION_SECONDS_DEFAULT, Document, Form
from doka.app.iam.names import name_of

LEFT_OUT = {
    "terraform": frozenset({Form.KEY}),
    "cloudformation": frozenset({Form.KEY, Form.ENDPOINT}),  # an endpoint's policy is a property of the endpoint
}
"""Forms that a kind of template has no resource for that would leave the rest alone."""


def terraform(documents: Iterable[Document]) -> Mapping[str, Any]:
    """Give the resources of one account, for a file that ends in .tf.json."""
    resources: dict[str, dict[str, Any]] = {}
    for document in documents:
        if document.form not in LEFT_OUT["terraform"]:
            kind, body = _terraform(document)
            resources.setdefault(kind, {})[re.sub(r"\W", "_", document.name)] = body
    made = {role["name"]: key for key, role in resources.get("aws_iam_role", {}).items()}
    for attached in resources.get("aws_iam_role_policy", {}).values():
        if attached["role"] in made:  # so that the role is there first
            attached["role"] = f"${{aws_iam_role.{made[attached['role']]}.name}}"
    return {"resource": resources}


def cloudformation(documents: Iterable[Document]) -> Mapping[str, Any]:
    """Give the template of one account; it names roles, so it is to be deployed with CAPABILITY_NAMED_IAM."""
    resources: dict[str, Any] = {}
    for document in documents:
        if document.form not in LEFT_OUT["cloudformation"]:
            logical = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", document.name))
            resources[logical] = _cloudformation(document)
    for logical, resource in resources.items():
        role = resource["Properties"].get("RoleName")
        trust = next((other for other in resources if other != logical and _makes(resources[other], role)), None)
        if resource["Type"] == "AWS::IAM::RolePolicy" and trust is not None:
            resource["DependsOn"] = trust
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def _terraform(document: Document) -> tuple[str, dict[str, Any]]:
    # In Terraform's strings ${ begins an expression.
    policy = json.dumps(document.policy).replace("${", "$${").replace("%{", "%%{")
    match document.form:
        case Form.TRUST:
            role: dict[str, Any] = {
                "name": name_of(document.subject),
                "path": _path(document),
                "assume_role_policy": policy,
            }
            return "aws_iam_role", role | ({"max_session_duration": _seconds(document)} if _seconds(document) else {})
        case Form.ROLE:
            return "aws_iam_role_policy", {"name": document.name, "role": name_of(document.subject), "policy": policy}
        case Form.STREAM:
            return "aws_kinesis_resource_policy", {"resource_arn": document.subject, "policy": policy}
        case _:
            return "aws_vpc_endpoint_policy", {"vpc_endpoint_id": "VPC_ENDPOINT_ID", "policy": policy}


def _cloudformation(document: Document) -> dict[str, Any]:
    match document.form:
        case Form.TRUST:
            role: dict[str, Any] = {"RoleName": name_of(document.subject), "Path": _path(document)}
            role |= {"MaxSessionDuration": _seconds(document)} if _seconds(document) else {}
            return {"Type": "AWS::IAM::Role", "Properties": role | {"AssumeRolePolicyDocument": document.policy}}
        case Form.ROLE:
            of_role = {"PolicyName": document.name, "RoleName": name_of(document.subject)}
            return {"Type": "AWS::IAM::RolePolicy", "Properties": of_role | {"PolicyDocument": document.policy}}
        case _:
            of_stream = {"ResourceArn": document.subject, "ResourcePolicy": document.policy}
            return {"Type": "AWS::Kinesis::ResourcePolicy", "Properties": of_stream}


def accounts(documents: Iterable[Document]) -> list[str]:
    """Give the accounts that documents belong to, in their order."""
    return list(dict.fromkeys(document.account for document in documents))


def _makes(resource: Mapping[str, Any], role: str | None) -> bool:
    return (
        resource["Type"] == "AWS::IAM::Role" and role is not None and bool(resource["Properties"]["RoleName"] == role)
    )


def _path(document: Document) -> str:
    """Give the path of a role, which begins and ends with a slash."""
    return document.subject.split(":role", 1)[1].rpartition("/")[0] + "/"


def _seconds(document: Document) -> int:
    """Give the maximum session duration where it must be more than IAM's default, else 0."""
    asked = document.session_seconds or 0
    return asked if asked > SESSION_SECONDS_DEFAULT else 0
