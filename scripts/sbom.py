"""`python -m scripts.sbom`, which `make sbom` runs: writes the bills of materials of the wheel and of an image, checked.

The wheel's is the one that it carries; the image's is made of what its own interpreter finds in it. Both are CycloneDX as
JSON, the same bytes for the same contents, and held to the published schema before they are written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scripts import inventory
from scripts.bill import Json, written
from scripts.image_bill import files, of_image

ROOT = Path(__file__).resolve().parents[1]
WITHIN_SECONDS = 120
NOT_STARTED = 125  # what `docker run` ends with where no container came to be


class CannotTellError(Exception):
    """A bill cannot be written; the text says why, and what to do."""


def wheel_bill(wheel: Path) -> Json:
    """Give the bill that a wheel carries."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if "/sboms/" in name)
        bill: Json = json.loads(archive.read(name))
    return bill


def image_bill(image: str) -> Json:
    """Give the bill of an image that the container engine has; the image runs once, read-only and without a network.

    Raises:
        CannotTellError: there is no engine, no such image, or something in it belongs to nothing.
    """
    words = ["docker", "run", "--rm", "--interactive", "--pull", "never", "--network", "none", "--read-only"]
    # All may be read and nothing written: an object in a folder that is not root's would be left out otherwise.
    words += ["--cap-drop", "ALL", "--cap-add", "DAC_READ_SEARCH", "--user", "0:0"]
    words += ["--entrypoint", "python3", image, "-I", "-"]
    program = Path(inventory.__file__).read_text(encoding="utf-8")
    try:
        ran = subprocess.run(words, input=program, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False)
    except OSError as error:
        raise CannotTellError(f"docker cannot be run: {error.strerror}") from error
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line and "--help" not in line] or ["it said nothing"]
        cure = f"\nbuild it first: docker build -t {image} ." if ran.returncode == NOT_STARTED else ""
        raise CannotTellError(f"{image} could not be looked into: {said[-1]}{cure}")
    try:
        return of_image(json.loads(ran.stdout))
    except ValueError as error:
        raise CannotTellError(f"{image}: {error}") from error


def checked(bill: Json) -> str:
    """Give a bill as text, after the schema of CycloneDX.

    Raises:
        CannotTellError: the schema does not allow it.
    """
    # Only here: it makes the grammars of the schema's formats as it is loaded, for a second.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = written(bill)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise CannotTellError(f"CycloneDX does not allow it: {wrong.data.message[:300]} at {wrong.data.json_path}")
    return text


def main() -> None:
    """Write what was asked for, and say what it is."""
    words = argparse.ArgumentParser(prog="python -m scripts.sbom", description=__doc__)
    words.add_argument("--image", help="also write the bill of this image")
    words.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for the files")
    given = words.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
            subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
            (wheel,) = Path(folder).glob("*.whl")
            bill = wheel_bill(wheel)
        version = bill["metadata"]["component"]["version"]
        _write(given.out / f"doka-connector-{version}.cdx.json", bill)
        if given.image:
            _write(given.out / f"doka-image-{version}.cdx.json", image_bill(given.image))
    except CannotTellError as error:
        sys.stderr.write(f"sbom: {error}\n")
        raise SystemExit(2) from None


def _write(path: Path, bill: Json) -> None:
    path.write_text(checked(bill), encoding="utf-8")
    objects = sum(1 for _ in files(bill))
    sys.stdout.write(f"{path}: {_count(bill)} components" + (f", {objects} files\n" if objects else "\n"))


def _count(bill: Json) -> int:
    parts = [part for part in bill.get("components", ()) if part["type"] != "file"]
    return len(parts) + sum(_count(part) for part in parts)


if __name__ == "__main__":
    main()
