from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from doka.app.check.surroundings import CREDENTIALS, PROXIES, SECRET, TRUST
from doka.app.cli.words import cli
from doka.app.settings import Settings
from doka.app.settings.environment import overlay
from doka.app.settings.load import settings_from
from doka.app.settings.outline import child, leaves
from doka.app.settings.sdk_endpoints import variables
from doka.domain.verdicts import REQUEST, Verdict
from scripts.generated_pages import DOCS, IAM, metric_names, pages
from scripts.iam_page import examples
from tests.architecture.source_tree import ROOT, project_files, shown

PROSE = [path for path in project_files() if path.suffix == ".md"]
METRICS = cache(metric_names)
THE_COMMAND = cache(lambda: typer.main.get_command(cli))
SECTIONS = frozenset(Settings.model_fields)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
A_COMMAND = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(doka(?: .*)?)$", re.MULTILINE)
A_METRIC = re.compile(r"\bdoka_[a-z][a-z_]*[a-z]\b")
A_VARIABLE = re.compile(r"\bDOKA_[A-Z0-9_]+\b")
A_FILE = re.compile(r"(?:src|tests|deploy|examples|docs|scripts|requirements)/[\w./-]*[\w/]")
WORDS_OF_THE_HOUSE = frozenset(
    [
        "lane",
        "lease",
        "settled",
        "committed",
        "watermark",
        "drain",
        "gap",
        "probe",
        "poison",
        "hop",
        "member",
        "chunk",
        "run",
        "route",
        "aggregate",
        "ambiguous",
    ]
)
OF_THE_TESTS = frozenset(
    {"DOKA_CONTAINERS", "DOKA_KUBERNETES", "DOKA_TEST_KAFKA_PORT", "DOKA_TEST_AWS_PORT", "DOKA_TEST_HTTP_PORT"}
)


def read(path: Path) -> str:
    """Give a page."""
    return path.read_text(encoding="utf-8")


def fenced(path: Path, *languages: str) -> list[str]:
    """Give the code blocks of a page in these languages (all, by default)."""
    return [body for language, body in FENCED.findall(read(path)) if not languages or language in languages]


@cache
def inline(path: Path) -> tuple[str, ...]:
    """Give what stands between single backticks on a page."""
    return tuple(INLINE.findall(FENCED.sub("", read(path))))


def wrong(look: Callable[[Path], Iterable[str]]) -> list[str]:
    """Give what a look at each page found to be wrong on it, each with the name of its page."""
    return [f"{shown(path)}: {found}" for path in PROSE for found in look(path)]


# --- pages that come from the code -------------------------------------------------------------------------------


def test_a_generated_page_says_what_the_code_says() -> None:
    """A page that is written from the code is as `make docs` writes it now."""
    for name, text in pages().items():
        assert text == read(ROOT / name), f"{name} is stale: run make docs"


def test_the_metrics_page_knows_counters_gauges_and_histograms() -> None:
    """Each kind of series is found, under the names that a scrape shows."""
    assert {
        "doka_records_settled_total",
        "doka_records_fetched_total",
        "doka_lag_seconds",
        "doka_lease_seconds_left",
        "doka_put_duration_seconds_bucket",
    } <= METRICS()


def test_the_settings_page_knows_every_setting() -> None:
    """Each setting that can be set has its row, under the name that the configuration knows."""
    page = read(DOCS / "settings.md")
    paths = [".".join(map(str, path)) for path in leaves(Settings)]
    written = [re.sub(r"\.0(?=\.|$)", "[]", path).replace("roles.NAME.", "roles.*.") for path in paths]
    named = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    missing = [path for path in written if not {path, path.removesuffix("[]"), path.rpartition(".")[0]} & named]
    assert [] == missing


def test_the_index_has_every_page_and_every_decision() -> None:
    """Whoever looks for a page finds it in docs/README.md, a decision under the title that it has."""
    index = read(DOCS / "README.md")
    there = {
        path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*")) if path.suffix in {".md", ".html"}
    }
    assert [] == [name for name in there if name != "README.md" and f"({name})" not in index]
    titles = [
        f"| [{path.name[:4]}]({name}) | {read(path).splitlines()[0].partition('. ')[2]} |"
        for name, path in there.items()
        if name.startswith("adr/")
    ]
    assert [] == [title for title in titles if title not in index]


def test_the_page_of_variables_knows_those_that_the_code_knows() -> None:
    """Every variable that `doka check` looks at, or that names an endpoint, is on the page."""
    known = {*PROXIES, *TRUST, *CREDENTIALS, *SECRET, *variables()}
    assert [] == sorted(known - set(inline(DOCS / "environment.md")))


@pytest.mark.parametrize("name", ["operating.md", "failure-modes.md"])
def test_a_page_for_the_night_leads_to_its_words_at_its_top(name: str) -> None:
    """It links the one list of words before its first heading or table, and the list has the words that it uses."""
    page = read(DOCS / name)
    top = page[: min(place for place in (page.find("\n## "), page.find("\n|")) if place > 0)]
    assert "(design.md#words)" in top
    listed = set(re.findall(r"^\| \*([a-z ]+)\* \|", read(DOCS / "design.md"), re.MULTILINE))
    used = {word for word in WORDS_OF_THE_HOUSE if re.search(rf"\b{word}", page)}
    assert used
    assert [] == sorted(used - listed)


# --- links -------------------------------------------------------------------------------------------------------


