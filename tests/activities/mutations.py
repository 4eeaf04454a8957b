"""Small faults planted into the files of a report: bytes flipped and cut, values nobody would write, other schemas.

Each mutation is drawn from a random number generator of its own, so that a seed names it for ever.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Mutation = Callable[[bytes, Random], bytes]

ODD_VALUES = (
    "", " ", "0", "-0", "NaN", "Infinity", "-inf", "1e400", "1E-400", "1.81E-8", "1,234.50", "$1.00", "(50)", "1_000",
    "0x1F",
    "٣", "1.0000000000005", "99999999999999999999999999", "9" * 40, "0." + "0" * 30 + "1", "--1", "+1", ".5", "5.",
    "null", "NULL", "None", "true", "2026-02-30", "2026-13-01T00:00:00Z", "2026-05-01T00:00:00+02:00", "0001-01-01",
    "9999-12-31T23:59:59Z", "12345678901", "1234567890123", "00000000001a", "=1+1",
    "@SUM(A1)", "\u202e", "\x00", "\x1b[31m",
    "a" * 5_000, "a\nb", 'a"b', "a,b", "ß" * 300, "🧾", "'; DROP TABLE cost_rows; --",
)  # fmt: skip
NEW_NAMES = ("", " ", "x", "lineItem/UnblendedCost", "line_item_unblended_cost", "BilledCost", "LINEITEM/UNBLENDEDCOST")
COMPRESSIONS: tuple[Literal["snappy", "zstd", "gzip", "none"], ...] = ("snappy", "zstd", "gzip", "none")
BYTES_AT_ONCE_MAX = 40


def flip(data: bytes, random: Random) -> bytes:
    """Some bytes become others."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 5)):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def take_out(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randint(1, BYTES_AT_ONCE_MAX) :]


def put_in(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randint(1, BYTES_AT_ONCE_MAX)) + data[at:]


def repeat(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at : at + random.randint(1, 200)] + data[at:]


def other(_: bytes, random: Random) -> bytes:
    """Another file altogether."""
    return random.choice(
        (b"", b"\n", b"PAR1", b"PAR1PAR1", b"\x1f\x8b", gzip.compress(b""), b"<Error/>", b"{}", b"[]", b"\xff\xfe")
    )


RAW: tuple[Mutation, ...] = (flip, cut, take_out, put_in, repeat, other)


def in_gzip(mutation: Mutation) -> Mutation:
    """The same in what was packed, with sound gzip around it."""

    def mutate(data: bytes, random: Random) -> bytes:
        return gzip.compress(mutation(gzip.decompress(data), random), 1, mtime=0)

    return mutate


def in_rows(change: Callable[[list[list[str]], Random], None]) -> Mutation:
    """In the values of a packed CSV, which stays CSV."""

    def mutate(data: bytes, random: Random) -> bytes:
        rows = list(csv.reader(io.StringIO(gzip.decompress(data).decode(), newline="")))
        change(rows, random)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=random.choice(("\n", "\r\n"))).writerows(rows)
        return gzip.compress(text.getvalue().encode(), 1, mtime=0)

    return mutate


def _odd_value(rows: list[list[str]], random: Random) -> None:
    row = random.choice(rows[1:] or rows)
    if row:
        row[random.randrange(len(row))] = random.choice(ODD_VALUES)


def _odd_name(rows: list[list[str]], random: Random) -> None:
    if rows and rows[0]:
        rows[0][random.randrange(len(rows[0]))] = random.choice(NEW_NAMES)


def _case(rows: list[list[str]], random: Random) -> None:
    if rows:
        rows[0] = [random.choice((name.upper(), name.lower(), name.swapcase(), f" {name} ")) for name in rows[0]]


def _without_column(rows: list[list[str]], random: Random) -> None:
    place = random.randrange(len(rows[0]))
    for row in rows:
        del row[place : place + 1]


def _twice_column(rows: list[list[str]], random: Random) -> None:
    place = random.randrange(len(rows[0]))
    for row in rows:
        row.extend(row[place : place + 1])


def _other_order(rows: list[list[str]], random: Random) -> None:
    places = list(range(len(rows[0])))
    random.shuffle(places)
    rows[:] = [[row[place] for place in places] if len(row) == len(places) else row for row in rows]


def _short_row(rows: list[list[str]], random: Random) -> None:
    row = random.choice(rows)
    del row[random.randrange(len(row) + 1) :]


