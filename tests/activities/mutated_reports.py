"""Reports of every format with faults planted in them, read as an import reads them, beside another reader's sums.

What a mutation leaves readable must add up to what plain Python, without our SQL or DuckDB, adds up; everything else
must be refused in our words, naming the manifest or the part.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from activities.cost_aggregate import aggregated
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from activities.cost_delivery import accept, fetched, find_deliveries, read_manifest
from activities.cost_import import unheard
from activities.cost_scratch import scratch_folder
from activities.cost_sources import ANYWHERE
from domain.decision import Channel
from domain.errors import AllotError, BadInput, DamagedReport
from domain.money import EXACT, total
from domain.process import CostSource
from tests.activities.mutations import CSV_GZ, MANIFEST, PARQUET
from tests.support.cost_months import Values, cur_month, export_csv, focus_month, legacy_csv, parquet
from tests.support.cost_reports import PAYER

MEMORY_MB = 64
CUR_COSTS, FOCUS_COSTS = ("lineitem/unblendedcost", "line_item_unblended_cost"), ("billedcost",)
OPERATION_COLUMNS = ("lineitem/operation", "line_item_operation")
PARENT_COLUMNS = ("splitlineitem/parentresourceid", "split_line_item_parent_resource_id")
SPLIT_OPERATIONS = ("EKSPod-EC2", "ECSTask-EC2")
SMALLEST = Decimal("1E-12")
MESSAGE_CHARS_MAX = 20_000

Write = Callable[[Path, Sequence[Values]], Path]


@dataclass(frozen=True)
class Seed:
    """A sound delivery of two parts."""

    name: str
    manifest: str
    parts: tuple[str, str]
    write: Write
    is_export: bool
    columns: Callable[[], Sequence[Values]]

    @property
    def is_parquet(self) -> bool:
        return self.parts[0].endswith(".parquet")

    def lay(self, root: Path) -> None:
        lines = self.columns()
        for key, some in zip(self.parts, (lines[::2], lines[1::2]), strict=True):
            self.write(root / key, some)
        manifest = root / self.manifest
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps(self._fields(lines)), encoding="utf-8")

    def _fields(self, lines: Sequence[Values]) -> dict[str, Any]:
        names = sorted({name for values in lines for name in values if not name.startswith("tag.")})
        if self.is_export:
            return {
                "executionId": "0f5c4f0e-9c1a-4f0e-8a51-6a9c0c5d1e2f",
                "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/made",
                "exportName": "made",
                "billingPeriod": "2026-05",
                "columns": [{"name": name, "type": "string"} for name in names],
                "dataFiles": [f"s3://elsewhere/exports/{key}" for key in self.parts],
            }
        columns = [column.csv.split("/") for column in CUR_COLUMNS.columns if column.name in names]
        return {
            "assemblyId": "assembly-1",
            "account": PAYER,
            "columns": [{"category": category, "name": name} for category, name in columns],
            "charset": "UTF-8",
            "compression": "Parquet" if self.is_parquet else "GZIP",
            "contentType": "Parquet" if self.is_parquet else "text/csv",
            "reportName": "made",
            "billingPeriod": {"start": "20260501T000000.000Z", "end": "20260601T000000.000Z"},
            "bucket": "elsewhere",
            "reportKeys": [f"cur/{key}" for key in self.parts],
        }


def _cur() -> list[Values]:
    return [entry.values for entry in cur_month()]


def _focus() -> list[Values]:
    return [entry.values for entry in focus_month()]


def _legacy(name: str, folder: str, suffix: str, write: Write) -> Seed:
    parts = (f"made/{folder}/made-00001{suffix}", f"made/{folder}/made-00002{suffix}")
    return Seed(name, f"made/{folder}/made-Manifest.json", parts, write, False, _cur)


def _export(name: str, suffix: str, write: Write, columns: Callable[[], Sequence[Values]]) -> Seed:
    period = "BILLING_PERIOD=2026-05"
    parts = (f"made/data/{period}/made-00001{suffix}", f"made/data/{period}/made-00002{suffix}")
    return Seed(name, f"made/metadata/{period}/made-Manifest.json", parts, write, True, columns)


SEEDS = (
    _legacy("legacy CSV", "20260501-20260601", ".csv.gz", legacy_csv),
    _legacy("legacy Parquet", "year=2026/month=5", ".snappy.parquet", partial(parquet, table=CUR_COLUMNS, flat=True)),
    _export("CUR 2.0 CSV", ".csv.gz", partial(export_csv, table=CUR_COLUMNS), _cur),
    _export("CUR 2.0 Parquet", ".snappy.parquet", partial(parquet, table=CUR_COLUMNS), _cur),
    _export("FOCUS CSV", ".csv.gz", partial(export_csv, table=FOCUS_1_2_COLUMNS), _focus),
    _export("FOCUS Parquet", ".snappy.parquet", partial(parquet, table=FOCUS_1_2_COLUMNS), _focus),
)


@dataclass(frozen=True)
class Mutant:
    """A delivery with one file that is not as it was, named by its seed."""

    number: int
    seed: Seed
    file: str
    mutation: str

    def __str__(self) -> str:
        return f"mutant {self.number}: {self.seed.name}, {self.file}, {self.mutation}"


def mutate(number: int, root: Path) -> Mutant:
    """Lays down the mutant of that number."""
    random = Random(number)
    seed = random.choice(SEEDS)
    seed.lay(root)
    file = random.choice((seed.manifest, *seed.parts))
    mutations = MANIFEST if file == seed.manifest else PARQUET if seed.is_parquet else CSV_GZ
    mutation, path = random.choice(mutations), root / file
    before = path.read_bytes()
    path.write_bytes(mutation(before, random))
    return Mutant(number, seed, file, getattr(mutation, "__qualname__", str(mutation)))


def read(root: Path, place: Path) -> Decimal:
    """The unblended total as an import reads it. Raises what an import would."""
    wanted = CostSource(source=str(root), actor="system", channel=Channel.WORKFLOW)
    found = find_deliveries(wanted, unheard)
    for problem in found.problems:
        raise DamagedReport(problem.message, code=problem.code)
    if not found.deliveries:
        raise BadInput("There is no report.", code="NoReport")
    (delivery,) = found.deliveries
    files = ANYWHERE.open(str(root))
    manifest = read_manifest(files, delivery)
    accepted = accept(files, manifest, unheard)
    with (
        scratch_folder(place) as scratch,
        closing(fetched(files, accepted, scratch, unheard)) as parts,
        aggregated(parts, scratch, MEMORY_MB, unheard, manifest.format, manifest.columns) as aggregate,
    ):
        amounts = [amount for batch in aggregate.rows() for amount in batch.column("unblended").to_pylist()]
        rows = total([amount for amount in amounts if amount is not None])
        assert None not in amounts, "a row without a cost"
        control = total(list(aggregate.control.totals.values()))
        assert rows == control, "rows and control totals differ"
        return control


def require_told(error: AllotError, mutant: Mutant) -> None:
    """A refusal must say which file it is about, and nothing that a terminal would obey."""
    # The manifest of an export names its report, so a manifest may be told by another way than its path.
    names = [mutant.seed.manifest, mutant.file, *mutant.seed.parts]
    assert any(name in error.message for name in names) or error.code == "NoReport", f"{mutant}: {error.message[:500]}"
    assert len(error.message) <= MESSAGE_CHARS_MAX, mutant
    assert error.message.replace("\n", " ").isprintable(), f"{mutant}: {error.message[:500]!r}"


def possible_totals(mutant: Mutant, root: Path) -> list[Decimal]:
    """What another reader adds up; with a changed manifest, over any of the parts.

    A file that the other reader cannot read is damaged in what no import looks at, or it would have been refused: then
    it must count as if it were sound.
    """
    try:
        sums = [_sum_of(root / part, mutant.seed.is_parquet) for part in mutant.seed.parts]
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowInvalid):
        mutant.seed.lay(root)
        sums = [_sum_of(root / part, mutant.seed.is_parquet) for part in mutant.seed.parts]
    if mutant.file != mutant.seed.manifest:
        return [total(sums)]
    return [total(list(some)) for count in range(3) for some in combinations(sums, count)]


def _sum_of(path: Path, is_parquet: bool) -> Decimal:
    rows = _parquet_rows(path) if is_parquet else _csv_rows(path)
    return total([_rounded(cost) for cost, is_split in rows if not is_split])


def _rounded(value: Any) -> Decimal:
    cost = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value).strip())
    return cost.quantize(SMALLEST, rounding=ROUND_HALF_UP, context=EXACT)


def _csv_rows(path: Path) -> Iterator[tuple[Any, bool]]:
    csv.field_size_limit(10_000_000)
    text = gzip.decompress(path.read_bytes()).decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in next(reader)]
    for row in reader:
        if row:
            while len(row) > len(header) and not row[-1]:
                row.pop()  # nothing beyond the last column is nothing
            yield _cost_of(dict(zip(header, row, strict=True)))


def _parquet_rows(path: Path) -> Iterator[tuple[Any, bool]]:
    table = pq.read_table(io.BytesIO(path.read_bytes()))
    names = [name.strip().lower() for name in table.column_names]
    columns = {name: _values(column) for name, column in zip(names, table.columns, strict=True)}
    for place in range(table.num_rows):
        yield _cost_of({name: values[place] for name, values in columns.items()})


def _values(column: Any) -> list[Any]:
    """A float of 32 bits as its shortest text: as a double it would have digits that nobody wrote."""
    values: list[Any] = (column.cast(pa.string()) if pa.types.is_float32(column.type) else column).to_pylist()
    return values


def _cost_of(values: Mapping[str, Any]) -> tuple[Any, bool]:
    (name,) = [name for name in (FOCUS_COSTS if "subaccountid" in values else CUR_COSTS) if name in values]
    parents = [column for column in PARENT_COLUMNS if column in values]
    if parents:
        return values[name], bool(values[parents[0]])
    operations = [values[column] for column in OPERATION_COLUMNS if column in values]
    return values[name], any(operation in SPLIT_OPERATIONS for operation in operations)
