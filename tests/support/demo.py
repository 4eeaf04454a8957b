"""A demo that runs, and sums of its sample files that share no code with Allot."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import uuid4

import psutil

from embedded.process import ROOT
from tests.support.nursery import Order
from tests.support.workers import nursery

DEMO = ROOT / "demo"
SMALLEST = Decimal("1E-12")
STARTED_WITHIN_S = 150
STOPPED_WITHIN_S = 60
COMMAND = [sys.executable, "-m", "starter"]


class Running(NamedTuple):
    """A demo that was started and has told its figures."""

    process: subprocess.Popen[str]
    answer: dict[str, Any]
    directory: Path
    pids: list[int]

    @property
    def story(self) -> str:
        """What it has told people."""
        return (self.directory / "stderr.txt").read_text()

    def allot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.directory, *arguments)

    def json(self, *arguments: str) -> Any:
        done = self.allot(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLOT_", "AWS_"))}
    return {**kept, "ALLOT_STATE_DIR": str(directory), "PYTHONPATH": str(ROOT)}


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    """`allot demo --json`, started from nothing, once its document is there; ended as with Ctrl-C."""
    with (directory / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "demo", "--json"],
            env=environment(directory),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        answer = whole_document(process.stdout)
        yield Running(process, answer, directory, started_by(directory))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOPPED_WITHIN_S)
        process.stdout.close()


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which has not to load everything first."""
    output, errors = (directory / f"{uuid4().hex}.{name}" for name in ("out", "err"))
    process = nursery().start(
        Order("starter", [*arguments], environment(directory), str(directory), str(output), str(errors))
    )
    try:
        status = process.wait(STARTED_WITHIN_S)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, status, output.read_text(), errors.read_text())


def whole_document(stream: IO[str]) -> dict[str, Any]:
    """The JSON document, as soon as it is all there."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.rstrip() == "}":
            break
    document: dict[str, Any] = json.loads("".join(lines))
    return document


def started_by(directory: Path) -> list[int]:
    """Every process of the demo, as it wrote them down, and theirs."""
    children = [child["pid"] for child in json.loads((directory / "running.json").read_text())["children"]]
    return [*children, *(inner.pid for pid in children for inner in psutil.Process(pid).children(recursive=True))]


def spend_by_sample_account() -> dict[str, Decimal]:
    """The sample report, line by line; each is rounded once, to 12 decimals."""
    spend: dict[str, Decimal] = {}
    for file in sorted((DEMO / "cur").rglob("*.csv.gz")):
        with gzip.open(file, "rt", newline="") as lines:
            for line in csv.DictReader(lines):
                account = line["lineItem/UsageAccountId"]
                cost = Decimal(line["lineItem/UnblendedCost"]).quantize(SMALLEST, ROUND_HALF_UP)
                spend[account] = spend.get(account, Decimal(0)) + cost
    return spend


def budget() -> dict[str, Decimal]:
    """The budget file and the change to it, row by row."""
    rows: list[list[str]] = []
    for pattern in ("*_Budget_v1.csv", "*_Budget_v2.csv"):
        with next(DEMO.glob(pattern)).open(newline="") as lines:
            rows += list(csv.reader(lines))[1:]
    return {"/".join(row[:4]): Decimal(row[4].replace(",", "")) for row in rows}


def sum_of(amounts: str) -> Decimal:
    return sum(map(Decimal, amounts.split(",")), Decimal(0))


def rows_by_path(rollup: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in rollup["rows"]}
