from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_dialect import COST_TYPE, DUCKDB, FAST_DOUBLE_MAX
from activities.cost_lines import Part, lines_sql
from activities.cost_money import COMMITMENT_CASES
from domain.money import EXACT
from domain.report_format import ReportFormat
from tests.activities.test_cost_formats import added_up, canonical
from tests.support.cost_months import FIGURES, Entry, Values, cur_month, legacy_csv, parquet

# As AWS publishes it, but for line breaks (Cloud Intelligence Dashboards, summary_view).
AWS_AMORTIZED = """
SELECT
  sum(CASE
    WHEN (line_item_line_item_type = 'SavingsPlanCoveredUsage') THEN savings_plan_savings_plan_effective_cost
    WHEN (line_item_line_item_type = 'SavingsPlanRecurringFee')
      THEN (savings_plan_total_commitment_to_date - savings_plan_used_commitment)
    WHEN (line_item_line_item_type = 'SavingsPlanNegation') THEN 0
    WHEN (line_item_line_item_type = 'SavingsPlanUpfrontFee') THEN 0
    WHEN (line_item_line_item_type = 'DiscountedUsage') THEN reservation_effective_cost
    WHEN (line_item_line_item_type = 'RIFee')
      THEN (reservation_unused_amortized_upfront_fee_for_billing_period + reservation_unused_recurring_fee)
    WHEN ((line_item_line_item_type = 'Fee') AND (reservation_reservation_a_r_n <> '')) THEN 0
    WHEN ((line_item_line_item_type = 'Refund') AND (line_item_product_code = 'ComputeSavingsPlans')
      AND (line_item_line_item_description LIKE 'Refund for one-time fee for Savings Plan ID%')) THEN 0
    ELSE line_item_unblended_cost END) amortized_cost,
  sum(CASE
    WHEN (line_item_line_item_type = 'SavingsPlanRecurringFee')
      THEN (-savings_plan_amortized_upfront_commitment_for_billing_period)
    WHEN (line_item_line_item_type = 'RIFee') THEN (-reservation_amortized_upfront_fee_for_billing_period)
    ELSE 0 END) ri_sp_trueup
FROM report WHERE line_item_operation IS DISTINCT FROM 'EKSPod-EC2'
"""

MONEY_COLUMNS = sorted(
    {name for case in COMMITMENT_CASES for name in (*case.needs, case.true_up) if name.startswith(("sav", "reserv"))}
    - {"reservation_reservation_a_r_n"}
)


def changed(entries: Sequence[Entry], **changes: str) -> list[Values]:
    return [entry.values | changes for entry in entries]


def without(entries: Sequence[Entry], *beginnings: str) -> list[Values]:
    return [
        {name: value for name, value in entry.values.items() if not name.startswith(beginnings)} for entry in entries
    ]


def of(name: str) -> Entry:
    (entry,) = (entry for entry in cur_month() if entry.name == name)
    return entry


def test_amortized_cost_and_true_up_are_those_of_awss_own_query(tmp_path: Path) -> None:
    lines = [entry.values for entry in cur_month()]
    path = parquet(tmp_path / "part.parquet", lines, CUR_COLUMNS)
    ours = canonical([path], ReportFormat.CUR_2)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW report AS SELECT * FROM read_parquet('{path}')")
        (theirs,) = connection.execute(AWS_AMORTIZED).fetchall()
    assert [float(added_up(ours, figure)) for figure in ("amortized", "true_up")] == [pytest.approx(t) for t in theirs]


def test_without_the_columns_of_commitments_each_line_counts_as_it_was_charged(tmp_path: Path) -> None:
    lines = canonical(
        [legacy_csv(tmp_path / "p.csv.gz", without(cur_month(), "savings_plan_", "reservation_"))], ReportFormat.CUR
    )
    for line in lines:
        assert line["amortized"] == line["unblended"]
        assert (line["upfront"], line["true_up"]) == (0, 0)


