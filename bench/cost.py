"""Import of a cost report, from files to visible rollup, side by side with DuckDB's own aggregation of the same files.

    python -m bench cost

DuckDB adds up a million lines of CSV.gz to the same grain and keeps the result for itself. Ours also copies the parts,
checks their gzip checksums, takes no line without proof that it is exact, adds up control totals, stores the rows in
PostgreSQL, reads them back, records the event and updates the views. Each side runs in a process of its own.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import generate_cur
from bench.rows import Row
from embedded.postgres import Postgres
from rights.cedar import CedarRights

ROUNDS = 5
AIM = 2.0
MEMORY_AIM_MB = 600
MEMORY_MB = 256
"""The default of ALLOT_COST_MEMORY_MB."""
KIB_PER_MB = 1_000_000 / 1024


def measure() -> list[Row]:
    """Rounds alternate, so that a change of the machine's mood meets both sides."""
    report = generate_cur.report()
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder) / "postgres", Path(folder) / "postgres.log")
        server.start()
        try:
            for number in range(ROUNDS):
                peers.append(_apart("peer", str(report)))
                database = f"cost_{number}"
                server.create_database(database)
                ours.append(_apart("ours", str(report), server.url(database)))
        finally:
            server.stop()
            server.remove()
    return _rows(ours, peers)


def _rows(ours: Sequence[dict[str, float]], peers: Sequence[dict[str, float]]) -> list[Row]:
    def median(sides: Sequence[dict[str, float]], what: str) -> float:
        return statistics.median(side[what] for side in sides)

    ratio = statistics.median(our["seconds"] / peer["seconds"] for our, peer in zip(ours, peers, strict=True))
    peak = max(our["peak_mb"] for our in ours)
    return [
        Row(
            f"cost import of {generate_cur.LINES:,} lines, file to rollup, against DuckDB's aggregation",
            f"{median(ours, 'seconds'):.1f} s",
            f"{median(peers, 'seconds'):.1f} s",
            ratio,
            AIM,
            at_most=True,
        ),
        Row(
            "  its peak memory, against the aim",
            f"{peak:.0f} MB",
            f"{MEMORY_AIM_MB} MB",
            peak / MEMORY_AIM_MB,
            1.0,
            at_most=True,
        ),
        *(
            Row(f"  of which {step}", f"{median(ours, step):.1f} s", "", median(ours, step) / median(ours, "seconds"))
            for step in ("import", "views")
        ),
    ]


def _apart(side: str, *arguments: str) -> dict[str, float]:
    """In a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "bench.cost", side, *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(answer)
    return result


def _ours(report: str, database_url: str) -> dict[str, float]:
    from activities.cost_delivery import find_deliveries  # noqa: PLC0415 - the peer's process stays free of it
    from activities.cost_import import CostImport, unheard  # noqa: PLC0415
    from activities.cost_store import CostStore  # noqa: PLC0415
    from domain.decision import Channel, Organization  # noqa: PLC0415
    from domain.process import CostSource  # noqa: PLC0415
    from ledger.ledger import Ledger  # noqa: PLC0415
    from ledger.migrate import migrate  # noqa: PLC0415
    from views.projector import Projector  # noqa: PLC0415

    migrate(database_url)
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=2) as ledger:
        imports = CostImport(ledger, CostStore(database_url), Organization(), MEMORY_MB)
        projector = Projector(ledger, database_url, Organization())
        wanted = CostSource(source=report, actor="system", channel=Channel.WORKFLOW)

        def work() -> None:
            (delivery,) = find_deliveries(wanted, unheard).deliveries
            result = imports.import_report(delivery)
            if (result.status, result.lines) != ("imported", generate_cur.LINES):
                raise SystemExit(f"the import went wrong: {result}")

        seconds = _timed(work)
        views = _timed(projector.catch_up)
    return _measured(seconds + views) | {"import": seconds, "views": views}


def _peer(report: str) -> dict[str, float]:
    import duckdb  # noqa: PLC0415 - the same for the other side

    files = sorted(str(path) for path in Path(report).rglob("*.csv.gz"))
    connection = duckdb.connect()
    query = """
        CREATE TEMP TABLE sums AS SELECT
            "lineItem/UsageAccountId", "lineItem/ProductCode", "lineItem/LineItemType",
            CAST(left("lineItem/UsageStartDate", 10) AS DATE) AS day,
            sum(CAST("lineItem/UnblendedCost" AS DECIMAL(38, 18))) AS cost
        FROM read_csv($files, all_varchar = true) GROUP BY ALL
    """
    return _measured(_timed(lambda: connection.execute(query, {"files": files})))


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _measured(seconds: float) -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / KIB_PER_MB}


if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    print(json.dumps(_ours(*arguments) if side == "ours" else _peer(*arguments)))
