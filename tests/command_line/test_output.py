"""What a command prints is safe for terminals and for machines, whatever the names in it."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from command_line.output import Column, figures, money, plain_data, safe, show, table
from domain.allocation import AccountType
from domain.calendar import Month
from domain.hierarchy import NodePath

ESCAPES = ["\x1b[31mred", "a\rb", "bell\x07", "\x9b2J", "\u202egnp.exe", "zero\u200bwidth", "line\nbreak", "\ud800"]


@pytest.mark.parametrize("text", ESCAPES)
def test_what_could_steer_a_terminal_is_written_out(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert "\\x" in shown or "\\u" in shown


@given(st.text())
def test_shown_text_is_always_printable_and_plain_text_stays_as_it_is(text: str) -> None:
    assert safe(text).isprintable()
    if text.isprintable():
        assert safe(text) == text


def printed(*cells: str) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80, highlight=False).print(table("A [title]", [Column("One")], [[c] for c in cells]))
    return stream.getvalue()


def test_names_are_never_read_as_markup() -> None:
    text = printed("[bold]not bold[/bold]", "[/]")
    assert "[bold]not bold[/bold]" in text
    assert "[/]" in text
    assert "A [title]" in text


def test_a_terminal_escape_in_a_name_does_not_reach_the_terminal() -> None:
    assert "\x1b" not in printed("\x1b]0;owned\x07")


def test_figures_stand_to_the_right() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(table("", figures("USD"), [["1.00"], ["1,000.00"]]))
    ends = [line.rindex("00") for line in stream.getvalue().splitlines() if "00" in line]
    assert len(set(ends)) == 1


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_valid_and_exact_with_any_names(names: dict[str, str]) -> None:
    assert json.loads(json.dumps(plain_data(names))) == names


def test_json_has_amounts_as_text_with_all_digits() -> None:
    row = {
        "amount": Decimal("20994.7999997760001488"),
        "whole": Decimal("38000.00"),
        "yen": Decimal(38000),
        "month": Month(2026, 5),
        "node": NodePath(("Retail", "A/B")),
        "type": AccountType.SHARED,
        "when": datetime(2026, 5, 1, tzinfo=UTC),
        "day": date(2026, 5, 1),
        "id": UUID(int=1),
        "none": None,
        "list": (1, True),
    }
    assert plain_data(row) == {
        "amount": "20994.7999997760001488",
        "whole": "38000.00",
        "yen": "38000",
        "month": "2026-05",
        "node": "Retail/A%2FB",
        "type": "Shared",
        "when": "2026-05-01T00:00:00+00:00",
        "day": "2026-05-01",
        "id": "00000000-0000-0000-0000-000000000001",
        "none": None,
        "list": [1, True],
    }


def test_a_float_is_never_printed() -> None:
    with pytest.raises(TypeError, match="float"):
        plain_data({"amount": 0.1})


def test_with_json_nothing_else_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    show({"name": "\x1b[31m"}, True, lambda: ["for people"])
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": "\x1b[31m"}
    assert "\x1b" not in out


def test_money_is_rounded_to_the_currency_with_thousands() -> None:
    assert money(Decimal("1234.565"), "USD") == "1,234.56"
    assert money(Decimal("1234.5"), "JPY") == "1,234"
    assert money(Decimal("-0.5"), "USD") == "-0.50"
    assert money(Decimal("-0.001"), "USD") == "0.00"
    assert money(None, "USD") == ""
