"""The examples for ECS and Terraform: what they give to the container is what doka takes, and the task fits it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import get_session
from botocore.validate import ParamValidator

from doka.app.config_options import ConfigOptions
from doka.app.settings import Settings, load_settings
from doka.app.settings.load import settings_from
from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import fenced

TERRAFORM = ROOT / "deploy" / "terraform"
REQUIRED = "TERRAFORM_TESTS"
TERRAFORM_SECONDS = 60.0
STOP_SECONDS_MAX = 120
"""How long Fargate waits for a task that was told to stop; docs.aws.amazon.com/AmazonECS, `stopTimeout`."""
(PAGE,) = (block for block in fenced(ROOT / "docs" / "first-record.md", "yaml") if block.startswith("# doka.yaml"))
"""The configuration that the task definition is made of."""
BARE: dict[str, Any] = {
    "kafka": {"bootstrap_servers": ["b:9098"], "group_id": "g"},
    "routes": [{"topics": ["a"], "stream": {"name": "a"}}],
}


def example(name: str) -> dict[str, Any]:
    """Give a file of deploy/ecs."""
    read: dict[str, Any] = json.loads((ROOT / "deploy" / "ecs" / name).read_text(encoding="utf-8"))
    return read


def the_container() -> dict[str, Any]:
    """Give the one container of the task definition."""
    (found,) = example("task-definition.json")["containerDefinitions"]
    return dict(found)


def loaded(container: Mapping[str, Any]) -> Settings:
    """Load what the container is given, as `doka run` does without a file."""
    assert ["run"] == container["command"]
    environ = {entry["name"]: entry["value"] for entry in container["environment"]}
    return load_settings(ConfigOptions(), environ=environ, hostname="task-1")


@pytest.mark.parametrize(
    ("file", "operation"), [("task-definition.json", "RegisterTaskDefinition"), ("service.json", "CreateService")]
)
def test_the_api_takes_it(file: str, operation: str) -> None:
    """Every name and kind is one of the API, as the client of this day knows it."""
    shape = get_session().get_service_model("ecs").operation_model(operation).input_shape
    assert shape is not None
    assert "" == ParamValidator().validate(example(file), shape).generate_report()
    assert "Unknown parameter" in ParamValidator().validate({"familly": "doka"}, shape).generate_report()


def test_doka_takes_what_the_task_definition_gives_it() -> None:
    """It is the configuration of the page, but for the address and what is computed."""
    given, page = loaded(the_container()), settings_from(yaml.safe_load(PAGE), hostname="task-1")
    assert page.model_dump(exclude={"http": {"host"}}) == given.model_dump(exclude={"http": {"host"}})
    assert "0.0.0.0" == given.http.host


def test_the_task_fits_the_process() -> None:
    """Time to stop, port, memory and health are those of the configuration, and nothing is permitted that is not needed."""
    task, container = example("task-definition.json"), the_container()
    settings = loaded(container)
    assert settings.limits.drain_seconds + 5 <= container["stopTimeout"] <= STOP_SECONDS_MAX
    assert [settings.http.port] == [port["containerPort"] for port in container["portMappings"]]
    assert f"http://127.0.0.1:{settings.http.port}/healthz" in container["healthCheck"]["command"][-1]
    assert settings.limits.held_mib + 92 < int(task["memory"])
    assert container["readonlyRootFilesystem"]
    assert ("65532:65532", ["ALL"]) == (container["user"], container["linuxParameters"]["capabilities"]["drop"])
    service = example("service.json")
    assert service["taskDefinition"] == task["family"]
    assert 100 == service["deploymentConfiguration"]["minimumHealthyPercent"]


# --- Terraform ------------------------------------------------------------------------------------------------------


def terraform(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let Terraform do something; skip where there is none, unless TERRAFORM_TESTS=required."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        missing = "neither Terraform nor OpenTofu is installed"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{missing} (and {REQUIRED}=required)", pytrace=False)
        pytest.skip(missing)
    quiet = {"TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        [found, *words],
        cwd=folder,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=TERRAFORM_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the module of the task, made ready."""
    folder = tmp_path_factory.mktemp("terraform") / "task"
    shutil.copytree(TERRAFORM / "task", folder, ignore=shutil.ignore_patterns(".terraform*", "terraform.tfstate*"))
    done = terraform("init", "-no-color", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def applied(module: Path, config: str, *words: str) -> dict[str, Any]:
    """Give the outputs for a configuration."""
    asked = ("apply", "-no-color", "-auto-approve", f"-state={module / 'state'}", f"-var=config={config}")
    done = terraform(*asked, *words, folder=module)
    assert done.returncode == 0, done.stderr
    told = json.loads(terraform("output", "-json", f"-state={module / 'state'}", folder=module).stdout)
    return {name: output["value"] for name, output in told.items()}


def test_it_is_written_as_terraform_writes_it() -> None:
    """Each file is one that Terraform can read, in its own form."""
    done = terraform("fmt", "-check", "-recursive", "-diff", folder=TERRAFORM)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_the_task_definition_is_what_the_module_makes_of_the_page(module: Path) -> None:
    """The file for the command line and the module cannot differ."""
    container = the_container()
    options = json.dumps(container["logConfiguration"]["options"])
    out = applied(module, PAGE, f"-var=image={container['image']}", f"-var=log_options={options}")
    assert container == out["container"]
    task = example("task-definition.json")
    assert (task["cpu"], task["memory"]) == (str(out["cpu"]), str(out["memory"]))


def test_a_large_configuration_becomes_a_large_task(module: Path) -> None:
    """Every group arrives, empty ones too, and stop, port, memory and CPU follow."""
    config = (ROOT / "examples" / "doka.yaml").read_text(encoding="utf-8")
    config = config.replace("drain_seconds: 25", "drain_seconds: 60.5").replace("held_mib: 64", "held_mib: 4096")
    config = config.replace("port: 9400", "port: 9500")
    out = applied(module, config, "-var=image=doka", '-var=secrets={"DOKA_KAFKA__SECURITY__PASSWORD":"arn"}')
    settings = loaded(out["container"])
    assert (60.5, 4096, 9500) == (settings.limits.drain_seconds, settings.limits.held_mib, settings.http.port)
    assert (66, 9500, 5120, 1024) == (out["container"]["stopTimeout"], out["port"], out["memory"], out["cpu"])
    assert [{"name": "DOKA_KAFKA__SECURITY__PASSWORD", "valueFrom": "arn"}] == out["container"]["secrets"]
    whole = settings_from(yaml.safe_load(config), hostname="task-1")
    assert whole.model_dump(exclude={"http": {"host"}}) == settings.model_dump(exclude={"http": {"host"}})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({**BARE, "limits": {"drain_seconds": 116}}, "limits.drain_seconds must be 115 at most"),
        ({**BARE, "kafka": {**BARE["kafka"], "security": {"password": "secret"}}}, "A password in config"),
        ({**BARE, "kafka": {**BARE["kafka"], "group_instance_id": "one"}}, "would be the name of all tasks"),
        ({"routes": []}, "config must be the text of doka.yaml"),
    ],
)
def test_what_cannot_work_is_refused_in_words(module: Path, config: Mapping[str, Any], said: str) -> None:
    """The plan ends with the setting and the cure."""
    done = terraform("plan", "-no-color", f"-var=config={json.dumps(config)}", "-var=image=doka", folder=module)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