def test_without_net_columns_net_costs_are_those_before_discounts(tmp_path: Path) -> None:
    lines = without(cur_month(), "line_item_net_", "savings_plan_net_", "reservation_net_")
    for line in canonical([legacy_csv(tmp_path / "p.csv.gz", lines)], ReportFormat.CUR):
        assert (line["net_unblended"], line["net_amortized"]) == (line["unblended"], line["amortized"])


def test_a_part_may_lack_columns_that_another_part_of_the_same_report_has(tmp_path: Path) -> None:
    first = legacy_csv(tmp_path / "1.csv.gz", without([of("usage")], "line_item_net_", "tag."))
    second = legacy_csv(tmp_path / "2.csv.gz", [of("sp-covered").values])
    lines = {line["line_item"]: line for line in canonical([first, second], ReportFormat.CUR)}
    assert lines["usage"]["net_unblended"] == Decimal(10)
    assert lines["sp-covered"]["net_amortized"] == Decimal("1.80")


@pytest.mark.parametrize("name", ["sp-covered", "ri-covered", "sp-fee", "ri-fee"])
def test_a_value_that_is_left_empty_is_the_zero_that_awss_sums_take_it_for(name: str, tmp_path: Path) -> None:
    empty = {key: "" for key in of(name).values if key in MONEY_COLUMNS or "_net_" in key}
    values = of(name).values | empty | {"identity_line_item_id": "empty"}
    path = legacy_csv(tmp_path / "p.csv.gz", [*(entry.values for entry in cur_month()), values])
    (line,) = [line for line in canonical([path], ReportFormat.CUR) if line["line_item"] == "empty"]
    unblended = Decimal(values["line_item_unblended_cost"])
    expected = (unblended, Decimal(0), unblended, Decimal(0), Decimal(0), Decimal(0))
    assert tuple(line[figure] for figure in FIGURES) == expected


def test_unused_commitment_is_discounted_as_its_commitment_is(tmp_path: Path) -> None:
    values = of("sp-fee").values
    all_used = values | {"identity_line_item_id": "used", "savings_plan_used_commitment": "2.50"}
    nothing = {name: "0" for name in values if "_commitment_for_billing_period" in name}
    no_commitment = values | nothing | {"identity_line_item_id": "none"}
    unknown = values | {name: "" for name in nothing if "_net_" in name} | {"identity_line_item_id": "unknown"}
    path = legacy_csv(tmp_path / "p.csv.gz", [values, all_used, no_commitment, unknown])
    net = {line["line_item"]: line["net_amortized"] for line in canonical([path], ReportFormat.CUR)}
    assert net == {"sp-fee": Decimal("0.45"), "used": 0, "none": Decimal("0.50"), "unknown": Decimal("0.50")}


@pytest.mark.parametrize(
    ("service", "type_", "entity", "expected"),
    [
        ("AWSSupportEnterprise", "Usage", "AWS", "Support"),
        ("AWSDeveloperSupport", "Fee", "AWS", "Support"),
        ("OCBPremiumSupport", "Fee", "AWS", "Support"),
        ("AWSSupportBusiness", "Tax", "AWS", "Tax"),
        ("AWSSupportBusiness", "Refund", "AWS", "Refund"),
        ("AWSSupportBusiness", "Credit", "AWS", "Credit"),
        ("seller", "Fee", "AWS Marketplace", "Marketplace"),
        ("seller", "Refund", "AWS Marketplace", "Refund"),
        ("seller", "Usage", "AISPL", "Usage"),
        ("AmazonEC2", "usage", "AWS", "unclassified"),
        ("AmazonEC2", "", "AWS", "unclassified"),
        ("AmazonEC2", "Brand new", "AWS", "unclassified"),
    ],
)
def test_charge_types_are_kept_apart(service: str, type_: str, entity: str, expected: str, tmp_path: Path) -> None:
    changes = {"line_item_product_code": service, "line_item_line_item_type": type_, "bill_billing_entity": entity}
    (line,) = canonical([legacy_csv(tmp_path / "p.csv.gz", changed([of("fee")], **changes))], ReportFormat.CUR)
    assert (line["charge_type"], line["raw_type"]) == (expected, type_)


