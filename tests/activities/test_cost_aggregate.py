from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities import cost_aggregate, cost_batches
from activities.contracts import Progress
from activities.cost_adding import Adding
from activities.cost_aggregate import Aggregate, aggregated
from activities.cost_checks import SERVICE_CHARS_MAX
from activities.cost_lines import Part
from domain.errors import BadInput, DamagedReport
from domain.money import EXACT
from tests.support.cost_reports import COLUMNS, SAMPLE, MadeReport, line

MEMORY_MB = 64  # the smallest setting


def ignored(_: Progress) -> None:
    pass


def rounded(cost: str) -> Decimal:
    """As the cost of each line is, once."""
    return Decimal(cost).quantize(Decimal("1E-12"), ROUND_HALF_UP, EXACT)


@contextmanager
def added_up(*parts: Sequence[Mapping[str, str]], **report: Any) -> Iterator[Aggregate]:
    made = MadeReport(parts=parts, **report)
    with TemporaryDirectory() as folder:
        made.write(Path(folder))
        files = [Part(key.rpartition("/")[2], Path(folder) / key) for key in made.keys]
        with aggregated(files, Path(folder), MEMORY_MB, ignored) as aggregate:
            yield aggregate


def rows_of(aggregate: Aggregate) -> list[tuple[str, str, str, date, Decimal]]:
    rows = [row for batch in aggregate.rows() for row in batch.to_pylist()]
    return [tuple(row.values())[:5] for row in rows]


@pytest.mark.parametrize("month", ["May", "June", "July"])
def test_a_sample_month_adds_up_to_its_csv_to_the_last_digit(month: str, tmp_path: Path) -> None:
    (path,) = SAMPLE.rglob(f"{month}-*.csv.gz")
    totals: dict[str, Decimal] = defaultdict(Decimal)
    rows: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    lines = 0
    with gzip.open(path, "rt", newline="") as file:
        for entry in csv.DictReader(file):
            cost, charge_type = rounded(entry["lineItem/UnblendedCost"]), entry["lineItem/LineItemType"]
            day = entry["lineItem/UsageStartDate"][:10]
            key = (entry["lineItem/UsageAccountId"], entry["lineItem/ProductCode"], charge_type, day)
            totals[charge_type] = EXACT.add(totals[charge_type], cost)
            rows[key] = EXACT.add(rows[key], cost)
            lines += 1
    with aggregated([Part(month, path)], tmp_path, MEMORY_MB, ignored) as aggregate:
        assert aggregate.control.totals == totals
        assert aggregate.control.lines == lines
        assert aggregate.control.rows == len(rows)
        assert {(a, s, t, str(d)): cost for a, s, t, d, cost in rows_of(aggregate)} == rows
        assert aggregate.control.currencies == (("USD",) if lines else ())
        assert aggregate.control.payers == (("999999999999",) if lines else ())


def test_lines_are_added_up_by_account_service_type_and_day() -> None:
    lines = [
        line("1.81E-8"),
        line("2e-12"),
        line("5e-13"),
        line("4.99e-13"),
        line("-0.5", UsageStartDate="2026-05-01 23:59:59+00:00"),
        line("7", UsageStartDate="2026-05-02 00:00:00"),
        line("9.25", LineItemType="Tax", ProductCode="AmazonS3"),
    ]
    with added_up(lines) as aggregate:
        assert sorted(rows_of(aggregate), key=lambda row: (row[3], row[1])) == [
            ("000000000042", "AmazonEC2", "Usage", date(2026, 5, 1), Decimal("-0.499999981897")),
            ("000000000042", "AmazonS3", "Tax", date(2026, 5, 1), Decimal("9.25")),
            ("000000000042", "AmazonEC2", "Usage", date(2026, 5, 2), Decimal(7)),
        ]
        assert aggregate.control.totals == {"Tax": Decimal("9.25"), "Usage": Decimal("6.500000018103")}


def test_blank_service_and_charge_type_are_visible_and_counted() -> None:
    with added_up([line("1", ProductCode="", LineItemType=" "), line("2", LineItemType="NewFee")]) as aggregate:
        assert aggregate.control.totals == {"unclassified": Decimal(3)}
        assert {row[1] for row in rows_of(aggregate)} == {"unclassified", "AmazonEC2"}


