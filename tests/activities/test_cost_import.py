from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from boto3.session import Session

from activities.cost_aggregate import aggregated
from activities.cost_import import CostImport, unheard
from activities.cost_lines import Part
from activities.cost_store import CostStore, ensure_partition
from domain.calendar import Month
from domain.cost import CostPeriod, PeriodImported, period_stream
from domain.decision import Channel, Organization, Origin
from domain.errors import Contention, DamagedReport, Unavailable
from domain.money import total
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.importing import MAY, MEMORY_MB, Here
from tests.support.cost_reports import SAMPLE, MadeReport, line

UNTOUCHED = "Nothing was imported, and what was there is untouched."


@pytest.fixture
def settled(here: Here, tmp_path: Path) -> tuple[Any, ...]:
    """A version of May is in force; whatever comes next must leave it alone."""
    MadeReport(version="in-force").write(tmp_path / "first")
    assert here.run(tmp_path / "first").status == "imported"
    return here.situation()


def test_the_sample_months_are_stored_and_recorded_to_the_last_digit(here: Here) -> None:
    results = [here.run(SAMPLE, Month(2026, month)) for month in (5, 6, 7)]
    assert [result.status for result in results] == ["imported"] * 3
    assert [result.lines for result in results] == [26_784, 25_920, 0]
    assert [result.rows for result in results] == [868, 840, 0]
    assert results[0].totals == {"SavingsPlanCoveredUsage": "4315.2", "Usage": "16679.599999776"}
    assert results[2].message == "Imported 2026-07: 0 lines, USD 0."
    sums = here.query("SELECT billing_period, sum(unblended), count(*) FROM cost_rows GROUP BY 1 ORDER BY 1")
    assert [(str(day), cost, rows) for day, cost, rows in sums] == [
        ("2026-05-01", Decimal("20994.799999776"), 868),
        ("2026-06-01", Decimal("20317.499999856"), 840),
    ]
    ((fact,),) = [[event.fact for event in here.ledger.read(period_stream(MAY))]]
    assert isinstance(fact, PeriodImported)
    assert total(list(fact.totals.values())) == Decimal("20994.799999776")
    assert fact.source == "finops-cur"


def test_a_report_is_imported_from_a_replica_bucket(here: Here, aws_endpoint: str) -> None:
    client = Session().client("s3")
    client.create_bucket(Bucket="replica")
    for path in SAMPLE.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "replica", f"other/prefix/{path.relative_to(SAMPLE)}")
    result = here.run("s3://replica/other", Month(2026, 6))
    assert (result.status, result.lines) == ("imported", 25_920)
    assert result.totals == {"SavingsPlanCoveredUsage": "4176", "Usage": "16141.499999856"}


def test_the_layout_that_is_overwritten_and_text_that_copy_could_misread(here: Here, tmp_path: Path) -> None:
    services = ["NULL", "\\N", "\\.", 'a"b', "a,b", "ünï"]
    MadeReport([[line("1", ProductCode=service) for service in services]], overwrite=True).write(tmp_path)
    assert here.run(tmp_path).status == "imported"
    assert {service for (service,) in here.query("SELECT service FROM cost_rows")} == set(services)


def test_the_same_version_twice_changes_nothing(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    for part in (tmp_path / "first").rglob("*.gz"):
        part.unlink()  # not even looked at
    result = here.run(tmp_path / "first")
    assert (result.status, result.message) == ("unchanged", "Version in-force was imported already; nothing changed.")
    assert here.situation() == settled


def test_a_later_version_takes_the_place_of_the_earlier_one(
    here: Here, settled: tuple[Any, ...], tmp_path: Path
) -> None:
    MadeReport([[line("2.25")]], version="restated").write(tmp_path / "second")
    assert here.run(tmp_path / "second").totals == {"Usage": "2.25"}
    period: CostPeriod = here.ledger.states([period_stream(MAY)])[period_stream(MAY)]
    assert (period.report_version, period.imported) == ("restated", ("in-force", "restated"))


def test_an_import_that_broke_off_before_its_event_is_done_again_whole(here: Here, tmp_path: Path) -> None:
    MadeReport([[line("1"), line("2", LineItemType="Tax")]]).write(tmp_path)
    delivery = here.delivery(tmp_path)
    (part,) = tmp_path.rglob("*.gz")
    with (
        aggregated([Part("p", part)], tmp_path, MEMORY_MB, unheard) as aggregate,
        here.store.hold(delivery.report) as held,
    ):
        held.replace(aggregate.lines(), 2, unheard)  # and here the worker is killed
    assert here.run(tmp_path).status == "imported"
    assert here.query("SELECT count(*), sum(unblended) FROM cost_rows") == [(2, Decimal(3))]


def test_the_same_delivery_many_times_at_once_is_imported_once(here: Here, tmp_path: Path) -> None:
    MadeReport([[line(str(n)) for n in range(1, 51)]]).write(tmp_path)
    delivery = here.delivery(tmp_path)

    def attempt(_: int) -> str:
        try:
            return here.imports.import_report(delivery).status
        except Contention:  # the workflow tries again
            return "later"

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(attempt, range(8)))
    assert statuses.count("imported") == 1
    assert set(statuses) <= {"imported", "unchanged", "later"}
    assert here.query("SELECT count(*), sum(unblended) FROM cost_rows") == [(1, Decimal(1275))]
    assert len(here.ledger.read(period_stream(MAY))) == 1


