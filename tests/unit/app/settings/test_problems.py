from __future__ import annotations

from doka.app.settings.problems import Problem, SettingsError, alternatives, dotted, origin_of
from doka.domain.errors import UsageError


def test_a_path_is_written_as_people_do() -> None:
    """With dots between names and brackets around numbers."""
    assert dotted(("routes", 0, "stream", "name")) == "routes[0].stream.name"
    assert dotted(()) == ""


def test_a_problem_is_one_sentence_with_its_place() -> None:
    """Where, which setting, what; each part only where it is known."""
    assert str(Problem("is missing", ("a", "b"), "doka.yaml:3")) == "doka.yaml:3: a.b is missing"
    assert str(Problem("is missing", ("a", "b"))) == "a.b is missing"
    assert str(Problem("is empty", origin="doka.yaml")) == "doka.yaml: is empty"


def test_the_error_is_one_line_for_each_problem() -> None:
    """It is the operator's error, so it ends with exit code 2 and no traceback."""
    error = SettingsError([Problem("is missing", ("a",)), Problem("is missing", ("b",))])
    assert isinstance(error, UsageError)
    assert str(error).splitlines() == ["a is missing", "b is missing"]


def test_the_place_of_a_missing_setting_is_that_of_its_surroundings() -> None:
    """There is no line for what is not there."""
    origins = {(): "doka.yaml", ("a",): "doka.yaml:1", ("a", 0): "doka.yaml:2"}
    assert origin_of(("a", 0, "x"), origins) == "doka.yaml:2"
    assert origin_of(("a", 1), origins) == "doka.yaml:1"
    assert origin_of(("b",), origins) == "doka.yaml"
    assert origin_of(("b",), {}) is None


def test_a_choice_is_written_as_people_do() -> None:
    """One, two, or more."""
    assert [alternatives(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]