def test_a_fee_keeps_its_date_outside_of_the_billing_period() -> None:
    with added_up([line(UsageStartDate="2025-12-31T23:00:00Z", LineItemType="Fee")]) as aggregate:
        assert rows_of(aggregate)[0][3] == date(2025, 12, 31)


def test_columns_are_found_in_any_order_and_case_in_each_part() -> None:
    columns = [name.swapcase() for name in reversed(COLUMNS)]
    with added_up([line("1")], [line("2"), line("3")], columns=columns) as aggregate:
        assert aggregate.control.totals == {"Usage": Decimal(6)}


def test_parts_with_different_columns_are_read_together(tmp_path: Path) -> None:
    MadeReport(parts=[[line("1")]], version="a").write(tmp_path)
    MadeReport(parts=[[line("2")]], version="b", columns=COLUMNS[1:][::-1]).write(tmp_path)
    parts = [Part(path.parent.name, path) for path in sorted(tmp_path.rglob("*.gz"))]
    with aggregated(parts, tmp_path, MEMORY_MB, ignored) as aggregate:
        assert aggregate.control.totals == {"Usage": Decimal(3)}


def test_columns_that_differ_in_case_only_and_texts_with_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    columns = ("resourceTags/user:Team", *COLUMNS, "resourceTags/user:team")
    path = tmp_path / "part.csv.gz"
    values = ['"a, ""b""\r\nc"', *line("4").values(), "x"]
    path.write_bytes(gzip.compress(f"{','.join(columns)}\r\n{','.join(values)}\r\n".encode("utf-8-sig")))
    with aggregated([Part("part", path)], tmp_path, MEMORY_MB, ignored) as aggregate:
        assert aggregate.control.totals == {"Usage": Decimal(4)}


@pytest.fixture
def by_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Arrow could not read the file."""
    monkeypatch.setattr(Adding, "_add_streamed", lambda *_: False)


@pytest.fixture
def one_thread(by_duckdb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if DuckDB could not share the file between threads; it takes hundreds of thousands of restless lines."""
    add = Adding._add

    def alone(self: Adding, batch: Sequence[Part], *, parallel: bool) -> None:
        if parallel:
            raise duckdb.NotImplementedException("The Parallel CSV Reader currently does not support this file")
        add(self, batch, parallel=parallel)

    monkeypatch.setattr(Adding, "_add", alone)


def restless_lines() -> Iterator[dict[str, str]]:
    draw = random.Random(5)
    for number in range(20_000):
        breaks = "".join(draw.choices(["\n", "\r\n", '"', ",", '"\n"', "words "], k=draw.randrange(60)))
        yield line(f"{number}E-9", region=breaks)


def test_line_breaks_in_texts_do_not_disturb() -> None:
    with added_up(list(restless_lines())) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (20_000, {"Usage": Decimal("0.19999")})


def test_line_breaks_in_texts_do_not_disturb_duckdb(by_duckdb: None) -> None:
    with added_up(list(restless_lines())) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (20_000, {"Usage": Decimal("0.19999")})


def test_line_breaks_in_texts_do_not_disturb_where_one_thread_reads(one_thread: None) -> None:
    with added_up(list(restless_lines()), [line("1")]) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (20_001, {"Usage": Decimal("1.19999")})


def test_a_quote_left_open_is_noticed_where_one_thread_reads(one_thread: None, tmp_path: Path) -> None:
    made = MadeReport([[line("1")] * 3])
    made.write(tmp_path)
    path = tmp_path / made.keys[0]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b'"1,2\n'))
    with (
        pytest.raises(DamagedReport, match="The part p cannot be read: unexpected end of data"),
        aggregated([Part("p", path)], tmp_path, MEMORY_MB, ignored),
    ):
        pass