def test_split_lines_are_told_by_their_operation_where_the_report_has_no_column_for_it(tmp_path: Path) -> None:
    lines = without([of("pod"), of("usage")], "split_line_item_")
    found = canonical([legacy_csv(tmp_path / "p.csv.gz", lines)], ReportFormat.CUR)
    assert {line["line_item"]: line["is_split"] for line in found} == {"pod": True, "usage": False}


def half_up(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("1E-12"), ROUND_HALF_UP, EXACT)


numbers = st.decimals(-(10**13), 10**13, allow_nan=False, places=20).map(lambda n: format(n, "f")) | st.from_regex(
    r"[+-]?([0-9]{1,12}\.[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?", fullmatch=True
).filter(lambda text: abs(Decimal(text)) < Decimal(10) ** 25)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=50))
def test_a_text_is_rounded_once_half_away_from_zero(texts: list[str]) -> None:
    values = ", ".join(f"({place}, '{text}')" for place, text in enumerate(texts))
    query = f"SELECT TRY_CAST(t AS {COST_TYPE}) FROM (VALUES {values}) AS v(place, t) ORDER BY place"
    with duckdb.connect() as connection:
        assert connection.execute(query).fetchall() == [(half_up(text),) for text in texts]


doubles = st.one_of(
    st.integers(-FAST_DOUBLE_MAX * 10**12, FAST_DOUBLE_MAX * 10**12).map(lambda n: Decimal(n).scaleb(-12)),
    st.integers(-FAST_DOUBLE_MAX * 10**4, FAST_DOUBLE_MAX * 10**4).map(lambda n: Decimal(n).scaleb(-4)),
    st.integers(-(10**6), 10**6).map(lambda n: Decimal(n).scaleb(-12)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(doubles, min_size=1, max_size=200))
def test_a_double_of_up_to_12_decimals_is_taken_as_it_is_written(amounts: list[Decimal]) -> None:
    """The plain cast below FAST_DOUBLE_MAX and the way by text say the same, and what AWS has written."""
    values = ", ".join(f"({place}, CAST('{float(amount)!r}' AS DOUBLE))" for place, amount in enumerate(amounts))
    both = f"{DUCKDB.money_of_double('x')}, TRY_CAST(CAST(x AS VARCHAR) AS {COST_TYPE})"
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {both} FROM (VALUES {values}) AS v(place, x) ORDER BY place").fetchall()
    assert found == [(amount, amount) for amount in amounts]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1234567.89", "1234567.89"),
        ("1e25", "10000000000000000000000000"),
        ("-98765432.1234", "-98765432.1234"),
        ("5e-13", "0.000000000001"),
        ("-5e-13", "-0.000000000001"),
        ("4.9e-13", "0"),
        ("0.1", "0.1"),
    ],
)
def test_doubles_of_any_size_are_taken_as_they_are_written(number: str, expected: str) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {DUCKDB.money_of_double(f'CAST({number!r} AS DOUBLE)')}").fetchone()
    assert found == (Decimal(expected),)


def test_a_plain_cast_of_a_large_double_would_show_digits_that_nobody_wrote() -> None:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT CAST(CAST('98765432.1234' AS DOUBLE) AS {COST_TYPE})").fetchone()
    assert found is not None
    assert found[0] != Decimal("98765432.1234")


def test_a_line_costs_the_same_where_its_part_is_read_apart_from_the_rest_of_the_report(tmp_path: Path) -> None:
    """A part that has negations alone has no column of savings plans; the manifest says that the report has."""
    path = legacy_csv(tmp_path / "p.csv.gz", [of("sp-negation").values])
    columns = ["savings_plan_savings_plan_effective_cost"]
    found = []
    with duckdb.connect() as connection:
        for report_columns in ([], columns):
            lines = lines_sql([Part("p", path)], ReportFormat.CUR, parallel=True, columns=report_columns)
            found.append(connection.execute(f"SELECT amortized FROM ({lines})").fetchone())
    assert found == [(Decimal(-4),), (Decimal(0),)]