def test_partitions_are_made_by_any_number_of_importers_at_once(here: Here) -> None:
    months = [Month(2026, month) for month in range(1, 7)] * 3

    def make(month: Month) -> None:
        with psycopg.connect(here.url, autocommit=True) as connection:
            ensure_partition(connection, month)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, months))
    assert here.query("SELECT count(*) FROM pg_inherits WHERE inhparent = 'cost_rows'::regclass") == [(6,)]


def test_a_partition_is_made_while_others_read(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    MadeReport(period="20260601-20260701").write(tmp_path / "june")
    with psycopg.connect(here.url) as reader:
        reader.execute("SELECT * FROM cost_rows")  # a transaction that stays open
        assert here.run(tmp_path / "june", Month(2026, 6)).status == "imported"


def fails(here: Here, source: Path, message: str, code: str) -> None:
    with pytest.raises(DamagedReport) as caught:
        here.run(source)
    assert (caught.value.message, caught.value.code) == (message, code)


def test_a_missing_part(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    made = MadeReport([[line()], [line()]])
    manifest = made.write(tmp_path / "next")
    missing = tmp_path / "next" / made.keys[1]
    missing.unlink()
    fails(
        here,
        tmp_path / "next",
        f"The manifest {manifest} names a part which is not there, or not whole: "
        f"'cur/made/20260501-20260601/assembly-1/made-00002.csv.gz' (as {missing}). {UNTOUCHED}",
        "MissingPart",
    )
    assert here.situation() == settled


def test_a_truncated_part(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    made = MadeReport([[line(str(n)) for n in range(1000)]])
    made.write(tmp_path / "next")
    part = tmp_path / "next" / made.keys[0]
    part.write_bytes(part.read_bytes()[:-5])
    fails(
        here,
        tmp_path / "next",
        f"The part {made.keys[0]} is truncated: its gzip stream has no end. {UNTOUCHED}",
        "BadPart",
    )
    assert here.situation() == settled


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"UnblendedCost": "1e26"}, "is '1e26', which has more than 26 digits before the point"),
        ({"UnblendedCost": "twelve"}, "is 'twelve', which is not a number"),
    ],
)
def test_a_cost_that_is_no_exact_number(
    here: Here, settled: tuple[Any, ...], tmp_path: Path, changes: dict[str, str], complaint: str
) -> None:
    made = MadeReport([[line(), line(**changes)]])
    made.write(tmp_path / "next")
    fails(
        here,
        tmp_path / "next",
        f"The part {made.keys[0]} cannot be imported: lineItem/UnblendedCost of line item 'line-1' {complaint}. "
        f"{UNTOUCHED}",
        "BadLine",
    )
    assert here.situation() == settled


