"""The lines of README that need a container engine, as they stand there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import fenced
from tests.containers.pages import status
from tests.integration.docs.test_commands import commands
from tests.waiting import eventually

BUILD_SECONDS = 600


@pytest.fixture
def lines(container_engine: None) -> Iterator[tuple[str, str]]:
    """Give README's line that builds the image, and the one that runs it; what they leave behind is taken away."""
    found = [line for line in commands(ROOT / "README.md") if line.startswith("docker ")]
    build, run = found
    yield build, run
    subprocess.run(["docker", "image", "rm", "--force", "doka"], capture_output=True, check=False)


def test_the_image_is_built_and_run_by_readme(lines: tuple[str, str], tmp_path: Path) -> None:
    """Both lines, typed as they stand: the service answers on the published port, and a stop ends it with 0."""
    build, run = lines
    subprocess.run(["/bin/sh", "-c", build], cwd=ROOT, capture_output=True, timeout=BUILD_SECONDS, check=True)
    (block,) = (body for body in fenced(ROOT / "README.md", "yaml") if body.startswith("# doka.yaml"))
    (tmp_path / "doka.yaml").write_text(block, encoding="utf-8")
    given = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {run}"], cwd=tmp_path, env=given, stdout=subprocess.PIPE, text=True
    ) as service:
        try:
            eventually(
                lambda: status("127.0.0.1:9400", "/healthz") == 200, what="the service on the published port", every=0.2
            )
            assert 503 == status("127.0.0.1:9400", "/readyz"), "nothing that it needs can be reached"
            service.terminate()  # the client hands it on
            out, _err = service.communicate(timeout=60)
        finally:
            service.kill()
    assert 0 == service.returncode, out
    assert '"event":"ended"' in out
