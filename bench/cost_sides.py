"""The two sides of each measurement of `bench.cost`, each in a process of its own: `python -m bench.cost_sides …`.

    ours <source> <database url> <lines>       the import, from files to visible rollup
    duckdb-parquet <folder>                    DuckDB's bare aggregation of the same columns to the same grains
    polars-parquet, pandas-parquet, pyarrow-parquet <folder>     cost by account, service, type and day: one grain
    duckdb-csv, polars-csv <folder>            read and added up to the grains of the import

Prints seconds, processor seconds and peak memory as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY_MB = 200
"""The default of ALLOT_COST_MEMORY_MB."""
KIB_PER_MB = 1_000_000 / 1024

_ACCOUNT, _SERVICE, _TYPE = "line_item_usage_account_id", "line_item_product_code", "line_item_line_item_type"
_START, _COST = "line_item_usage_start_date", "line_item_unblended_cost"
_MONEY = "DECIMAL(38, 12)"
_AMORTIZED = f"""CASE {_TYPE}
    WHEN 'SavingsPlanCoveredUsage' THEN savings_plan_savings_plan_effective_cost
    WHEN 'SavingsPlanRecurringFee' THEN savings_plan_total_commitment_to_date - savings_plan_used_commitment
    WHEN 'SavingsPlanNegation' THEN 0
    WHEN 'DiscountedUsage' THEN reservation_effective_cost
    WHEN 'RIFee' THEN reservation_unused_amortized_upfront_fee_for_billing_period + reservation_unused_recurring_fee
    ELSE {_COST} END"""
# DuckDB adds up an expression once, however often it is asked for; a report without discounts has two metrics alone.
_METRICS = f"sum({_COST}::{_MONEY}) AS unblended, sum(({_AMORTIZED})::{_MONEY}) AS amortized"
_DETAIL = f"""
    CREATE TEMP TABLE detail AS SELECT
        {_ACCOUNT}, {_SERVICE}, {_TYPE}, line_item_resource_id, line_item_usage_type, line_item_operation,
        {_START}::DATE AS day, {_METRICS}, unblended AS net_unblended, amortized AS net_amortized
    FROM {{lines}} GROUP BY ALL
"""  # noqa: S608 - ours
_ROWS = f"""
    CREATE TEMP TABLE account_rows AS SELECT {_ACCOUNT}, {_SERVICE}, {_TYPE}, day,
        sum(unblended), sum(amortized), sum(net_unblended), sum(net_amortized)
    FROM detail GROUP BY ALL
"""  # noqa: S608 - ours
_RESOURCES = f"""
    CREATE TEMP TABLE resources AS SELECT {_ACCOUNT}, line_item_resource_id, {_SERVICE}, resource_tags_user_team,
        max({_START})
    FROM {{lines}} GROUP BY ALL
"""  # noqa: S608 - ours


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
    return _duckdb(f"read_parquet('{folder}/*.parquet', hive_partitioning = false)")


def duckdb_csv(folder: str) -> dict[str, float]:
    import duckdb  # noqa: PLC0415 - the same for the other sides

    query = f"""
        CREATE TEMP TABLE detail AS SELECT
            "lineItem/UsageAccountId" AS a, "lineItem/ProductCode" AS s, "lineItem/LineItemType" AS t,
            "lineItem/ResourceId", "lineItem/UsageType", "lineItem/Operation",
            CAST(left("lineItem/UsageStartDate", 10) AS DATE) AS day,
            sum(CAST("lineItem/UnblendedCost" AS {_MONEY})) AS cost
        FROM read_csv('{folder}/*.csv.gz', all_varchar = true) GROUP BY ALL
    """  # noqa: S608 - ours
    connection = duckdb.connect()  # a reader of packed CSV needs more memory than we let it have

    def work() -> None:
        connection.execute(query)
        connection.execute("CREATE TEMP TABLE account_rows AS SELECT a, s, t, day, sum(cost) FROM detail GROUP BY ALL")

    return _measured(_timed(work))


def polars_csv(folder: str) -> dict[str, float]:
    import polars as pl  # noqa: PLC0415

    names = "UsageAccountId ProductCode LineItemType ResourceId UsageType Operation".split()
    keys = [f"lineItem/{name}" for name in names]
    day = pl.col("lineItem/UsageStartDate").str.head(10).alias("day")
    cost = pl.col("lineItem/UnblendedCost").cast(pl.Float64)

    def work() -> None:
        lines = pl.scan_csv(sorted(Path(folder).glob("*.csv.gz")), infer_schema=False)
        detail = lines.group_by(*keys, day).agg(cost.sum().alias("cost")).collect(engine="streaming")
        detail.group_by(*keys[:3], "day").agg(pl.col("cost").sum())

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


def _duckdb(lines: str) -> dict[str, float]:
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect(config=_config())

    def work() -> None:
        for query in (_DETAIL, _ROWS, _RESOURCES):
            connection.execute(query.format(lines=lines))

    return _measured(_timed(work))


def _config() -> dict[str, Any]:
    return {"memory_limit": f"{MEMORY_MB}MB", "preserve_insertion_order": False, "temp_directory": tempfile.mkdtemp()}


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _measured(seconds: float) -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / KIB_PER_MB}


SIDES: dict[str, Callable[..., dict[str, float]]] = {
    "ours": ours,
    "duckdb-parquet": duckdb_parquet,
    "polars-parquet": polars_parquet,
    "pyarrow-parquet": pyarrow_parquet,
    "pandas-parquet": pandas_parquet,
    "duckdb-csv": duckdb_csv,
    "polars-csv": polars_csv,
}

if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    print(json.dumps(SIDES[side](*arguments)))
