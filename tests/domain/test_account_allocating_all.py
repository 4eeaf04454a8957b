"""Many allocations of one file: all of them or none."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account_allocating import ROWS_MAX, AllocateAccounts, AllocationRow, plan_all
from domain.account_facts import Occasion
from domain.decision import NOTE_CHARS_MAX, Context, Stream
from domain.errors import Forbidden, Refusal
from tests.domain.accounts_given import (
    BUDGET,
    ENGINEER,
    OTHER,
    allocate_all,
    allocated,
    ended,
    events,
    opened,
    refused,
    row,
    vended,
)
from tests.domain.specs import ADMIN, NOW, ORGANIZATION, OWNER, RIGHTS, decide, fold

TWO = [vended(), vended(account_id=OTHER), *BUDGET]


def test_many_accounts_are_allocated_at_once() -> None:
    decision = decide(allocate_all(row(2, "100"), row(3, "60", "40", account_id=OTHER, note="n")), ADMIN, TWO)
    assert decision.message == "2 allocations recorded."
    assert decision.events == [
        allocated("100", on=date(2026, 5, 1)),
        allocated("60", "40", on=date(2026, 5, 1), account_id=OTHER, note="n"),
    ]
    again = decide(allocate_all(row(2, "100", on=date(2026, 5, 1))), ADMIN, [*TWO, *decision.events])
    assert (again.events, again.message) == ([], "0 allocations recorded, 1 was there already.")


def test_a_row_that_says_what_holds_already_answers_whoever_was_asked() -> None:
    facts = [*TWO, allocated("100", on=date(2026, 5, 1)), opened(1, Occasion.MOVED)]
    same = row(2, "100", on=date(2026, 5, 1))
    assert events(allocate_all(same), ADMIN, facts) == [ended(1, "it stays as it is allocated")]
    other = row(3, "60", "40", on=date(2026, 6, 7))
    assert events(allocate_all(same, other), ADMIN, facts) == [allocated("60", "40", on=date(2026, 6, 7))]


def test_the_same_file_without_days_again_changes_nothing() -> None:
    file = allocate_all(row(2, "100"), row(3, "60", "40", account_id=OTHER))
    once = decide(file, ADMIN, TWO)
    again = decide(file, ADMIN, [*TWO, *once.events])
    assert (again.events, again.message) == ([], "0 allocations recorded, 2 were there already.")


def test_one_faulty_row_keeps_all_out() -> None:
    rows = [row(2, "100"), row(3, "99"), row(4, "100", account_id="100000000009")]
    refusal = refused(allocate_all(*rows), ADMIN, TWO)
    assert (refusal.code, refusal.message) == (
        "FaultyRows",
        "No account was allocated: Row 3: The shares add up to 99 %; they must add up to exactly 100 %. Row 4: Account "
        "100000000009 is not known from AWS Organizations: check the id with `allot account list`, or wait for the "
        "next synchronisation.",
    )


def test_three_faulty_rows_are_named_and_the_others_counted() -> None:
    three = refused(allocate_all(*[row(n, "99") for n in (2, 3, 4)]), ADMIN, TWO).message
    assert three.endswith("Row 4: The shares add up to 99 %; they must add up to exactly 100 %.")
    assert refused(allocate_all(*[row(n, "99") for n in (2, 3, 4, 5)]), ADMIN, TWO).message == f"{three} And 1 more."


def test_two_rows_of_one_account_build_on_each_other() -> None:
    first = row(2, "100", on=date(2026, 5, 1))
    assert events(allocate_all(first, row(3, "60", "40", on=date(2026, 6, 7))), ADMIN, TWO) == [
        allocated("100", on=date(2026, 5, 1)),
        allocated("60", "40", on=date(2026, 6, 7)),
    ]
    remap = refused(allocate_all(first, row(3, "60", "40", on=date(2026, 6, 9))), ADMIN, TWO)
    assert remap.message.startswith("No account was allocated: Row 3: A remap takes effect at the start of a spend")
    twice = decide(allocate_all(first, row(3, "100", on=date(2026, 5, 1))), ADMIN, TWO)
    assert (len(twice.events), twice.message) == (1, "1 allocation recorded, 1 was there already.")


def test_a_file_with_a_remap_is_not_for_cloud_engineers() -> None:
    assert events(allocate_all(row(2, "100"), row(3, "100", account_id=OTHER)), ENGINEER, TWO)
    remap = [*TWO, allocated("60", "40", on=date(2026, 5, 1))]
    assert isinstance(refused(allocate_all(row(2, "100")), ENGINEER, remap), Forbidden)
    assert isinstance(refused(allocate_all(row(2, "100", account_id=OTHER), row(3, "100")), ENGINEER, remap), Forbidden)
    assert events(allocate_all(row(2, "100", account_id=OTHER), row(3, "100")), ADMIN, remap)
    twice = allocate_all(row(2, "100", on=date(2026, 5, 1)), row(3, "60", "40", on=date(2026, 6, 7)))
    assert isinstance(refused(twice, ENGINEER, TWO), Forbidden)
    assert isinstance(refused(allocate_all(), OWNER, []), Forbidden)
    # Who may not do it at all is not told what is wrong with the rows.
    assert isinstance(refused(allocate_all(row(2, "99")), OWNER, TWO), Forbidden)


def test_a_plan_tells_what_a_file_comes_to() -> None:
    rows = [row(2, "100"), row(3, "99"), row(4, "60", "40", account_id=OTHER, on=date(2026, 6, 1))]
    facts = [*TWO, allocated("60", "40", on=date(2026, 6, 1), account_id=OTHER)]
    context = Context(NOW, ADMIN, ORGANIZATION, {}, RIGHTS)
    streams = [stream for stream, _ in facts] + [Stream("closing", "2026")]
    plan = plan_all(fold(facts, streams), rows, context)
    assert [(made.row, new.effective_on) for made, new in plan.allocated] == [(2, date(2026, 5, 1))]
    assert [(fault.row.row, fault.refusal.code) for fault in plan.faults] == [(3, "NotWhole")]
    assert isinstance(plan.faults[0].refusal, Refusal)
    assert (plan.first_ones, plan.remaps) == (True, True)


def test_a_file_has_ten_thousand_rows_at_most_and_is_known_by_its_content() -> None:
    assert ROWS_MAX == 10_000
    one = row(2, "100")
    command = allocate_all(*[one] * ROWS_MAX)
    assert command.subject == Stream("account_file", "0" * 64)
    with pytest.raises(ValidationError, match="rows"):
        AllocateAccounts.model_validate(command.model_dump() | {"rows": [one] * (ROWS_MAX + 1)})


def test_a_note_has_two_thousand_characters_at_most() -> None:
    assert len(row(2, "100", note="x" * NOTE_CHARS_MAX).note) == NOTE_CHARS_MAX
    for wrong in ("x" * (NOTE_CHARS_MAX + 1), "\x1b[0m"):
        with pytest.raises(ValidationError, match="note"):
            AllocationRow.model_validate(one_row() | {"note": wrong})


def one_row() -> dict[str, object]:
    return row(2, "100").model_dump()
