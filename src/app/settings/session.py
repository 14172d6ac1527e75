"""What a role session is called and narrowed by, judged before STS sees it: botocore checks only lengths."""

from __future__ import annotations

import hashlib
import json
import re

from doka.domain.limits import SESSION_NAME_PATTERN

_SESSION_NAME = re.compile(SESSION_NAME_PATTERN)


SESSION_NAME_CHARACTERS_MAX = 64  # STS AssumeRole, RoleSessionName
HASH_CHARACTERS = 8
HOST_CHARACTERS_MIN = 16
"""What must be left for a name that is cut: less than this, with the hash, would say nothing to a person."""


def fill_session_name(template: str, hostname: str) -> str:
    """Give the session name with {hostname} filled in, cut where it is too long, so that no pod fails by its name alone.

    A cut name ends in a hash of the whole one: names that begin alike stay apart.

    Raises:
        ValueError: it holds another placeholder, or leaves the alphabet or length that STS takes.
    """
    places = template.count("{hostname}")
    if places:
        fixed = len(template) - places * len("{hostname}")
        room = (SESSION_NAME_CHARACTERS_MAX - fixed) // places
        if HOST_CHARACTERS_MIN <= room < len(hostname):
            told = hashlib.sha256(hostname.encode()).hexdigest()[:HASH_CHARACTERS]
            hostname = f"{hostname[: room - HASH_CHARACTERS - 1]}-{told}"
    filled = template.replace("{hostname}", hostname)
    unknown = re.search(r"\{(\w*)\}", filled)
    if unknown is not None:
        raise ValueError("knows {hostname} as its only placeholder; write the rest out")
    if len(filled) > SESSION_NAME_CHARACTERS_MAX:
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
