"""`allot demo --no-keep`: the story as text, from the first command to the end of all processes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.demo import run

VENDED = re.compile(r"^\(AWS vends the account (\d{12}) and sends its event\.\)$", re.MULTILINE)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def done(directory: Path) -> subprocess.CompletedProcess[str]:
    return run(directory, "demo", "--no-keep")


def test_it_shows_the_tables_and_ends(done: subprocess.CompletedProcess[str], directory: Path) -> None:
    assert done.returncode == 0, done.stderr
    assert "Reconciled to the last digit" in done.stdout
    assert "243,250.50" in done.stdout
    assert "in place of Mei Tanaka" in done.stdout
    assert "OVER BUDGET" in done.stdout
    assert "Traceback" not in done.stderr
    assert not (directory / "embedded.env").exists()


def test_two_accounts_are_vended_and_nobody_allocates_them_by_hand(done: subprocess.CompletedProcess[str]) -> None:
    expected, by_rule = VENDED.findall(done.stdout)
    commands = [line for line in done.stdout.splitlines() if line.startswith("$ allot ")]
    assert [line for line in commands if expected in line] == [f"$ allot account show {expected}"]
    (accepted,) = [line for line in commands if by_rule in line]
    assert accepted.startswith(f"$ allot account accept {by_rule} --proposal 1 --as ")
    assert "ALIGNED: allocated, and not billed yet" in done.stdout
    assert "Tomas Reyes (expected account aws+payments-prod@example.com)" in done.stdout
    assert f"Proposal 1 accepted: account {by_rule} is allocated from " in done.stdout
    assert "No account waits" not in done.stdout, "the one that nobody has said anything of"


def test_rules_are_tried_before_they_are_on(done: subprocess.CompletedProcess[str]) -> None:
    tried, were_set = done.stdout.index("$ allot account rules test"), done.stdout.index("$ allot account rules set")
    assert tried < done.stdout.index("Nothing was recorded.", tried) < were_set
    assert "Takes no account: requested for development." in done.stdout[tried:were_set]
    assert "3 rules are in force." in done.stdout


def test_what_spends_without_an_allocation_is_in_the_rollup_with_its_state(
    done: subprocess.CompletedProcess[str],
) -> None:
    (line,) = [line for line in done.stdout.splitlines() if "loyalty-pilot" in line and "SPENDING_UNALLOCATED" in line]
    assert line.split()[1:5] == ["loyalty-pilot", "1,786.10", "1,729.00", "3,515.10"]
