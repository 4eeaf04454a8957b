"""No file harms us: every damaged report is refused by name, or adds up to what another reader adds up."""

from __future__ import annotations

import shutil
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import pytest

from domain.errors import AllotError
from tests.activities.mutated_reports import SEEDS, Seed, mutate, possible_totals, read, require_told

FEW, MANY = 40, 20_000
AT_ONCE = 2
CHUNK = 250
PEAK_MB_MAX = 512
SECONDS_MAX = 10
"""Of processor time, which a busy machine does not stretch."""
KIB_PER_MB = 1024


def outcome(number: int, folder: Path) -> str:
    """accepted or refused; raises AssertionError for anything that should not be."""
    root, scratch = folder / "report", folder / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    for path in (root, scratch):
        path.mkdir(parents=True)
    mutant = mutate(number, root)
    started = time.process_time()
    try:
        found = read(root, scratch)
    except AllotError as error:
        require_told(error, mutant)
        return "refused"
    finally:
        left = [path.name for path in scratch.iterdir()]
        seconds = time.process_time() - started
        assert seconds < SECONDS_MAX, f"{mutant} took {seconds:.1f} s of processor"
        assert not left, f"{mutant} left {left}"
    expected = possible_totals(mutant, root)
    assert found in expected, f"{mutant}: {found} is none of {expected}"
    return "accepted"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_the_sound_report_adds_up_to_what_another_reader_adds_up(seed: Seed, tmp_path: Path) -> None:
    root, scratch = tmp_path / "report", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    seed.lay(root)
    assert read(root, scratch)


def test_damaged_reports_are_refused_by_name_or_add_up(tmp_path: Path) -> None:
    outcomes = [outcome(number, tmp_path / "mutant") for number in range(FEW)]
    assert {"accepted", "refused"} == set(outcomes)


def _some(first: int) -> tuple[int, dict[str, int], list[str]]:
    """In a process of its own: peak memory in MB, outcomes, and what went wrong."""
    folder, counts, wrong = Path(mkdtemp(prefix="mutants-")), {"accepted": 0, "refused": 0}, []
    for number in range(first, first + CHUNK):
        try:
            counts[outcome(number, folder / "mutant")] += 1
        except AssertionError as error:
            wrong.append(str(error).partition("\n")[0][:600])
        except Exception as error:
            wrong.append(f"mutant {number}: {type(error).__name__}: {str(error)[:400]}")
    shutil.rmtree(folder)
    # Not what `getrusage` says: Linux counts the process in it that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) // KIB_PER_MB, counts, wrong


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_twenty_thousand_damaged_reports_harm_nobody() -> None:
    with get_context("spawn").Pool(AT_ONCE, maxtasksperchild=1) as pool:
        results = []
        for result in pool.imap_unordered(_some, range(0, MANY, CHUNK)):
            results.append(result)
            sys.stdout.write(f"{len(results) * CHUNK:,} of {MANY:,}: {result}\n")
            sys.stdout.flush()
    wrong = [line for _, _, lines in results for line in lines]
    peak = max(peak for peak, _, _ in results)
    counts = {kind: sum(found[kind] for _, found, _ in results) for kind in ("accepted", "refused")}
    sys.stdout.write(f"{counts}, peak {peak} MB\n")
    assert not wrong, "\n".join(wrong[:50])
    assert peak < PEAK_MB_MAX
    assert min(counts.values()) > MANY / 10, counts


@pytest.mark.parametrize("number", [106, 420, 789, 2162, 4010, 5667, 6743, 17496])
def test_what_was_found_once_is_not_missed_again(number: int, tmp_path: Path) -> None:
    """Pages of Parquet that raise an error without a class; gzip within gzip; a part without columns of split costs;
    costs that are too much together; a part that a manifest names twice, by other names; floats of 32 bits; tags that
    are not UTF-8; a line that goes on with commas."""
    assert outcome(number, tmp_path / "mutant") in ("accepted", "refused")