def _long_row(rows: list[list[str]], random: Random) -> None:
    random.choice(rows).append("more")


def _twice_row(rows: list[list[str]], random: Random) -> None:
    rows.append(list(random.choice(rows)))


def _no_rows(rows: list[list[str]], _: Random) -> None:
    del rows[1:]


ROWS = tuple(
    in_rows(change)
    for change in (
        _odd_value, _odd_value, _odd_value, _odd_name, _case, _without_column, _twice_column, _other_order, _short_row,
        _long_row, _twice_row, _no_rows,
    )
)  # fmt: skip
CSV_GZ: tuple[Mutation, ...] = (*RAW, *(in_gzip(mutation) for mutation in RAW), *ROWS)


def in_table(change: Callable[[pa.Table, Random], pa.Table]) -> Mutation:
    """In the columns of a Parquet file, which stays one."""

    def mutate(data: bytes, random: Random) -> bytes:
        sink = io.BytesIO()
        pq.write_table(change(pq.read_table(io.BytesIO(data)), random), sink, compression=random.choice(COMPRESSIONS))
        return sink.getvalue()

    return mutate


def _other_type(table: pa.Table, random: Random) -> pa.Table:
    place = random.randrange(table.num_columns)
    kind = random.choice(
        (
            pa.string(),
            pa.float32(),
            pa.float64(),
            pa.int64(),
            pa.bool_(),
            pa.binary(),
            pa.decimal128(38, 10),
            pa.date32(),
        )
    )
    field, column = table.field(place), table.column(place)
    cast: Any
    try:
        cast = column.cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        cast = pa.nulls(table.num_rows, kind)
    return table.set_column(place, field.name, cast)


def _odd_cell(table: pa.Table, random: Random) -> pa.Table:
    place = random.randrange(table.num_columns)
    field = table.field(place)
    values: list[Any] = table.column(place).to_pylist()
    if not values:
        return table
    odd: Any
    if pa.types.is_floating(field.type):
        odd = random.choice((None, float("nan"), float("inf"), 1e300, -0.0, 5e-324, 1e26, 0.1 + 0.2, 123456.789012345))
    elif pa.types.is_string(field.type):
        odd = random.choice((None, *ODD_VALUES))
    else:
        odd = None
    values[random.randrange(len(values))] = odd
    return table.set_column(place, field.name, pa.array(values, field.type))


def _table_without(table: pa.Table, random: Random) -> pa.Table:
    return table.remove_column(random.randrange(table.num_columns)) if table.num_columns > 1 else table


def _table_named(table: pa.Table, random: Random) -> pa.Table:
    names = list(table.column_names)
    names[random.randrange(len(names))] = random.choice(NEW_NAMES)
    return table.rename_columns(names)


def _table_in_other_order(table: pa.Table, random: Random) -> pa.Table:
    places = list(range(table.num_columns))
    random.shuffle(places)
    return table.select(places)


def _table_of_none(table: pa.Table, _: Random) -> pa.Table:
    return table.slice(0, 0)


def _table_twice(table: pa.Table, _: Random) -> pa.Table:
    return pa.concat_tables([table, table])


PARQUET: tuple[Mutation, ...] = (
    *RAW,
    *(
        in_table(change)
        for change in (
            _other_type, _odd_cell, _odd_cell, _table_without, _table_named, _table_in_other_order, _table_of_none,
            _table_twice,
        )
    ),
)  # fmt: skip


def in_json(data: bytes, random: Random) -> bytes:
    """A manifest whose fields are gone, doubled, of another type, or of another length."""
    fields = json.loads(data)
    _change_json(fields, random)
    return json.dumps(fields).encode()


def _change_json(value: Any, random: Random) -> None:
    odd: tuple[Any, ...] = (
        None,
        "",
        0,
        -1,
        1e300,
        True,
        [],
        {},
        "x" * 10_000,
        "../../etc/passwd",
        "s3://other/key",
        ["x"],
        {"a": 1},
        "\x00",
    )
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in items:
            places.append((node, key))
            walk(child)

    walk(value)
    node, key = random.choice(places)
    what = random.randrange(3)
    if what == 0:
        node[key] = random.choice(odd)
    elif what == 1 and isinstance(node, list):
        node.append(node[key])
    else:
        del node[key]


MANIFEST: tuple[Mutation, ...] = (*RAW, in_json, in_json, in_json)
