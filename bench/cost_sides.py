"""The two sides of each measurement of `bench.cost`, each in a process of its own: `python -m bench.cost_sides …`.

    ours <source> <database url> <lines>       the import, from files to visible rollup
    duckdb-parquet, duckdb-csv, polars-csv <folder>
        bare aggregation of the columns that the import asks for, to its four grains: detail, account rows, resources,
        control totals
    duckdb-csv-read, polars-csv-read <folder>
        reading of all columns, into memory
    polars-parquet, pandas-parquet, pyarrow-parquet, polars-csv-one <folder>
        one metric to one grain: cost by account, service, type and day

Prints seconds, processor seconds and peak memory as JSON.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MEMORY_MB = 200
"""The default of ALLOT_COST_MEMORY_MB."""
KIB_PER_MB = 1_000_000 / 1024

_MONEY = "DECIMAL(38, 12)"
_ACCOUNT, _SERVICE, _TYPE = "line_item_usage_account_id", "line_item_product_code", "line_item_line_item_type"
_START, _COST = "line_item_usage_start_date", "line_item_unblended_cost"
_AMORTIZED = f"""CASE
    WHEN {_TYPE} = 'SavingsPlanCoveredUsage' THEN savings_plan_savings_plan_effective_cost
    WHEN {_TYPE} = 'SavingsPlanRecurringFee' THEN savings_plan_total_commitment_to_date - savings_plan_used_commitment
    WHEN {_TYPE} IN ('SavingsPlanNegation', 'SavingsPlanUpfrontFee') THEN 0
    WHEN {_TYPE} = 'DiscountedUsage' THEN reservation_effective_cost
    WHEN {_TYPE} = 'RIFee' THEN {{ri_fee}}
    WHEN {_TYPE} = 'Fee' AND reservation_reservation_a_r_n <> '' THEN 0
    WHEN {_TYPE} = 'Refund' AND {_SERVICE} = 'ComputeSavingsPlans'
        AND line_item_line_item_description LIKE 'Refund for one-time fee for Savings Plan ID%' THEN 0
    ELSE {_COST} END"""
_RI_FEE = "reservation_unused_amortized_upfront_fee_for_billing_period + reservation_unused_recurring_fee"
# DuckDB adds up an expression once, however often it is asked for; a report without discounts has two metrics alone.
_METRICS = (
    f"sum({_COST}::{_MONEY}) AS unblended, sum(({_AMORTIZED})::{_MONEY}) AS amortized, "
    "unblended AS net_unblended, amortized AS net_amortized"
)
_DETAIL = f"""
    CREATE TEMP TABLE detail AS SELECT
        {_ACCOUNT}, {_SERVICE}, {_TYPE}, bill_billing_entity, line_item_resource_id, line_item_usage_type,
        line_item_operation, {_START}::DATE AS day, {_METRICS}
    FROM {{lines}} GROUP BY ALL
"""  # noqa: S608 - ours
_ROWS = f"""
    CREATE TEMP TABLE account_rows AS SELECT {_ACCOUNT}, {_SERVICE}, {_TYPE}, day,
        sum(unblended), sum(amortized), sum(net_unblended), sum(net_amortized)
    FROM detail GROUP BY ALL
"""  # noqa: S608 - ours
_RESOURCES = f"""
    CREATE TEMP TABLE resources AS SELECT {_ACCOUNT}, line_item_resource_id, {{tags}}, max({_START})
    FROM {{lines}} GROUP BY ALL
"""  # noqa: S608 - ours
_CONTROL = f"""
    CREATE TEMP TABLE control AS SELECT
        {_SERVICE}, {_TYPE}, bill_payer_account_id, line_item_currency_code, bill_billing_entity, bill_bill_type,
        bill_invoice_id, line_item_operation, {_METRICS}, count(*) AS lines
    FROM {{lines}} GROUP BY ALL
"""  # noqa: S608 - ours
_GRAINS = (_DETAIL, _ROWS, _RESOURCES, _CONTROL)
_CSV_COLUMNS = """
    bill/InvoiceId bill/BillingEntity bill/BillType bill/PayerAccountId lineItem/UsageAccountId lineItem/LineItemType
    lineItem/UsageStartDate lineItem/ProductCode lineItem/UsageType lineItem/Operation lineItem/ResourceId
    lineItem/CurrencyCode lineItem/UnblendedCost lineItem/LineItemDescription reservation/ReservationARN
    reservation/EffectiveCost savingsPlan/SavingsPlanEffectiveCost savingsPlan/TotalCommitmentToDate
    savingsPlan/UsedCommitment resourceTags/user:team resourceTags/user:environment resourceTags/user:product
""".split()
"""Those of the bench's report in CSV that the import asks for, beside the ids of lines."""