def test_a_missing_column_in_manifest_or_part(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    made = MadeReport()
    manifest = made.write(tmp_path / "next")
    part = tmp_path / "next" / made.keys[0]
    part.write_bytes(gzip.compress(b"identity/LineItemId\nline-1\n"))
    fails(
        here,
        tmp_path / "next",
        f"The part {made.keys[0]} cannot be imported: there is no column lineItem/UsageAccountId. {UNTOUCHED}",
        "BadPart",
    )
    columns = [column for column in made.fields()["columns"] if column["name"] != "UnblendedCost"]
    manifest.write_text(json.dumps(made.fields() | {"columns": columns}))
    fails(
        here,
        tmp_path / "next",
        f"The manifest {manifest} cannot be used: there is no column lineItem/UnblendedCost. {UNTOUCHED}",
        "BadManifest",
    )
    assert here.situation() == settled


def test_a_manifest_that_is_not_json(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    manifest = MadeReport().write(tmp_path / "next")
    delivery = here.delivery(tmp_path / "next")
    manifest.write_text("{")
    with pytest.raises(DamagedReport) as caught:
        here.imports.import_report(delivery)
    assert caught.value.message == f"The manifest {manifest} cannot be used: it is not JSON. {UNTOUCHED}"
    assert here.situation() == settled


def test_a_delivery_that_was_replaced_meanwhile(here: Here, settled: tuple[Any, ...], tmp_path: Path) -> None:
    manifest = MadeReport(version="old").write(tmp_path / "next")
    delivery = here.delivery(tmp_path / "next")
    MadeReport(version="new").write(tmp_path / "next")
    with pytest.raises(DamagedReport) as caught:
        here.imports.import_report(delivery)
    assert caught.value.message == (
        f"The manifest {manifest} now names version new and not old, which was to be imported: "
        f"look for deliveries again. {UNTOUCHED}"
    )
    assert caught.value.code == "Superseded"
    assert here.situation() == settled


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {"CurrencyCode": "EUR"},
            "OtherCurrency",
            "The report is in EUR, but budgets are in USD: import a report in USD.",
        ),
        (
            {"PayerAccountId": "111111111111"},
            "OtherPayer",
            "The report is of payer 111111111111, but this organization is paid by 999999999999: "
            "check the source, or set ALLOT_PAYER_ACCOUNT_ID.",
        ),
    ],
)
def test_a_report_that_is_not_ours_is_refused_before_anything_is_stored(
    here: Here,
    settled: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    code: str,
    message: str,
) -> None:
    ours = Organization(payer_account_id="999999999999")
    monkeypatch.setattr(here.ledger._decider, "_organization", ours)
    imports = CostImport(here.ledger, CostStore("postgresql://localhost:9/none"), ours, MEMORY_MB)
    MadeReport([[line(), line(**changes)]]).write(tmp_path / "next")
    result = imports.import_report(here.delivery(tmp_path / "next"), Origin(workflow_run_id="run-1"))
    assert (result.status, result.error, result.code, result.message) == ("refused", "Refusal", code, message)
    assert here.situation() == settled
    (refusal,) = here.refusals()
    assert (refusal.command, refusal.code, refusal.subject) == ("cost.ImportPeriod", code, "cost/2026-05")


def test_a_report_that_was_refused_can_be_imported_once_the_setting_is_right(here: Here, tmp_path: Path) -> None:
    MadeReport([[line(CurrencyCode="EUR")]]).write(tmp_path)
    assert here.run(tmp_path).status == "refused"
    euro = Organization(currency="EUR")
    with Ledger(here.url, euro, rights=CedarRights(), pool_size=2) as ledger:
        imports = CostImport(ledger, here.store, euro, MEMORY_MB)
        assert imports.import_report(here.delivery(tmp_path), Origin(workflow_run_id="run-2")).status == "imported"


def test_somebody_who_may_not_import_leaves_no_rows_behind(
    here: Here, settled: tuple[Any, ...], tmp_path: Path
) -> None:
    here.ledger.people.ensure("product@example.com", "P")
    MadeReport().write(tmp_path / "next")
    result = here.run(tmp_path / "next", actor="product@example.com", channel=Channel.CLI)
    assert (result.status, result.error) == ("refused", "Forbidden")
    assert here.situation() == settled


def test_rows_that_do_not_add_up_to_the_report_are_never_in_force(
    here: Here, settled: tuple[Any, ...], tmp_path: Path
) -> None:
    with psycopg.connect(here.url) as connection:  # the fault: the last digit of one row
        connection.execute("""
            CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.unblended := NEW.unblended + 0.000000000000000001; RETURN NEW; END $$;
            CREATE TRIGGER spoil BEFORE INSERT ON cost_rows FOR EACH ROW
            WHEN (NEW.charge_type = 'Tax') EXECUTE FUNCTION spoil()
        """)
    MadeReport([[line("1"), line("2", LineItemType="Tax")]]).write(tmp_path / "next")
    fails(
        here,
        tmp_path / "next",
        "The stored rows of 2026-05 do not add up to the report: Tax 2.000000000000000001, Usage 1 against "
        "Tax 2, Usage 1. Nothing was imported.",
        "NotReconciled",
    )
    assert here.situation() == settled


def test_a_row_that_was_lost_is_missed_though_it_cost_nothing(
    here: Here, settled: tuple[Any, ...], tmp_path: Path
) -> None:
    with psycopg.connect(here.url) as connection:
        connection.execute("""
            CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER lose BEFORE INSERT ON cost_rows FOR EACH ROW
            WHEN (NEW.unblended = 0) EXECUTE FUNCTION lose()
        """)
    MadeReport([[line("1"), line("0", ProductCode="AmazonS3")]]).write(tmp_path / "next")
    fails(here, tmp_path / "next", f"PostgreSQL has kept 1 of 2 rows. {UNTOUCHED}", "NotReconciled")
    assert here.situation() == settled


def test_a_database_that_does_not_answer(here: Here, tmp_path: Path) -> None:
    MadeReport().write(tmp_path)
    imports = CostImport(here.ledger, CostStore("postgresql://127.0.0.1:9/none"), Organization(), MEMORY_MB)
    with pytest.raises(Unavailable, match="The rows of 2026-05 could not be stored"):
        imports.import_report(here.delivery(tmp_path))
    assert here.ledger.read(period_stream(MAY)) == []
