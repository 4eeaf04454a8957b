"""Each gate of `make lint` is shown a breach that it must find, in a small copy of the tree."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from embedded.process import ROOT

BIN = Path(sys.executable).parent
PACKAGES = (
    "domain",
    "rights",
    "ledger",
    "views",
    "notifications",
    "workflows",
    "activities",
    "command_line",
    "embedded",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Our configuration around packages that are still empty."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        if (ROOT / package / "ruff.toml").exists():
            shutil.copy(ROOT / package / "ruff.toml", tmp_path / package)
    (tmp_path / "settings.py").touch()
    (tmp_path / "activities" / "contracts.py").touch()
    return tmp_path


def run(tree: Path, *command: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "300"}
    program = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(program, cwd=tree, capture_output=True, text=True, env=environment, timeout=60)
    return done.returncode, done.stdout + done.stderr


def ruff(tree: Path) -> tuple[int, str]:
    return run(tree, "ruff", "check", "--no-cache", "--output-format=concise", ".")


def size_limits(tree: Path) -> tuple[int, str]:
    return run(tree, "python", str(ROOT / "deploy" / "lint" / "size_limits.py"))


def imports(tree: Path) -> tuple[int, str]:
    return run(tree, "lint-imports", "--no-cache", "--no-logo")


def test_a_clean_tree_passes_ruff_and_the_size_limits(tree: Path) -> None:
    assert ruff(tree)[0] == 0
    assert size_limits(tree) == (0, "")


def test_ruff_finds_every_banned_call_in_the_pure_rooms(tree: Path) -> None:
    calls = {
        "from datetime import datetime\n\nNOW = datetime.now()\n": "`datetime.datetime.now` is banned",
        "import datetime\n\nTODAY = datetime.date.today()\n": "`datetime.date.today` is banned",
        "import time\n\nNOW = time.monotonic()\n": "`time` is banned",
        "from uuid import uuid4\n\nNEW = uuid4()\n": "`uuid.uuid4` is banned",
        "from random import random\n\nDRAWN = random()\n": "`random` is banned",
        "import secrets\n\nTOKEN = secrets.token_hex()\n": "`secrets` is banned",
        "from os import environ\n\nHOME = environ['HOME']\n": "`os` is banned",
        "import socket\n\nNAME = socket.gethostname()\n": "`socket` is banned",
        "from pathlib import Path\n\nHERE = Path()\n": "`pathlib.Path` is banned",
        "from subprocess import run\n\nDONE = run(['true'])\n": "`subprocess` is banned",
        "import psycopg\n\nLINK = psycopg.connect()\n": "`psycopg` is banned",
        "FILE = open('file')\n": "PTH123",
        "print('done')\n": "T201",
    }
    planted: dict[Path, str] = {}
    for room in ("domain", "workflows"):
        for number, (source, expected) in enumerate(calls.items()):
            path = Path(room) / f"planted_{number}.py"
            (tree / path).write_text(source)
            planted[path] = expected
    status, output = ruff(tree)
    assert status == 1
    missed = {
        path: expected
        for path, expected in planted.items()
        if not any(line.startswith(f"{path}:") and expected in line for line in output.splitlines())
    }
    assert missed == {}


def test_ruff_allows_clocks_where_the_world_is_touched(tree: Path) -> None:
    (tree / "activities" / "clock.py").write_text("import time\n\nNOW = time.monotonic()\n")
    assert ruff(tree)[0] == 0


BREACHES = [
    ("domain/a.py", "import ledger", "domain is pure"),
    ("domain/a.py", "import settings", "domain is pure"),
    ("domain/a.py", "import psycopg", "domain is pure"),
    ("domain/a.py", "import rights", "domain is pure"),
    ("rights/a.py", "import ledger", "rights know domain only"),
    ("ledger/a.py", "import views", "ledger knows domain only"),
    ("ledger/a.py", "import rights", "ledger knows domain only"),
    ("views/a.py", "import activities", "views know domain and ledger only"),
    ("views/a.py", "import notifications", "views know domain and ledger only"),
    ("notifications/a.py", "import temporalio", "notifications know domain, ledger and views"),
    ("notifications/a.py", "import activities", "notifications know domain, ledger and views"),
    ("workflows/a.py", "import notifications", "workflows know domain"),
    ("workflows/a.py", "import psycopg", "workflows know domain"),
    ("workflows/a.py", "import activities.record", "workflows know domain"),
    ("workflows/a.py", "import cedarpy", "workflows know domain"),
    ("activities/contracts.py", "import boto3", "the contracts of activities"),
    ("activities/contracts.py", "import rights", "the contracts of activities"),
    ("activities/a.py", "import command_line", "activities do not know who calls them"),
    ("command_line/a.py", "import ledger", "the command line asks views"),
    ("command_line/a.py", "import workflows.search_attributes", "the command line asks views"),
    ("embedded/a.py", "import domain", "the embedded stack"),
    ("activities/a.py", "import eventsourcing", "the library that patches dataclasses"),
]


def broken_contracts(output: str) -> dict[str, str]:
    """What the report says of each broken contract; a contract's name is underlined in it."""
    _, *parts = re.split(r"^(\S.*)\n-{3,}\n", output.split("Broken contracts\n", 1)[1], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_contract_finds_the_import_that_it_forbids(tree: Path) -> None:
    """All at once, to be quick: the report names each import under each contract that it breaks."""
    for package in ("activities/record.py", "workflows/search_attributes.py"):
        (tree / package).touch()
    for file, statement, _ in BREACHES:
        with (tree / file).open("a") as source:
            source.write(f"{statement}\n")
    status, output = imports(tree)
    assert status == 1
    contracts = broken_contracts(output)
    for file, statement, beginning in BREACHES:
        found = "".join(text for name, text in contracts.items() if name.startswith(beginning))
        importer = file.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {statement.removeprefix('import ')} " in found, (beginning, output)


def test_what_the_contracts_allow_passes(tree: Path) -> None:
    allowed = {
        "rights/a.py": "import domain\nimport cedarpy\n",
        "ledger/migrate.py": "import domain\nimport psycopg\nimport eventsourcing\n",
        "views/a.py": "import ledger\nimport psycopg\n",
        "workflows/search_attributes.py": "import temporalio\n",
        "workflows/a.py": "import domain\nimport activities.contracts\nimport temporalio\n",
        "activities/contracts.py": "import domain\nimport temporalio\n",
        "activities/a.py": "import ledger\nimport rights\nimport views\nimport settings\nimport boto3\nimport duckdb\n",
        "command_line/installation.py": "import ledger.migrate\nimport workflows.search_attributes\n",
        "command_line/a.py": "import domain\nimport views.a\nimport settings\nimport embedded\nimport temporalio\n",
        "embedded/a.py": "import settings\nimport psycopg\n",
    }
    for file, source in allowed.items():
        (tree / file).write_text(source)
    status, output = imports(tree)
    assert status == 0, output


def function(lines: int) -> str:
    return "def long() -> None:\n" + "    pass\n" * (lines - 1)


def test_a_function_may_have_70_lines_but_not_71(tree: Path) -> None:
    (tree / "domain" / "long.py").write_text(function(70))
    assert size_limits(tree)[0] == 0
    (tree / "domain" / "long.py").write_text("\n" + function(71))
    assert size_limits(tree) == (1, "domain/long.py:2: long() has 71 lines, at most 70 are allowed\n")


def test_a_file_may_have_400_lines_but_not_401(tree: Path) -> None:
    (tree / "views" / "long.py").write_text("\n" * 400)
    assert size_limits(tree)[0] == 0
    (tree / "views" / "long.py").write_text("\n" * 401)
    status, output = size_limits(tree)
    assert (status, output.split(",")[0]) == (1, "views/long.py: 401 lines")


def test_mypy_finds_untyped_and_mistyped_code(tree: Path) -> None:
    config = (tree / "pyproject.toml").read_text().replace('plugins = ["pydantic.mypy"]', "")  # not needed, and slow
    (tree / "pyproject.toml").write_text(config)
    (tree / "domain" / "wrong.py").write_text("def f(x):\n    return x\n\n\nNUMBER: int = 'one'\n")
    status, output = run(tree, "mypy", "--cache-dir", os.devnull, "domain")
    assert status == 1
    assert "Function is missing a type annotation" in output
    assert "Incompatible types in assignment" in output


def test_everything_at_the_top_is_packaged() -> None:
    """What is left out works in a checkout, and is missing from the image."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "tests"}
    assert sorted(setuptools["packages"]) == sorted(packages)
    assert sorted(setuptools["py-modules"]) == sorted(path.stem for path in ROOT.glob("*.py"))


def test_no_other_distribution_has_a_package_of_our_name() -> None:
    """Flat packages have common names: another distribution with one of them would overwrite ours without a word."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    ours = {*setuptools["packages"], *setuptools["py-modules"], "tests", "bench"}
    assert set(PACKAGES) <= ours
    installed = importlib.metadata.packages_distributions()
    intruders = {name: set(installed.get(name, ())) - {"allot"} for name in ours}
    assert {name: others for name, others in intruders.items() if others} == {}
    assert not ours & sys.stdlib_module_names
