from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--case", "none"], "there is no case 'none'; there are plain-100b, "),
        (["--compare", "none.json"], "none.json is neither a file nor a commit that git knows here"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case or a file that is not there ends with exit code 2 and one sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert 2 == ended.value.code
    assert told in capsys.readouterr().err
