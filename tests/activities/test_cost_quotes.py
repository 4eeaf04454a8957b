"""Where quotes are proved to be in their places, all readers of CSV find the same."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from activities.cost_quotes import Quotes, UnprovenError

values = st.text('ab",\n\r', max_size=6)
texts = st.text('a",\n\r', min_size=1, max_size=30)


def is_proved(text: bytes, block: int) -> bool:
    quotes = Quotes()
    try:
        for start in range(0, len(text), block):
            quotes.take(text[start : start + block])
        quotes.finish()
    except UnprovenError:
        return False
    return True


@given(
    st.lists(st.lists(values, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 20),
)
def test_what_is_written_by_the_rules_is_proved(rows: list[list[str]], quoting: int, end: str, block: int) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=quoting, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    assert is_proved(written.getvalue().encode(), block)


@given(texts, st.integers(1, 10))
def test_it_does_not_matter_where_blocks_end(text: str, block: int) -> None:
    assert is_proved(text.encode(), block) == is_proved(text.encode(), len(text))


@given(texts)
def test_what_is_proved_reads_the_same_to_a_strict_reader_and_to_arrow(text: str) -> None:
    if not is_proved(text.encode(), len(text)):
        return
    strict = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    names = [f"c{place}" for place in range(len(strict[0]) if strict else 1)]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(text.encode()),
            arrow_csv.ReadOptions(column_names=names),
            arrow_csv.ParseOptions(newlines_in_values=True),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:  # lines of different length, which are left to DuckDB
        return
    assert [list(row.values()) for row in table.to_pylist()] == strict


@pytest.mark.parametrize(
    "text",
    [
        b'a"b,c\n',
        b'"a"b,c\n',
        b'"a" ,c\n',
        b' "a",c\n',
        b'a,"b\n',
        b'a,"b""\n',
        b'"',
        b'a,""b\n',
        b'\xef\xbb\xbf"a",b\n',  # a mark of byte order: DuckDB knows what to do
    ],
)
@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_a_quote_in_the_wrong_place_is_not_proved(text: bytes, block: int) -> None:
    assert not is_proved(text, block)


@pytest.mark.parametrize("text", [b'""\n', b'"","a"', b'"a""b"\r\n"c\nd"\n', b'""""', b"no quotes\n"])
@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_quotes_in_their_places(text: bytes, block: int) -> None:
    assert is_proved(text, block)