def ours(source: str, database_url: str, lines: str) -> dict[str, float]:
    from activities.cost_delivery import find_deliveries  # noqa: PLC0415 - the peers' processes stay free of it
    from activities.cost_import import CostImport, unheard  # noqa: PLC0415
    from activities.cost_keeping import Keeping  # noqa: PLC0415
    from activities.cost_mart import CostMart  # noqa: PLC0415
    from activities.cost_store import CostStore  # noqa: PLC0415
    from domain.decision import Channel, Organization  # noqa: PLC0415
    from domain.process import CostSource  # noqa: PLC0415
    from ledger.ledger import Ledger  # noqa: PLC0415
    from ledger.migrate import migrate  # noqa: PLC0415
    from rights.cedar import CedarRights  # noqa: PLC0415
    from views.projector import Projector  # noqa: PLC0415

    migrate(database_url)
    with (
        tempfile.TemporaryDirectory() as mart,
        Ledger(database_url, Organization(), rights=CedarRights(), pool_size=2) as ledger,
    ):
        keeping = Keeping(CostMart(mart))
        imports = CostImport(ledger, CostStore(database_url), Organization(), MEMORY_MB, keeping=keeping)
        projector = Projector(ledger, database_url, Organization())
        wanted = CostSource(source=source, actor="system", channel=Channel.WORKFLOW)

        def work() -> None:
            (delivery,) = find_deliveries(wanted, unheard).deliveries
            result = imports.import_report(delivery)
            if (result.status, result.lines) != ("imported", int(lines)):
                raise SystemExit(f"the import went wrong: {result}")

        seconds = _timed(work)
        views = _timed(projector.catch_up)
    return _measured(seconds + views) | {"import": seconds, "views": views}


def duckdb_parquet(folder: str) -> dict[str, float]:
    lines = f"read_parquet('{folder}/*.parquet', hive_partitioning = false)"
    queries = [query.format(lines=lines, tags="resource_tags_user_team", ri_fee=_RI_FEE) for query in _GRAINS]
    return _duckdb(queries, _config())


def duckdb_csv(folder: str) -> dict[str, float]:
    """Reads the files once, into memory, with the types that it finds out itself."""
    names = ", ".join(f'"{name}" AS {_plain(name)}' for name in _CSV_COLUMNS)
    numbers = [name for name in _CSV_COLUMNS if name.endswith(("Cost", "Commitment", "ToDate"))]
    types = ", ".join(f"'{name}': 'DOUBLE'" for name in numbers)  # some are empty throughout
    read = f"CREATE TEMP TABLE lines AS SELECT {names} FROM read_csv('{folder}/*.csv.gz', types = {{{types}}})"  # noqa: S608
    tags = "resource_tags_user_team, resource_tags_user_environment, resource_tags_user_product"
    # The report has no columns of unused reservations.
    queries = [query.format(lines="lines", tags=tags, ri_fee=_COST) for query in _GRAINS]
    return _duckdb([read, *queries], {})  # it needs more memory than we let ours have


def polars_csv(folder: str) -> dict[str, float]:
    """In floating point, which is what polars is fast in."""
    import polars as pl  # noqa: PLC0415

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Float64)

    cost, kind = number(_COST), pl.col(_TYPE)
    commitment = number("savings_plan_total_commitment_to_date") - number("savings_plan_used_commitment")
    refund = pl.col("line_item_line_item_description").str.starts_with("Refund for one-time fee for Savings Plan ID")
    amortized = (
        pl.when(kind == "SavingsPlanCoveredUsage")
        .then(number("savings_plan_savings_plan_effective_cost"))
        .when(kind == "SavingsPlanRecurringFee")
        .then(commitment)
        .when(kind.is_in(["SavingsPlanNegation", "SavingsPlanUpfrontFee"]))
        .then(0.0)
        .when(kind == "DiscountedUsage")
        .then(number("reservation_effective_cost"))
        .when((kind == "Fee") & (pl.col("reservation_reservation_a_r_n") != ""))
        .then(0.0)
        .when((kind == "Refund") & (pl.col(_SERVICE) == "ComputeSavingsPlans") & refund)
        .then(0.0)
        .otherwise(cost)
    )
    metrics = [cost.sum().alias("unblended"), amortized.sum().alias("amortized")]
    day = pl.col(_START).str.head(10).alias("day")
    account_type = [_ACCOUNT, _SERVICE, _TYPE]
    keys = [*account_type, "bill_billing_entity", "line_item_resource_id", "line_item_usage_type"]
    bill = [_SERVICE, _TYPE, "bill_payer_account_id", "line_item_currency_code", "bill_billing_entity"]
    bill += ["bill_bill_type", "bill_invoice_id", "line_item_operation"]
    tags = [_plain(name) for name in _CSV_COLUMNS if name.startswith("resourceTags/")]

    def work() -> None:
        read = pl.scan_csv(sorted(Path(folder).glob("*.csv.gz")), infer_schema=False)
        lines = read.select(pl.col(name).alias(_plain(name)) for name in _CSV_COLUMNS)
        grains = [
            lines.group_by(*keys, "line_item_operation", day).agg(metrics),
            lines.group_by(_ACCOUNT, "line_item_resource_id", *tags).agg(pl.col(_START).max()),
            lines.group_by(*bill).agg(*metrics, pl.len()),
        ]
        detail, *_ = pl.collect_all(grains, engine="streaming")  # reads the files once
        detail.group_by(*account_type, "day").agg(pl.col("unblended").sum(), pl.col("amortized").sum())

    return _measured(_timed(work))


