"""Whose an account's day is, in every metric: by claims, then by percentages, to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from domain.allocation import Share, split_spend
from domain.money import EXACT
from tests.views.given import (
    ORGANIZATION,
    PAYER,
    ListLog,
    allocated,
    allocated_to,
    cost,
    imported,
    measured,
    path,
    store_costs,
    vended,
)
from views import actuals
from views.batch import Batch
from views.claims import CLAIMS
from views.generations import MIGRATED_GENERATION
from views.projector import Projector, connect
from views.queries import Views
from views.spend import METRICS, PUBLIC, Days, asked, merged, of_currency, shares_query

Ask = Callable[[str], list[tuple[Any, ...]]]
ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
MAY = date(2026, 5, 1)
DAILY = (
    "SELECT day::text, product, workload, trim_scale(unblended)::text, trim_scale(amortized)::text, "
    "trim_scale(net_unblended)::text, trim_scale(net_amortized)::text FROM daily_shares "
    "WHERE account_id = '{}' ORDER BY 1, 2, 3"
)
WRITTEN = "SELECT account_id, day::text FROM daily_shares_v{} WHERE xmin::text::bigint > {} ORDER BY 1, 2"


class Claimed(NamedTuple):
    """What a resource cost on a day, and who had claimed it then."""

    day: date
    resource: str
    since: date
    until: date | None
    workload: str
    amounts: tuple[Decimal, ...]


class Case(NamedTuple):
    days: Mapping[date, tuple[Decimal, ...]]
    allocations: list[tuple[date, list[tuple[str, Decimal]]]]
    claimed: list[Claimed]
    decimals: int


amounts = st.decimals(-(10**9), 10**9, places=12) | st.sampled_from(
    [Decimal(text) for text in ("0", "0.005", "-0.005", "0.015", "0.01", "-0.000000000001", "12345678901234567890.5")]
)
four = st.tuples(amounts, amounts, amounts, amounts)
days = st.integers(0, 30).map(lambda n: MAY + timedelta(days=n))


@st.composite
def shares(draw: st.DrawFn) -> list[tuple[str, Decimal]]:
    """1 to 5 products whose percentages add up to 100, in the order of their paths."""
    cuts = sorted(draw(st.sets(st.integers(1, 999_999), max_size=4)))
    parts = [after - before for before, after in zip([0, *cuts], [*cuts, 1_000_000], strict=True)]
    return [(f"A/B/C/p{n}", Decimal(part).scaleb(-4)) for n, part in enumerate(parts)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    claimed = []
    for n in range(draw(st.integers(0, 3))):
        since = draw(days)
        ends = since + timedelta(days=draw(st.integers(1, 31)))
        until = draw(st.sampled_from([ends, None]))
        claimed += [
            Claimed(day, f"r{n}", since, until, f"w{n % 2}", draw(four)) for day in draw(st.sets(days, max_size=3))
        ]
    spent = draw(st.dictionaries(days, four, min_size=1, max_size=5))
    spent |= {one.day: draw(four) for one in claimed if one.day not in spent}
    return Case(
        spent,
        sorted(draw(st.dictionaries(days, shares(), max_size=3)).items()),
        claimed,
        draw(st.sampled_from([0, 2, 3])),
    )


def by_the_domain(case: Case) -> dict[tuple[date, str, str], tuple[Decimal, ...]]:
    """The same, by the rule of the domain, day by day and metric by metric."""
    found: dict[tuple[date, str, str], list[Decimal]] = {}

    def add(day: date, product: str, workload: str, metric: int, amount: Decimal) -> None:
        found.setdefault((day, product, workload), [Decimal(0)] * len(METRICS))[metric] += amount

    for day, spent in case.days.items():
        in_effect = [parts for since, parts in case.allocations if since <= day]
        for metric, whole in enumerate(spent):
            rest = whole
            for one in case.claimed:
                if one.day == day and one.since <= day and (one.until is None or day < one.until):
                    add(day, "A/B/C/claimed", one.workload, metric, one.amounts[metric])
                    rest -= one.amounts[metric]
            if not in_effect:
                add(day, "", "", metric, rest)
                continue
            parts = [Share(product=path(product), percent=percent) for product, percent in in_effect[-1]]
            for product, part in split_spend(rest, parts, case.decimals).items():
                add(day, str(product), "", metric, part)
    return {key: tuple(parts) for key, parts in found.items() if any(parts)}


def by_the_query(connection: psycopg.Connection[Any], case: Case) -> dict[tuple[date, str, str], tuple[Decimal, ...]]:
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO daily_spend VALUES ('{ONE}', '{MAY}', %s, %s, %s, %s, %s, %s)",
            [(day, PAYER, *spent) for day, spent in case.days.items()],
        )
        cursor.execute(
            f"INSERT INTO cost_periods VALUES ('{MAY}', '{PAYER}', 2026, 's', 'v2', 'v1', 'CUR', 'USD', 1, '{{}}', 0, "
            "false, '', 2, now())"
        )
        ends = [*(since for since, _ in case.allocations[1:]), None]
        cursor.executemany(
            f"INSERT INTO allocations VALUES ('{ONE}', %s, %s, %s, %s, 'Production', %s, gen_random_uuid(), "
            "'', '', '', 0, now())",
            [
                (since, n, product, percent, end)
                for (since, parts), end in zip(case.allocations, ends, strict=False)
                for n, (product, percent) in enumerate(parts)
            ],
        )
        cursor.executemany(
            f"INSERT INTO claims VALUES ('{ONE}', %s, %s, %s, 'A/B/C/claimed', %s)",
            {(one.resource, one.since, one.until, one.workload) for one in case.claimed},
        )
        cursor.executemany(
            f"INSERT INTO claimed_cost_rows VALUES ('{MAY}', 'v1', '{ONE}', %s, %s, %s, %s, %s, %s)",
            [(one.resource, one.day, *one.amounts) for one in case.claimed],
        )
        query = sql.SQL("WITH {} SELECT day, product, workload, {} FROM fresh").format(
            shares_query(PUBLIC), sql.SQL(", ").join(map(sql.Identifier, METRICS))
        )
        asked_for = asked([Days(ONE, MAY, MAY, date(2026, 5, 31))]) | of_currency(case.decimals)
        return {row[:3]: row[3:] for row in cursor.execute(query, asked_for)}


def test_the_query_splits_as_the_domain_does(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:

        @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
        @given(cases())
        def agree(case: Case) -> None:
            with localcontext(EXACT):
                expected = by_the_domain(case)
            assert by_the_query(connection, case) == expected

        agree()


@pytest.fixture
def claimed(log: ListLog, projector: Projector, database_url: str) -> Projector:
    """A database that Books has claimed from the 4th to the 5th, in an account of two products."""
    costs = [
        measured(cost(ONE, "2026-05-03", "10.00"), "8.00", "9.00", "7.00"),
        measured(cost(ONE, "2026-05-04", "10.01"), "8.01", "9.01", "7.01"),
        measured(cost(ONE, "2026-05-06", "10.00"), "8.00", "9.00", "7.00"),
    ]
    store_costs(database_url, costs)
    with psycopg.connect(database_url) as connection:
        for day in ("2026-05-03", "2026-05-04", "2026-05-06"):
            connection.execute(
                "INSERT INTO claimed_cost_rows VALUES ('2026-05-01', 'v1', %s, 'arn:db', %s, 5, 4, 4.5, 3.5)",
                [ONE, day],
            )
        connection.execute(
            f"INSERT INTO claims_v{MIGRATED_GENERATION} VALUES (%s, 'arn:db', '2026-05-04', '2026-05-06', %s, 'db')",
            [ONE, BOOKS],
        )
    log.add(vended(ONE), allocated(ONE, date(2026, 1, 1), Books="50", Cart="50"), imported(costs, "2026-05"))
    projector.catch_up()
    return projector


@pytest.mark.usefixtures("claimed")
def test_what_is_claimed_goes_whole_to_its_workload_and_the_rest_by_percentages(rows: Ask) -> None:
    half = ("5", "4", "4.5", "3.5")
    assert rows(DAILY.format(ONE)) == [
        ("2026-05-03", BOOKS, "", *half),
        ("2026-05-03", CART, "", *half),
        ("2026-05-04", BOOKS, "", "2.51", "2.01", "2.26", "1.76"),
        ("2026-05-04", BOOKS, "db", *half),
        ("2026-05-04", CART, "", "2.5", "2", "2.25", "1.75"),
        ("2026-05-06", BOOKS, "", *half),
        ("2026-05-06", CART, "", *half),
    ]


def newest_transaction(rows: Ask) -> int:
    return int(rows("SELECT pg_current_xact_id()::text")[0][0])


def test_a_changed_claim_touches_its_days_alone(claimed: Projector, rows: Ask, database_url: str) -> None:
    before = newest_transaction(rows)
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE {CLAIMS.name}_v{MIGRATED_GENERATION} SET until = NULL".encode())
    claimed_again(claimed, date(2026, 5, 5))
    assert rows(WRITTEN.format(MIGRATED_GENERATION, before)) == [(ONE, "2026-05-06")] * 3
    assert [row[:4] for row in rows(DAILY.format(ONE)) if row[0] == "2026-05-06"] == [
        ("2026-05-06", BOOKS, "", "2.5"),
        ("2026-05-06", BOOKS, "db", "5"),
        ("2026-05-06", CART, "", "2.5"),
    ]


def claimed_again(projector: Projector, day: date) -> None:
    """As the fold of a claim tells of it."""
    with connect(projector._database_url) as connection, connection.transaction(), connection.cursor() as cursor:
        batch = Batch(cursor, MIGRATED_GENERATION, ORGANIZATION)
        batch.changes.claimed[ONE] = day
        actuals.settle(batch)


def test_an_allocation_touches_its_days_alone(log: ListLog, projector: Projector, rows: Ask, database_url: str) -> None:
    """Of 3 accounts with 31 days: those from the new allocation to the one after it, and only where they come out
    differently."""
    costs = [
        cost(account, f"2026-05-{day:02d}", "0.01" if day == 15 else "1.00")
        for account in (ONE, TWO, "000000000003")
        for day in range(1, 32)
    ]
    store_costs(database_url, costs)
    log.add(*(event for account in (ONE, TWO) for event in (vended(account), allocated(account, MAY, Cart="100"))))
    log.add(allocated(ONE, date(2026, 5, 17), Books="100"), imported(costs, "2026-05"))
    projector.catch_up()
    before = newest_transaction(rows)
    log.add(allocated_to(ONE, date(2026, 5, 10), {BOOKS: "40", CART: "60"}))
    projector.catch_up()
    written = rows(WRITTEN.format(MIGRATED_GENERATION, before))
    # Of the 15th's one cent the largest remainder is Cart's, who had it before.
    assert written == [(ONE, f"2026-05-{day}") for day in (10, 11, 12, 13, 14, 16) for _ in range(2)]


def test_a_new_version_touches_the_days_of_which_it_says_something_else(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    costs = [
        cost(account, f"2026-05-{day:02d}", "9" if (version, account, day) == ("v2", TWO, 4) else "1", version=version)
        for version, last_day in (("v1", 5), ("v2", 6))
        for account in (ONE, TWO)
        for day in range(1, last_day + 1)
    ]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-05"))
    projector.catch_up()
    before = newest_transaction(rows)
    log.add(imported(costs, "2026-05", "v2"))
    projector.catch_up()
    changed = [(ONE, "2026-05-06"), (TWO, "2026-05-04"), (TWO, "2026-05-06")]
    assert rows(WRITTEN.format(MIGRATED_GENERATION, before)) == changed
    written = WRITTEN.replace("daily_shares", "daily_spend")
    assert rows(written.format(MIGRATED_GENERATION, before)) == changed


def test_a_new_version_that_says_something_else_of_a_claimed_resource_alone(
    claimed: Projector, log: ListLog, rows: Ask, database_url: str
) -> None:
    """The account's day costs the same as before."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO cost_rows SELECT billing_period, 'v2', account_id, service, charge_type, "
            "usage_date, unblended, amortized, net_unblended, net_amortized FROM cost_rows"
        )
        connection.execute(
            "INSERT INTO claimed_cost_rows VALUES ('2026-05-01', 'v2', %s, 'arn:db', '2026-05-04', 10, 8, 9, 7)", [ONE]
        )
    log.add(imported([], "2026-05", "v2"))
    claimed.catch_up()
    of_the_4th = [row[1:4] for row in rows(DAILY.format(ONE)) if row[0] == "2026-05-04"]
    assert of_the_4th == [(BOOKS, "", "0.01"), (BOOKS, "db", "10")]


def test_the_metrics_of_a_day_are_split_each_on_its_own(
    log: ListLog, projector: Projector, rows: Ask, views: Views, database_url: str
) -> None:
    costs = [measured(cost(ONE, "2026-05-03", "0.10"), "0.11", "-0.10", "0.1000000001")]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, MAY, A="33.3333", B="33.3333", C="33.3334"), imported(costs, "2026-05"))
    projector.catch_up()
    assert [row[3:] for row in rows(DAILY.format(ONE))] == [
        ("0.03", "0.04", "-0.03", "0.03"),
        ("0.03", "0.03", "-0.03", "0.03"),
        ("0.04", "0.04", "-0.04", "0.0400000001"),
    ]
    assert views.rollup(2026).reconciles


def test_days_of_one_account_are_asked_for_once() -> None:
    first, last = date(2026, 5, 3), date(2026, 5, 9)
    assert merged([Days(ONE, MAY, last, last), Days(TWO, MAY, MAY, MAY), Days(ONE, MAY, first, first)]) == [
        Days(ONE, MAY, first, last),
        Days(TWO, MAY, MAY, MAY),
    ]
