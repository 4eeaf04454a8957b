"""Import of cost reports, from files to visible rollup, side by side with engines' own reading of the same files.

    python -m bench cost

Peers add up the columns that the import asks for to its four grains (detail, account rows, resources, control totals),
and keep the result for themselves. Ours also takes no line without proof that it is exact, compares the grains with
each other, writes the cost mart in order, stores rows in PostgreSQL, reads both back, records the event and updates the
views; of CSV it checks every gzip checksum, too. Beside that, CSV is held against their own read, of all columns into
memory, which is what its aim is about. Rows that say "one metric only" are of peers that do less.

Each side runs in a process of its own, in turns, so that a change of the machine's mood meets both. Reports are made
once, and kept below the temporary folder.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from boto3.session import Session

from bench import generate_cur, generate_parquet
from bench.rows import Row
from bench.slow_network import slow_network
from embedded.postgres import Postgres

ROUNDS = 3
TIMES_MORE = 4
PARQUET_AIM, CSV_AIM, MORE_AIM = 2.5, 1.3, 4.4
MEMORY_AIM_MB = 500
OTHERS = ("polars", "pyarrow", "pandas")
BUCKET = "bench-cost"
NETWORK_BYTES_PER_S = 100_000_000
"""About as fast as an import reads."""

Measured = dict[str, float]


class Sides(NamedTuple):
    """Rounds of ours and of a peer."""

    ours: list[Measured]
    peer: list[Measured]

    @property
    def ratio(self) -> float:
        pairs = zip(self.ours, self.peer, strict=True)
        return statistics.median(our["seconds"] / peer["seconds"] for our, peer in pairs)


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder) / "postgres", Path(folder) / "postgres.log")
        server.start()
        try:
            return [
                *_parquet(server),
                *_csv(server, generate_cur.LINES),
                *_csv(server, TIMES_MORE * generate_cur.LINES, CSV_AIM),
                *_bucket(server),
            ]
        finally:
            server.stop()
            server.remove()


def _parquet(server: Postgres) -> list[Row]:
    lines = generate_parquet.LINES
    report, larger = generate_parquet.report(lines), generate_parquet.report(TIMES_MORE * lines)
    files = str(report / generate_parquet.FOLDER)
    sides = _in_turns(partial(_ours, server, str(report), lines), partial(_apart, "duckdb-parquet", files))
    more = _ours(server, str(larger), TIMES_MORE * lines)
    once = statistics.median(our["seconds"] for our in sides.ours)
    rows = [
        _row(f"import of {lines:,} lines of Parquet, file to rollup, against DuckDB's aggregation", sides, PARQUET_AIM),
        _memory(sides.ours),
        *_steps(sides.ours),
        Row(
            f"  {TIMES_MORE} times as many lines, against once",
            f"{more['seconds']:.1f} s",
            f"{once:.1f} s",
            more["seconds"] / once,
            MORE_AIM,
            at_most=True,
        ),
        _memory([more]),
    ]
    for name in OTHERS:
        other = _apart(f"{name}-parquet", files)
        what = f"  {name}, to account rows of one metric only: time; {other['peak_mb']:,.0f} MB"
        rows.append(Row(what, f"{once:.1f} s", f"{other['seconds']:.1f} s", once / other["seconds"]))
    return rows


def _csv(server: Postgres, lines: int, aim: float | None = None) -> list[Row]:
    report = generate_cur.report(lines, generate_parquet.CACHE)
    files = str(next(report.rglob("*.csv.gz")).parent)
    ours = partial(_ours, server, str(report), lines)

    def faster(side: str) -> Measured:
        return min((_apart(f"{name}-{side}", files) for name in ("duckdb", "polars")), key=lambda each: each["seconds"])

    reading, grains = _in_turns(ours, partial(faster, "csv-read")), _in_turns(ours, partial(faster, "csv"))
    every = [*reading.ours, *grains.ours]
    once = statistics.median(our["seconds"] for our in every)
    least = _apart("polars-csv-one", files)
    what = f"import of {lines:,} lines of CSV.gz, file to rollup, against the faster of DuckDB's and polars' own read"
    return [
        _row(what, reading, aim),
        _row("  against the faster of their aggregations", grains),
        _memory(every),
        *_steps(every),
        Row(
            "  polars, to account rows of one metric only",
            f"{once:.1f} s",
            f"{least['seconds']:.1f} s",
            once / least["seconds"],
        ),
    ]


def _bucket(server: Postgres) -> list[Row]:
    """From an S3 endpoint behind a network that is no faster than the import: how much of the waiting is used."""
    lines = generate_parquet.LINES
    report = generate_parquet.report(lines)
    files = [path for path in report.rglob("*") if path.is_file()]
    with _stand_in() as (host, port):
        with _endpoint(host, port) as client:
            client.create_bucket(Bucket=BUCKET)
            for path in files:
                client.upload_file(str(path), BUCKET, str(path.relative_to(report)))
        with slow_network(host, port, NETWORK_BYTES_PER_S) as slow, _endpoint(*slow) as client:
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                for path in files:
                    client.download_file(BUCKET, str(path.relative_to(report)), f"{folder}/{path.name}")
            download = time.perf_counter() - started
            local = _ours(server, str(report), lines)
            remote = _ours(server, f"s3://{BUCKET}", lines)
    both = local["seconds"] + download
    what = (
        f"import of {lines:,} lines of Parquet from an S3 endpoint at {NETWORK_BYTES_PER_S / 1e6:.0f} MB/s, against "
        f"download ({download:.1f} s), then import ({local['seconds']:.1f} s)"
    )
    return [
        Row(what, f"{remote['seconds']:.1f} s", f"{both:.1f} s", remote["seconds"] / both, 1.0, at_most=True),
        Row(
            "  against the longer of both",
            f"{remote['seconds']:.1f} s",
            "",
            remote["seconds"] / max(local["seconds"], download),
        ),
        _memory([remote]),
    ]


def _in_turns(ours: Callable[[], Measured], peer: Callable[[], Measured]) -> Sides:
    sides = Sides([], [])
    for _ in range(ROUNDS):
        sides.peer.append(peer())
        sides.ours.append(ours())
    return sides


def _row(what: str, sides: Sides, aim: float | None = None) -> Row:
    our, peer = (statistics.median(each["seconds"] for each in side) for side in sides)
    return Row(what, f"{our:.1f} s", f"{peer:.1f} s", sides.ratio, aim, at_most=True)


def _memory(ours: Sequence[Measured]) -> Row:
    peak = max(our["peak_mb"] for our in ours)
    ratio = peak / MEMORY_AIM_MB
    return Row("  its peak memory, against the aim", f"{peak:.0f} MB", f"{MEMORY_AIM_MB} MB", ratio, 1.0, at_most=True)


def _steps(ours: Sequence[Measured]) -> Iterator[Row]:
    whole = statistics.median(our["seconds"] for our in ours)
    for step in ("import", "views"):
        seconds = statistics.median(our[step] for our in ours)
        yield Row(f"  of which {step}", f"{seconds:.1f} s", "", seconds / whole)


def _ours(server: Postgres, source: str, lines: int) -> Measured:
    database = f"cost_{time.monotonic_ns()}"
    server.create_database(database)
    return _apart("ours", source, server.url(database), str(lines))


def _apart(side: str, *arguments: str) -> Measured:
    """In a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "bench.cost_sides", side, *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: Measured = json.loads(answer)
    return result


@contextmanager
def _stand_in() -> Iterator[tuple[str, int]]:
    """moto's server as S3: its host and port."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import, and for this measurement only

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it tells of every request
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        yield moto.get_host_and_port()
    finally:
        moto.stop()


@contextmanager
def _endpoint(host: str, port: int) -> Iterator[Any]:
    """A client of S3, for this process, and its address for those that are started meanwhile."""
    ours = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield Session().client("s3", endpoint_url=ours["AWS_ENDPOINT_URL"])
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
