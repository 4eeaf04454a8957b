from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from activities.cost_scratch import remove_leftovers, scratch_folder
from domain.errors import Unavailable
from embedded.process import ROOT

HOLDS = """
import sys, time
from pathlib import Path
from activities.cost_scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "part-00000.csv.gz").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""


def _ended_in_the_middle(folder: Path) -> None:
    (folder / "part").touch()
    (folder / "part").touch(exist_ok=False)


def test_a_folder_is_removed_at_the_end_and_on_any_error(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "new") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "part").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileExistsError), scratch_folder(tmp_path / "new") as folder:
        _ended_in_the_middle(folder)
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    (tmp_path / "allot-cost-of-somebody-else").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert (folder / "part-00000.csv.gz").exists()
        with scratch_folder(tmp_path) as ours:
            assert remove_leftovers(tmp_path) == 0
            assert folder.exists()
            process.kill()
            process.wait()
            assert remove_leftovers(tmp_path) == 1
            assert ours.exists()
    assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["allot-cost-of-somebody-else"]


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="set ALLOT_COST_SCRATCH"), scratch_folder(tmp_path / "file" / "below"):
        pass
