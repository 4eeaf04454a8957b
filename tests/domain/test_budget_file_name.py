"""What a budget file's name says, and what its terms must be."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.budget_file_name import check_terms, parse_name
from domain.calendar import FiscalCalendar
from domain.errors import BadInput
from domain.process import LoadTerms

JANUARY, JULY = FiscalCalendar(1), FiscalCalendar(7)


def terms(
    *,
    year: int = 2026,
    start: str = "2026-01-01",
    is_new: bool = True,
    is_override: bool = False,
    customer: str = "Acme",
) -> LoadTerms:
    return LoadTerms(customer=customer, fiscal_year=year, is_new=is_new, effective_on=start, is_override=is_override)


def test_a_name_says_how_its_file_is_loaded() -> None:
    assert parse_name("Acme_2026_true_2026-01-01_false_Budget_v1.csv") == terms()
    assert parse_name("Acme_2026_true_2026-01-01_false_Budget_v1.XLSX") == terms()
    assert parse_name("Acme_2027_FALSE_2027-03-01_True_Forecast_v12.CSV") == LoadTerms(
        customer="Acme",
        fiscal_year=2027,
        is_new=False,
        effective_on="2027-03-01",
        is_override=True,
        option="Forecast",
        file_version="v12",
    )


def test_a_customer_may_hold_underscores_because_the_name_is_read_from_the_right() -> None:
    assert parse_name("Acme_of_2026_true_2026-01-01_false_Budget_v1.csv").customer == "Acme_of"
    assert parse_name("Acme_2025_true_2026_true_2026-01-01_false_Budget_v1.csv").customer == "Acme_2025_true"


@given(customer=st.from_regex(r"[A-Za-z][A-Za-z_.& -]{0,20}[a-z]", fullmatch=True), is_new=st.booleans())
def test_any_customer_comes_back(customer: str, is_new: bool) -> None:
    found = parse_name(f"{customer}_2026_{str(is_new).lower()}_2026-01-01_false_Budget_v1.csv")
    assert (found.customer, found.is_new) == (customer, is_new)


END = (
    "A name reads Customer_2026_true_2026-01-01_false_Budget_v1.csv; the same values can be given as flags instead, "
    "such as --year 2026 --new."
)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("budget.csv", "it has 1 of 7 parts, which stand between _"),
        ("Acme_2026_true_2026-01-01_false_Budget_v1.txt", "it does not end in .csv or .xlsx"),
        (
            "Acme_2026_true_2026-01-01_false_Budget_v1.xlsm",
            "it is a workbook of another kind; save it as .xlsx or as CSV UTF-8",
        ),
        (
            "_2026_true_2026-01-01_false_Budget_v1.csv",
            "customer is '', which needs a name, without blanks around it",
        ),
        ("Acme_26_true_2026-01-01_false_Budget_v1.csv", "year is '26'; write a year from 2001 to 2198"),
        ("Acme_２０２６_true_2026-01-01_false_Budget_v1.csv", "year is '２０２６'; write a year from 2001 to 2198"),
        ("Acme_2026_yes_2026-01-01_false_Budget_v1.csv", "isNew is 'yes'; write true or false"),
        (
            "Acme_2026_true_2026-1-1_false_Budget_v1.csv",
            "start date is '2026-1-1'; write a day as YYYY-MM-DD, such as 2026-01-01",
        ),
        (
            "Acme_2026_true_2026-02-30_false_Budget_v1.csv",
            "start date is '2026-02-30'; write a day as YYYY-MM-DD, such as 2026-01-01",
        ),
        ("Acme_2026_true_2026-01-01_0_Budget_v1.csv", "isOverride is '0'; write true or false"),
        (
            "Acme_2026_true_2026-01-01_false__v1.csv",
            "option is '', which needs a name, without blanks around it",
        ),
        ("Acme_2026_true_2026-01-01_false_Budget_final.csv", "version is 'final'; write v and a number, such as v1"),
        (
            "Acme_26_yes_2026-01-01_false_Budget_1.csv",
            "year is '26'; write a year from 2001 to 2198; isNew is 'yes'; write true or false; "
            "version is '1'; write v and a number, such as v1",
        ),
    ],
)
def test_each_wrong_part_of_a_name_is_named_with_what_would_be_right(name: str, problem: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_name(name)
    assert refused.value.message == f"The file name {name!r} does not say how to load the file: {problem}. {END}"
    assert refused.value.code == "WrongFileName"


def test_a_name_that_is_too_long_is_shown_in_part() -> None:
    with pytest.raises(BadInput, match="it has more than 255 characters") as refused:
        parse_name("A" * 10_000 + "_2026_true_2026-01-01_false_Budget_v1.csv")
    assert len(refused.value.message) < 600


def test_a_first_load_takes_effect_on_the_first_day_of_the_year_whatever_day_of_it_is_given() -> None:
    assert check_terms(terms(start="2026-05-17"), JANUARY) == date(2026, 1, 1)
    assert check_terms(terms(start="2026-01-01"), JULY) == date(2025, 7, 1)


def test_a_change_takes_effect_on_its_start_date() -> None:
    assert check_terms(terms(is_new=False, start="2026-05-01"), JANUARY) == date(2026, 5, 1)


def test_a_change_starts_on_the_first_of_a_month() -> None:
    with pytest.raises(BadInput) as refused:
        check_terms(terms(is_new=False, start="2026-05-17"), JANUARY)
    assert refused.value.message == (
        "The start date 2026-05-17 is not the 1st of a month: a change takes effect on 2026-05-01 or 2026-06-01, "
        "for instance."
    )
    assert refused.value.code == "NotFirstOfMonth"


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(
    ("calendar", "start", "months"),
    [
        (JANUARY, "2025-12-31", "2026-01-01 to 2026-12-31"),
        (JANUARY, "2027-01-01", "2026-01-01 to 2026-12-31"),
        (JULY, "2026-07-01", "2025-07-01 to 2026-06-30"),
    ],
)
def test_a_start_date_outside_the_year_is_refused(
    calendar: FiscalCalendar, start: str, months: str, is_new: bool
) -> None:
    with pytest.raises(BadInput) as refused:
        check_terms(terms(start=start, is_new=is_new), calendar)
    assert refused.value.message == (
        f"The start date {start} is not in fiscal year 2026, which runs from {months}: correct the date or the year."
    )
    assert refused.value.code == "YearMismatch"


def test_flags_are_checked_like_a_name() -> None:
    with pytest.raises(BadInput) as refused:
        check_terms(terms(customer="", start="soon"), JANUARY)
    assert refused.value.message == (
        "The file cannot be loaded like that: customer is '', which needs a name, without blanks around it; "
        "start date is 'soon'; write a day as YYYY-MM-DD, such as 2026-01-01."
    )
    assert refused.value.code == "WrongTerms"


def test_the_last_day_of_the_year_is_of_it() -> None:
    assert check_terms(terms(start="2026-12-31"), JANUARY) == date(2026, 1, 1)
    assert check_terms(terms(start="2026-06-30"), JULY) == date(2025, 7, 1)


def test_each_flag_is_named_where_it_is_wrong() -> None:
    with pytest.raises(BadInput, match="like that: option is '', which needs a name"):
        check_terms(terms().model_copy(update={"option": ""}), JANUARY)
    with pytest.raises(BadInput, match="like that: version is '1'; write v and a number"):
        check_terms(terms().model_copy(update={"file_version": "1"}), JANUARY)


def test_the_first_and_the_last_year_of_all_calendars_are_years() -> None:
    for year in (2001, 2198):
        assert parse_name(f"Acme_{year}_true_{year}-01-01_false_Budget_v1.csv").fiscal_year == year
    for year in (2000, 2199):
        with pytest.raises(BadInput, match=f"year is '{year}'; write a year from 2001 to 2198"):
            parse_name(f"Acme_{year}_true_{year}-01-01_false_Budget_v1.csv")