@pytest.mark.parametrize("lines", [1, 60_000])
def test_a_quote_left_open_at_the_end_is_noticed(lines: int, tmp_path: Path) -> None:
    made = MadeReport([[line("1")] * lines])
    made.write(tmp_path)
    path = tmp_path / made.keys[0]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b'"1,2\n', 1))
    with (
        pytest.raises(DamagedReport, match="unterminated quote"),
        aggregated([Part("p", path)], tmp_path, MEMORY_MB, ignored),
    ):
        pass


def test_currencies_and_payers_are_all_listed() -> None:
    lines = [line(), line(CurrencyCode="EUR"), line(PayerAccountId="111111111111")]
    with added_up(lines) as aggregate:
        assert aggregate.control.currencies == ("EUR", "USD")
        assert aggregate.control.payers == ("111111111111", "999999999999")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"UnblendedCost": "twelve"}, "is not a number"),
        ({"UnblendedCost": "1,5"}, "is not a number"),
        ({"UnblendedCost": "1_000"}, "is not a number"),
        ({"UnblendedCost": "NaN"}, "is not a number"),
        ({"UnblendedCost": "inf"}, "is not a number"),
        ({"UnblendedCost": " 1"}, "is not a number"),
        ({"UnblendedCost": ""}, "is not a number"),
        ({"UnblendedCost": "1e26"}, "has more than 26 digits before the point"),
        ({"UsageStartDate": ""}, "is not a time in UTC, such as 2026-06-01T00:00:00Z"),
        ({"UsageStartDate": "May 1st"}, "is not a time in UTC, such as 2026-06-01T00:00:00Z"),
        ({"UsageStartDate": "2026-05-01T00:00:00+02:00"}, "is not a time in UTC, such as 2026-06-01T00:00:00Z"),
        ({"UsageStartDate": "infinity"}, "is not a time in UTC, such as 2026-06-01T00:00:00Z"),
        ({"UsageAccountId": "42"}, "is not an account id of 12 digits"),
        ({"UsageAccountId": ""}, "is not an account id of 12 digits"),
        ({"PayerAccountId": "99999999999O"}, "is not an account id of 12 digits"),
        ({"CurrencyCode": ""}, "is not a currency code such as USD"),
        ({"ProductCode": "x" * (SERVICE_CHARS_MAX + 1)}, "is not a text of at most 200 printable characters"),
        ({"LineItemType": "a\x00b"}, "is not a text of at most 100 printable characters"),
    ],
)
def test_a_bad_line_is_named_with_its_part_and_value(changes: dict[str, str], complaint: str) -> None:
    ((name, value),) = changes.items()
    column = next(column for column in COLUMNS if column.endswith(f"/{name}"))
    bad = line(**{"LineItemId": "line-2"} | changes)
    with pytest.raises(DamagedReport) as caught, added_up([line()] * 3, [line(), bad, line()]):
        pass
    shown = repr(value if len(value) <= 120 else value[:120] + "…")
    assert caught.value.message == (
        f"The part made-00002.csv.gz cannot be imported: {column} of line item 'line-2' is {shown}, which {complaint}. "
        "Nothing was imported, and what was there is untouched."
    )
    assert caught.value.code == "BadLine"