def duckdb_csv_read(folder: str) -> dict[str, float]:
    """All columns, into memory, with the types that it finds out."""
    return _duckdb([f"CREATE TEMP TABLE lines AS FROM read_csv('{folder}/*.csv.gz')"], {})


def polars_csv_read(folder: str) -> dict[str, float]:
    """The same."""
    import polars as pl  # noqa: PLC0415

    return _measured(_timed(lambda: pl.scan_csv(sorted(Path(folder).glob("*.csv.gz"))).collect()))


def polars_csv_one(folder: str) -> dict[str, float]:
    """One grain and one metric: what polars needs for the least that one may ask of such files."""
    import polars as pl  # noqa: PLC0415

    keys = [f"lineItem/{name}" for name in ("UsageAccountId", "ProductCode", "LineItemType")]
    day = pl.col("lineItem/UsageStartDate").str.head(10).alias("day")

    def work() -> None:
        lines = pl.scan_csv(sorted(Path(folder).glob("*.csv.gz")), infer_schema=False)
        cost = pl.col("lineItem/UnblendedCost").cast(pl.Float64).sum()
        lines.group_by(*keys, day).agg(cost).collect(engine="streaming")

    return _measured(_timed(work))


def polars_parquet(folder: str) -> dict[str, float]:
    import polars as pl  # noqa: PLC0415

    def work() -> None:
        day = pl.col(_START).dt.date().alias("day")
        lines = pl.scan_parquet(f"{folder}/*.parquet", hive_partitioning=False)
        lines.group_by(_ACCOUNT, _SERVICE, _TYPE, day).agg(pl.col(_COST).sum()).collect(engine="streaming")

    return _measured(_timed(work))


def pyarrow_parquet(folder: str) -> dict[str, float]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.dataset as ds  # noqa: PLC0415

    def work() -> None:
        lines = ds.dataset(folder, format="parquet", exclude_invalid_files=True)
        table = lines.to_table(columns=[_ACCOUNT, _SERVICE, _TYPE, _START, _COST])
        table = table.append_column("day", pc.cast(table[_START], pa.date32(), safe=False))
        table.group_by([_ACCOUNT, _SERVICE, _TYPE, "day"]).aggregate([(_COST, "sum")])

    return _measured(_timed(work))


def pandas_parquet(folder: str) -> dict[str, float]:
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415

    def work() -> None:
        files = sorted(Path(folder).glob("*.parquet"))
        columns = [_ACCOUNT, _SERVICE, _TYPE, _START, _COST]
        lines = pd.concat([pd.read_parquet(file, columns=columns) for file in files], ignore_index=True)
        lines["day"] = lines[_START].dt.date
        lines.groupby([_ACCOUNT, _SERVICE, _TYPE, "day"], sort=False)[_COST].sum()

    return _measured(_timed(work))


def _duckdb(queries: Sequence[str], config: dict[str, Any]) -> dict[str, float]:
    import duckdb  # noqa: PLC0415 - the same for the other sides

    connection = duckdb.connect(config=config)

    def work() -> None:
        for query in queries:
            connection.execute(query)

    return _measured(_timed(work))


def _plain(name: str) -> str:
    """A column of legacy CSV as it is called in Parquet."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[/:]", "_", name).lower()
    return words.replace("reservation_arn", "reservation_a_r_n").replace("resourcetags", "resource_tags")


def _config() -> dict[str, Any]:
    return {"memory_limit": f"{MEMORY_MB}MB", "preserve_insertion_order": False, "temp_directory": tempfile.mkdtemp()}


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _measured(seconds: float) -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # Its own peak is no answer: Linux counts the process in it that started this one, from before it became another.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.partition("VmHWM:")[2].split(maxsplit=1)[0])
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": peak_kib / KIB_PER_MB}


SIDES: dict[str, Callable[..., dict[str, float]]] = {
    "ours": ours,
    "duckdb-parquet": duckdb_parquet,
    "polars-parquet": polars_parquet,
    "pyarrow-parquet": pyarrow_parquet,
    "pandas-parquet": pandas_parquet,
    "duckdb-csv": duckdb_csv,
    "polars-csv": polars_csv,
    "duckdb-csv-read": duckdb_csv_read,
    "polars-csv-read": polars_csv_read,
    "polars-csv-one": polars_csv_one,
}

if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    print(json.dumps(SIDES[side](*arguments)))
