"""The rows of a CSV file: its cells, or why they cannot be told, with the beginning of what stands there."""

from __future__ import annotations

import pytest

from domain.budget_file_csv import RECORD_CHARS_MAX, NotUtf8, Record, records


def read(text: str) -> list[Record]:
    return list(records(text.encode()))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_that_cannot_be_told_shows_its_first_line(end: str) -> None:
    (stray, after) = read(f'  a,5" disk {end}b,c{end}')
    assert (stray.row, stray.cells, stray.excerpt) == (1, [], '  a,5" disk ')
    assert after == Record(2, ["b", "c"])
    (middle,) = read("X,a\rb,X\n")
    assert (middle.cells, middle.excerpt) == ([], "X,a\rb,X")
    (stray,) = read('X,5" diskX\n')
    assert stray.excerpt == 'X,5" diskX'


def test_a_line_is_as_long_as_it_may_be() -> None:
    (longest,) = read("x" * (RECORD_CHARS_MAX - 1) + "\n")
    assert longest.cells == ["x" * (RECORD_CHARS_MAX - 1)]
    (longer,) = read("x" * RECORD_CHARS_MAX + "\n")
    assert (longer.row, longer.cells, longer.excerpt) == (1, [], "x" * RECORD_CHARS_MAX + "\n")
    assert longer.fault is not None
    assert longer.fault.problem == "is longer than 100,000 characters"


def test_a_quoted_cell_may_run_over_lines_as_far_as_a_row_may() -> None:
    half = "x" * (RECORD_CHARS_MAX // 2)
    (whole,) = read(f'"{half}\n{half[4:]}"\n')
    assert whole.cells == [f"{half}\n{half[4:]}"]
    # What closes only after that is no row any more: each of its lines is one.
    assert [record.row for record in read(f'"{half}\n{half}\n{half}"\n')] == [1, 2, 3]


def test_each_quote_that_closes_and_opens_again_is_counted() -> None:
    assert read('"a\nb","c\nd"\ne\n') == [Record(1, ["a\nb", "c\nd"]), Record(2, ["e"])]
    assert read('"a""\nb"\nc\n') == [Record(1, ['a"\nb']), Record(2, ["c"])]


def test_the_first_byte_that_is_not_utf8_is_told_with_its_line() -> None:
    for data, row, offset in ((b"a\nb\nc\xff\n", 3, 5), (b'a\n"b\nc\xff"\n', 3, 6), (b"\xef\xbb\xbfa\n\xff", 2, 5)):
        with pytest.raises(NotUtf8) as error:
            list(records(data))
        assert (error.value.row, error.value.offset, error.value.byte) == (row, offset, 0xFF)
        assert str(error.value) == f"byte {offset}"