@cache
def anchors(path: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    """Give the relative links of a page that lead nowhere."""
    for link in LINK.findall(FENCED.sub("", read(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def test_every_link_resolves() -> None:
    """Each relative link leads to a file that is there, and to a heading that is in it."""
    assert [] == wrong(broken_links)


def test_every_file_that_is_named_exists() -> None:
    """A page that names a test or a source file as its evidence names one that there is."""
    assert [] == wrong(
        lambda path: sorted({text for text in inline(path) if A_FILE.fullmatch(text) and not (ROOT / text).exists()})
    )


# --- commands ----------------------------------------------------------------------------------------------------


def commands(path: Path) -> list[str]:
    """Give every `doka` command line of a page, as one would type it."""
    typed = [line for block in fenced(path, "", "console", "sh", "bash") for line in A_COMMAND.findall(block)]
    typed += [text for text in inline(path) if re.match(r"doka( |$)", text)]
    return [re.split(r"\s+(?:#|>|\||&&)\s?", line)[0].rstrip(";") for line in typed]


def parse(line: str) -> None:
    """Parse a command line as the command does; raises what it would say of a wrong one."""
    command = THE_COMMAND()
    words = shlex.split(line)
    context = None
    name = words.pop(0)
    while True:
        if words and words[-1] in {"--help", "--version"}:
            words.pop()
        found = getattr(command, "commands", None)
        context = command.make_context(name, words, parent=context, resilient_parsing=not words)
        if found is None or not words:
            return
        name, *words = words
        assert name in found, f"{line}: there is no command {name}"
        command = found[name]


def refused(path: Path) -> Iterator[str]:
    """Give the command lines of a page that doka does not understand, with what it says of them."""
    for line in commands(path):
        try:
            parse(line)
        except (AssertionError, typer.TyperException) as error:
            yield f"{line}: {error}"


def test_every_command_line_parses() -> None:
    """What a page tells to type is something that doka understands."""
    assert [] == wrong(refused)


@pytest.mark.parametrize(
    "line", ["doka fly", "doka run --confg doka.yaml", "doka demo --policy sometimes", "doka config"]
)
def test_the_parser_of_command_lines_can_refuse(line: str) -> None:
    """A command, an option or a value that there is not is found, a group without a command is not."""
    if line == "doka config":
        parse(line)
        return
    with pytest.raises((AssertionError, typer.TyperException)):
        parse(line)


# --- settings ----------------------------------------------------------------------------------------------------


def settings_named(path: Path) -> Iterator[tuple[str, ...]]:
    """Give the path of every setting that a page names between backticks."""
    for text in inline(path):
        name = re.match(r"[a-z_]+(?:\[\d*\])?(?:\.(?:[a-z_*]+|<\w+>)(?:\[\d*\])?)*(?=$|:? )", text + " ")
        if name is None or ("." not in name[0] and "[" not in name[0]):
            continue
        parts = tuple(re.sub(r"\[\d*\]", ".0", name[0]).split("."))
        if parts[0] in SECTIONS and not text.endswith((".py", ".md")):
            yield parts


def is_setting(parts: tuple[str, ...]) -> bool:
    """Say whether a path leads to a setting or a section; `*` stands for any name."""
    kind: object = Settings
    for part in parts:
        kind = child(kind, int(part) if part.isdigit() else part)
        if kind is None:
            return False
    return True


def unknown_settings(path: Path) -> Iterator[str]:
    """Give the settings and the variables of a page that the configuration does not know."""
    yield from (".".join(parts) for parts in settings_named(path) if not is_setting(parts))
    for name in sorted(set(A_VARIABLE.findall(read(path))) - OF_THE_TESTS):
        yield from map(str, overlay({name: "1"}, Settings, {}, {}))


def test_every_setting_that_is_named_exists() -> None:
    """A page names settings by the names that the configuration knows, as paths and as variables."""
    assert [] == wrong(unknown_settings)


def test_a_setting_that_there_is_not_is_found() -> None:
    """The check of names can fail."""
    assert is_setting(("limits", "held_mib"))
    assert is_setting(("routes", "0", "stream", "name"))
    assert is_setting(("roles", "*", "rotation"))
    assert not is_setting(("limits", "held_mb"))


def test_every_configuration_that_is_shown_loads() -> None:
    """A whole configuration on a page is one that doka takes; what it says of another names the page."""
    for path in PROSE:
        for block in fenced(path, "yaml"):
            data = yaml.safe_load(block)
            if isinstance(data, dict) and {"kafka", "routes"} <= data.keys():
                try:
                    assert settings_from(data, hostname="pod-1").routes
                except Exception as error:
                    error.add_note(f"shown in {shown(path)}")
                    raise


# --- metrics and codes -------------------------------------------------------------------------------------------


def test_every_metric_that_is_named_exists() -> None:
    """A page names metrics by the names that a scrape shows."""
    known = METRICS() | {"doka_connector"}
    assert [] == wrong(lambda path: sorted(set(A_METRIC.findall(read(path))) - known))


def test_every_code_that_blocks_a_route_has_its_cure() -> None:
    """For each error code that stops a route, the page for operators says what to do."""
    page = read(DOCS / "operating.md")
    stops = [code for code, verdict in REQUEST.items() if verdict in {Verdict.BLOCKED, Verdict.DENIED}]
    assert [] == [code for code in stops if f"`{code}`" not in page]


# --- the documents for IAM ---------------------------------------------------------------------------------------


def test_the_documents_of_deploy_are_those_that_doka_prints() -> None:
    """What deploy/iam holds is what `doka policy` says of the accounts of docs/first-record.md, and nothing else."""
    there = {path.name: read(path) for path in IAM.iterdir()}
    assert examples() == there, "deploy/iam is stale: run make docs"
