"""`make bench`: speed as ratios, each against a peer or a limit that is measured in the same run.

python -m bench [name …]      record projector queries load schedule decision alignment organization cost
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.rows import Row

BENCHES = ("record", "projector", "queries", "load", "schedule", "decision", "alignment", "organization", "cost")


def main(names: Sequence[str]) -> int:
    console = Console()
    if unknown := set(names) - set(BENCHES):
        console.print(f"There is no bench called {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}.")
        return 2
    rows: list[Row] = []
    for name in names or BENCHES:
        console.print(f"[dim]{name} …[/dim]")
        rows += importlib.import_module(f"bench.{name}").measure()
    console.print(table(rows))
    return 0


def table(rows: Sequence[Row]) -> Table:
    result = Table(title="Ratios measured side by side on this machine", title_justify="left")
    result.add_column("what")
    for column in ("ours", "peer", "ratio", "aim"):
        result.add_column(column, justify="right")
    result.add_column("")
    for row in rows:
        verdict = "" if row.aim is None else "reached" if row.reached else "missed"
        result.add_row(row.what, row.ours, row.peer, f"{row.ratio:.2f}", row.aim_text, verdict)
    return result


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