def test_the_longest_service_and_the_finest_and_largest_cost_are_kept() -> None:
    finest, largest = "-0.000000000001", "9" * 26
    with added_up([line(finest, ProductCode="x" * SERVICE_CHARS_MAX), line(largest)]) as aggregate:
        assert aggregate.control.totals == {"Usage": Decimal("99999999999999999999999998.999999999999")}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1,2,3\n", "cannot be read at line 3: expected number of columns: 9 found: 3"),
        ('"1,2\n', "cannot be read at line 3: unterminated quote"),
        ("\udcff," + "," * 7 + "\n", "cannot be read at line 3: invalid unicode"),
    ],
)
def test_a_file_that_is_not_sound_csv(text: str, complaint: str, tmp_path: Path) -> None:
    content = ",".join(COLUMNS) + "\n" + ",".join(line().values()) + "\n" + text
    path = tmp_path / "part.csv.gz"
    path.write_bytes(gzip.compress(content.encode(errors="surrogateescape")))
    with pytest.raises(DamagedReport, match=complaint), aggregated([Part("p", path)], tmp_path, MEMORY_MB, ignored):
        pass


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "has 0 columns; 1 to 20,000 can be read"),
        (b"\xff\xfe\n", "The part p is not UTF-8"),
        (b"a,b\n1,2\n", "The part p cannot be imported: there is no column lineItem/UsageAccountId"),
    ],
)
def test_a_header_that_cannot_be_used(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "part.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DamagedReport, match=complaint), aggregated([Part("p", path)], tmp_path, MEMORY_MB, ignored):
        pass


def test_a_missing_column_is_named() -> None:
    columns = [column for column in COLUMNS if column != "lineItem/UnblendedCost"]
    with pytest.raises(DamagedReport) as caught, added_up([line()], columns=columns):
        pass
    assert caught.value.message == (
        "The part made-00001.csv.gz cannot be imported: there is no column lineItem/UnblendedCost. "
        "Nothing was imported, and what was there is untouched."
    )


def test_the_limit_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(ProductCode=f"Service{n}") for n in range(100)]
    monkeypatch.setattr(cost_aggregate, "ROWS_MAX", 100)
    with added_up(lines) as aggregate:
        assert aggregate.control.rows == 100
    with (
        pytest.raises(DamagedReport, match="adds up to 101 rows; at most 100 are stored"),
        added_up([*lines, line(ProductCode="x")]),
    ):
        pass


def test_too_little_memory_names_the_setting(tmp_path: Path) -> None:
    (path,) = SAMPLE.rglob("May-*.csv.gz")
    with (
        pytest.raises(BadInput, match="with 4 MB of memory: set ALLOT_COST_MEMORY_MB higher"),
        aggregated([Part("May", path)], tmp_path, 4, ignored),
    ):
        pass


costs = st.decimals(
    min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=18
) | st.builds(Decimal, st.from_regex(r"-?[1-9]\.[0-9]{1,8}E-[0-9]", fullmatch=True))
made_lines = st.builds(
    lambda cost, account, service, charge_type, day, late: line(
        str(cost),
        UsageAccountId=f"{account:012d}",
        ProductCode=service,
        LineItemType=charge_type,
        UsageStartDate=f"2026-05-{day:02d}T{23 if late else 0:02d}:00:00Z",
    ),
    costs,
    st.integers(0, 3),
    st.sampled_from(["AmazonEC2", 'Ämter, "GmbH"', "a\u2028b", ""]),
    st.sampled_from(["Usage", "Tax", "Credit", ""]),
    st.integers(1, 31),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(made_lines, max_size=20), min_size=1, max_size=3))
def test_any_report_adds_up_exactly(parts: list[list[dict[str, str]]]) -> None:
    expected: dict[str, Decimal] = {}
    rows: dict[tuple[str, str, str, str], Decimal] = {}
    for entry in (entry for part in parts for entry in part):
        cost = rounded(entry["lineItem/UnblendedCost"])
        charge_type = entry["lineItem/LineItemType"] or "unclassified"
        service = entry["lineItem/ProductCode"] or "unclassified"
        key = (entry["lineItem/UsageAccountId"], service, charge_type, entry["lineItem/UsageStartDate"][:10])
        expected[charge_type] = EXACT.add(expected.get(charge_type, Decimal(0)), cost)
        rows[key] = EXACT.add(rows.get(key, Decimal(0)), cost)
    with added_up(*parts) as aggregate:
        assert aggregate.control.totals == expected
        assert {(a, s, t, str(d)): cost for a, s, t, d, cost in rows_of(aggregate)} == rows
        assert aggregate.control.lines == sum(map(len, parts))


def test_costs_that_are_too_much_together_are_told_with_the_largest() -> None:
    lines = [line("7" * 26), line("9" * 26, LineItemId="line-2")]
    told = r"more than 26 digits .* The largest, 9{26}\.?0*, is of line item 'line-2' in the part made-00001.csv.gz\."
    with pytest.raises(DamagedReport, match=told), added_up(lines):
        pass


def test_costs_that_are_too_much_with_those_of_parts_read_before_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_batches, "BATCH_PACKED_BYTES", 1)
    with pytest.raises(DamagedReport, match="more than 26 digits"), added_up([line("7" * 26)], [line("9" * 26)]):
        pass
