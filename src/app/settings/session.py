"""What a role session is called and narrowed by, judged before STS sees it: botocore checks only lengths."""

from __future__ import annotations

import json
import re

from doka.domain.limits import SESSION_NAME_PATTERN

_SESSION_NAME = re.compile(SESSION_NAME_PATTERN)


def fill_session_name(template: str, hostname: str) -> str:
    """Give the session name with {hostname} filled in.

    Raises:
        ValueError: it holds another placeholder, or leaves the alphabet or length that STS takes.
    """
    filled = template.replace("{hostname}", hostname)
    unknown = re.search(r"\{(\w*)\}", filled)
    if unknown is not None:
        raise ValueError("knows {hostname} as its only placeholder; write the rest out")
    if len(filled) > 64:  # noqa: PLR2004 - STS AssumeRole, RoleSessionName
        raise ValueError(
            f"has {len(filled)} characters"
            + (" once {hostname} is filled in" if filled != template else "")
            + "; STS takes 2 to 64, so shorten it or leave {hostname} out"
        )
    if _SESSION_NAME.fullmatch(filled) is None:
        raise ValueError(
            "holds a character that STS refuses"
            + (" once {hostname} is filled in" if _SESSION_NAME.fullmatch(template.replace("{hostname}", "xx")) else "")
            + "; use 2 to 64 letters, digits or any of _ + = , . @ -"
        )
    return filled


def check_session_policy(text: str) -> str:
    """Take a session policy that is a JSON object with statements.

    Raises:
        ValueError: it is none; the text does not repeat it.
    """
    try:
        policy = json.loads(text)
    except ValueError:
        policy = None
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise ValueError("must be a policy document as JSON text with a Statement")
    return text
