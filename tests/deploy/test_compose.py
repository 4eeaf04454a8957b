"""docker-compose.yml and what belongs to it, as far as it can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.process import ROOT
from settings import Settings
from tests.support import compose

BIN = Path(sys.executable).parent
SCRIPTS = sorted((ROOT / "deploy").rglob("*.sh"))


def validate(path: Path) -> tuple[int, str]:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_the_file_keeps_to_the_compose_specification() -> None:
    assert validate(compose.COMPOSE_FILE)[0] == 0


def test_a_planted_error_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "docker-compose.yml"
    planted.write_text(compose.COMPOSE_FILE.read_text().replace("healthcheck:", "healthchek:", 1))
    status, output = validate(planted)
    assert status == 1
    assert "healthchek" in output


def test_images_are_pinned_to_a_version() -> None:
    images = {name: service.image for name, service in compose.services().items()}
    ours = {name for name, image in images.items() if image.startswith("allot:")}
    assert ours == {"setup", "worker"}
    unpinned = {name: image for name, image in images.items() - {(n, images[n]) for n in ours} if not pinned(image)}
    assert unpinned == {}
    assert not pinned("postgres")
    assert not pinned("temporalio/ui:latest")


def pinned(image: str) -> bool:
    return re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?", image) is not None


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in compose.services().values() for port in service.content.get("ports", ())]
    assert len(ports) == 3
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_what_runs_for_long_restarts_and_has_a_health_check() -> None:
    for name, service in compose.services().items():
        jobs = {"setup", "temporal-schema", "temporal-namespace"}
        assert service.content["restart"] == ("on-failure:5" if name in jobs else "unless-stopped"), name
        assert bool(service.healthcheck) is (name not in jobs), name


def test_every_dependency_exists_and_waits_for_something() -> None:
    services = compose.services()
    for name, service in services.items():
        for other, condition in service.content.get("depends_on", {}).items():
            expected = "service_healthy" if services[other].healthcheck else "service_completed_successfully"
            assert condition == {"condition": expected}, (name, other)


def test_the_worker_is_the_console_script_with_its_check() -> None:
    worker = compose.service("worker")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert worker.command == ("allot-worker",)
    assert worker.healthcheck == ("allot-worker", "--check")
    assert compose.service("setup").command == ("allot", "setup")
    assert {"allot-worker", "allot"} <= scripts.keys()


def test_the_variables_of_the_worker_are_settings() -> None:
    content: dict[str, Any] = compose.service("worker").content["environment"]
    names = {name.removeprefix("ALLOT_").lower() for name in content if name.startswith("ALLOT_")}
    assert names <= Settings.model_fields.keys()
    assert {"database_url", "temporal_address", "file_store"} <= names


def test_the_worker_may_end_its_activities_before_it_is_killed() -> None:
    grace_s = int(compose.service("worker").content["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["graceful_shutdown_s"].default


def test_variables_are_filled_in() -> None:
    assert "allot-development@" in compose.service("worker").environment["ALLOT_DATABASE_URL"]
    variables = {"ALLOT_POSTGRES_PASSWORD": "other", "AWS_REGION": "eu-central-1"}
    environment = compose.service("worker", variables).environment
    assert "allot:other@" in environment["ALLOT_DATABASE_URL"]
    assert environment["AWS_REGION"] == "eu-central-1"
    assert "AWS_REGION" not in compose.service("worker").environment


def test_claimed_actors_are_not_accepted_unless_said() -> None:
    assert compose.service("worker").environment["ALLOT_ACCEPT_CLAIMED_ACTORS"] == "false"


def mounted() -> Iterator[Path]:
    for service in compose.services().values():
        for volume in service.content.get("volumes", ()):
            if volume.startswith("./"):
                yield ROOT / volume.split(":")[0]


def test_mounted_files_exist() -> None:
    assert [path for path in mounted() if not path.is_dir()] == []
    configured = compose.service("temporal").environment["DYNAMIC_CONFIG_FILE_PATH"]
    file = ROOT / "deploy" / "temporal" / configured.removeprefix("config/")
    assert isinstance(yaml.safe_load(file.read_text()), dict)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_and_use_no_variable_that_nobody_sets(script: Path) -> None:
    text = script.read_text()
    assert subprocess.run(["sh", "-n", script], timeout=10).returncode == 0
    assert "set -eu" in text
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", text))
    service = next(s for s in compose.services().values() if s.command[-1:] == (f"/scripts/{script.name}",))
    assert used <= service.environment.keys()


def test_the_lock_of_the_image_is_part_of_the_whole_lock() -> None:
    """Otherwise the image would run versions that no test has seen."""
    pins = {name: set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS}
    whole, image = pins["requirements.lock"], pins["deploy/requirements.lock"]
    assert len(image) > 20
    assert image <= whole
    assert pins["deploy/bootstrap/build-tools.txt"] <= whole


LOCKS = ("requirements.lock", "deploy/requirements.lock", "deploy/bootstrap/build-tools.txt")


def test_the_image_runs_as_an_ordinary_user_with_the_same_command_and_check() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert "USER 10001" in lines
    assert 'CMD ["allot-worker"]' in lines
    assert any(line.startswith("HEALTHCHECK") and line.endswith('CMD ["allot-worker", "--check"]') for line in lines)


def test_everything_that_is_packaged_is_sent_to_the_image_build() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    needed = {*setuptools["packages"], "*.py", "pyproject.toml"}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert needed | {"README.md", *LOCKS[1:]} == sent
