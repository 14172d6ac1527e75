"""`doka policy`: prints the IAM documents that a configuration needs; asks nothing of AWS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from doka.app.config_options import ConfigOptions
from doka.app.iam.documents import KINDS, Document, Form, Kind, documents
from doka.app.iam.names import PLACEHOLDERS, Given
from doka.app.iam.templates import LEFT_OUT, accounts, cloudformation, terraform
from doka.app.settings.load import read_configuration
from doka.domain.errors import UsageError

Format = Literal["text", "json", "terraform", "cloudformation"]

_ENDINGS = {"text": ".json", "json": ".json", "terraform": ".tf.json", "cloudformation": ".cfn.json"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be printed, and how; without kinds all that the configuration needs."""

    kinds: tuple[Kind, ...] = ()
    account: str | None = None
    form: Format = "text"
    out: Path | None = None


def kinds_named(names: Sequence[str]) -> tuple[Kind, ...]:
    """Take the words of --for. Raises UsageError for one that there is not."""
    unknown = next((name for name in names if name not in KINDS), None)
    if unknown is not None:
        raise UsageError(f"--for: there is no {unknown!r}; there are {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in names)


def policy(options: ConfigOptions, given: Given, wanted: Wanted) -> int:
    """Print the documents, or write them into a folder.

    Raises:
        UsageError: the configuration or an option cannot be used, there is nothing of that kind, or it cannot be written.
    """
    settings = read_configuration(options)
    found = [each for each in documents(settings, given, wanted.kinds) if wanted.account in {None, each.account}]
    if not found:
        raise UsageError(_nothing(wanted, by_iam=settings.kafka.security.mechanism == "aws_msk_iam"))
    files = _files(found, wanted)
    if wanted.out is not None:
        _write(files, wanted.out)
        for name, document in files.items():
            print(f"{wanted.out / name}: {_head(document)}")  # noqa: T201 - the command's result
        _advise(found, wanted, file=True)
    elif wanted.form == "text":
        for document in found:
            print(f"# {_head(document)}\n{_shown(document.policy)}\n")  # noqa: T201
        _advise(found, wanted, file=False)
    elif len(files) == 1 or wanted.form == "json":
        data = {"documents": [_as_data(each) for each in found], "placeholders": _placeholders(found)}
        print(_shown(data if wanted.form == "json" else next(iter(files.values()))))  # noqa: T201
    else:
        told = f"a template is for one account, and these documents belong to {', '.join(accounts(found))}"
        raise UsageError(f"{told}: add --account ID, or --out DIR for a file of each")
    return 0


def _files(found: Sequence[Document], wanted: Wanted) -> dict[str, Any]:
    """Give what goes into a file of its own, by the file's name: a document, or a template for each account."""
    ending = _ENDINGS[wanted.form]
    if wanted.form in {"text", "json"}:
        return {f"{each.name}{ending}": each for each in found}
    make = terraform if wanted.form == "terraform" else cloudformation
    return {
        f"{account}{ending}": make(each for each in found if each.account == account) for account in accounts(found)
    }


def _write(files: dict[str, Any], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            data = content.policy if isinstance(content, Document) else content
            (folder / name).write_text(_shown(data) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out: {error.filename or folder} cannot be written ({error.strerror})") from error


def _head(content: Document | Any) -> str:
    if not isinstance(content, Document):
        return "one account's resources"
    return f"account {content.account}, {content.form.called} {content.subject}: {content.purpose}"


def _advise(found: Sequence[Document], wanted: Wanted, *, file: bool) -> None:
    """Say what a person still has to know, a line each."""
    lines = [f"{each.name}: {note}" for each in found for note in each.notes]
    for each in found:
        size = len("".join(_shown(each.policy).split()))
        if size > each.form.characters_max:
            lines.append(
                f"{each.name}: {size:,} characters, and a {each.form.called} takes {each.form.characters_max:,}."
            )
    missing = _placeholders(found)
    if missing:
        ways = {by: [name for name in missing if missing[name] == by] for by in missing.values()}
        lines.append("To fill in: " + "; ".join(f"{', '.join(of)} by {by}" for by, of in ways.items()) + ".")
    without = [each.name for each in found if each.form in LEFT_OUT.get(wanted.form, frozenset())]
    if without:
        lines.append(f"Not in a template: {', '.join(without)}; see them by --format text.")
    if not any(each.form is Form.KEY for each in found) and not wanted.kinds:
        lines.append("A stream with a KMS key of its own needs --kms-key-arn; doka check says which it has.")
    lines.append("Next: doka check --config FILE")
    for line in lines:
        print(line if file else f"# {line}")  # noqa: T201


def _placeholders(found: Sequence[Document]) -> dict[str, str]:
    """Give the placeholders that stand in the documents, and what gives each."""
    text = json.dumps([[each.subject, each.account, each.policy] for each in found])
    return {name: by for name, by in PLACEHOLDERS.items() if name in text}


def _as_data(document: Document) -> dict[str, Any]:
    return {
        "for": document.kind,
        "name": document.name,
        "account": document.account,
        "attach": document.form.called,
        "to": document.subject,
        "purpose": document.purpose,
        "notes": list(document.notes),
        "policy": document.policy,
    }


def _shown(data: Any) -> str:
    return json.dumps(data, indent=2)


def _nothing(wanted: Wanted, *, by_iam: bool) -> str:
    if not by_iam and wanted.kinds and set(wanted.kinds) <= {"msk", "keda"}:
        return (
            "kafka.security.mechanism is not aws_msk_iam, so Kafka's rights are ACLs: READ on the topics, the group and the "
            "group of its skips, WRITE and DESCRIBE_CONFIGS on the dead-letter topic"
        )
    what = f" for {', '.join(wanted.kinds)}" if wanted.kinds else ""
    return f"this configuration needs no document{what}" + (f" in account {wanted.account}" if wanted.account else "")
