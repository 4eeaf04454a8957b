"""Writes a cost report in Parquet of any size, the same values each time: `python -m bench.generate_parquet 10000000`.

It looks like a large bill where it matters for speed: 34 columns of which two thirds are not asked for, hourly lines of
resources that live for some days, in no order, in 200 accounts of which each uses 15 of 30 services; savings plans,
reservations, taxes, credits and private discounts. Twice as many lines are twice as many resources.

Lines are shuffled within blocks of ten million: a file has lines of 50,000 resources at most, however many the report
has. Shuffled over all of a large report, a file has nearly all of its resources, too many for Parquet's dictionaries,
and four times the lines are more than six times the bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

import duckdb
import pyarrow.parquet as pq

from bench.generate_cur import PAYER, PERIOD

CACHE = Path(tempfile.gettempdir()) / "allot-bench"
GENERATOR_VERSION = 3
"""Raised when the lines change, so that a cached report of older make is not measured."""

LINES = 10_000_000
LINES_PER_FILE = 500_000
BLOCK_LINES = 10_000_000
LINES_PER_RESOURCE = 200
"""8.3 days of 24 hours."""
MEMORY = "600MB"

REPORT = "bench-parquet"
ASSEMBLY = "00000000-0000-4000-8000-000000000002"
FOLDER = f"cur/{REPORT}/{REPORT}/year=2026/month=6"

_CATEGORIES = ("identity", "bill", "line_item", "product", "pricing", "reservation", "savings_plan", "resource_tags")
_PURCHASES = "'SavingsPlanCoveredUsage', 'SavingsPlanNegation', 'SavingsPlanRecurringFee'"
# Multiplying by a prime shuffles: neighbours in a file are lines of different resources. Everything that stays the same
# for a resource comes of its number r, everything that stays the same for a line of its place.
_LINES = """
    WITH place AS (
        SELECT range AS place, range // {block} AS block, (range % {block} * 7919 + 104729) % {block} AS shuffled
        FROM range({first}, {last})
    ),
    resource AS (
        SELECT place, hash(place) AS h, shuffled // 24 AS slot, shuffled % 24 AS hour,
            block * {resources} + slot % {resources} AS r, hash(r) AS hr
        FROM place
    ),
    priced AS (
        SELECT *,
            pow((hash(place + 3) % 1000000) / 1000000.0, 8) * 20 AS price,
            hr % 200 * (hash(r + 7) % 200) // 200 AS account,
            ((account * 7 + hash(r + 1) % 15) % 30)::INTEGER AS service,
            CASE
                WHEN h % 1000 < 4 THEN 'Tax'
                WHEN h % 1000 < 8 THEN 'Credit'
                WHEN h % 1000 < 12 THEN 'EdpDiscount'
                WHEN h % 1000 < 13 THEN 'SavingsPlanRecurringFee'
                WHEN h % 1000 < 14 THEN 'RIFee'
                WHEN hash(r + 5) % 100 >= 20 THEN 'Usage'
                WHEN hash(r + 5) % 100 >= 12 THEN 'DiscountedUsage'
                WHEN h % 16 = 0 THEN 'SavingsPlanNegation'
                ELSE 'SavingsPlanCoveredUsage'
            END AS line_type
        FROM resource
    ),
    line AS (
        SELECT *,
            lpad((100000000001 + account)::VARCHAR, 12, '0') AS account_id,
            CASE WHEN line_type IN ('Tax', 'RIFee') THEN TIMESTAMP '2026-06-01'
                 ELSE TIMESTAMP '2026-06-01' + to_days(((hr % 30 + slot // {resources}) % 30)::INTEGER)
                    + to_hours(hour::INTEGER) END AS start,
            round(
                price * CASE WHEN line_type IN ('Credit', 'SavingsPlanNegation', 'EdpDiscount') THEN -1 ELSE 1 END, 10
            ) AS cost
        FROM priced
    )
    SELECT
        md5(place::VARCHAR) || left(md5((place + 1)::VARCHAR), 20) AS identity_line_item_id,
        strftime(start, '%Y-%m-%dT%H:%M:%SZ/') || strftime(start + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ')
            AS identity_time_interval,
        CASE WHEN h % 100 < 2 THEN '' ELSE 'EUINIE26-' || (service % 3) END AS bill_invoice_id,
        CASE WHEN service = 29 THEN 'AWS Marketplace' ELSE 'AWS' END AS bill_billing_entity,
        CASE WHEN line_type = 'Credit' AND h % 7 = 0 THEN 'Refund' ELSE 'Anniversary' END AS bill_bill_type,
        '{payer}' AS bill_payer_account_id,
        TIMESTAMP '2026-06-01' AS bill_billing_period_start_date,
        account_id AS line_item_usage_account_id,
        line_type AS line_item_line_item_type,
        start AS line_item_usage_start_date,
        start + INTERVAL 1 HOUR AS line_item_usage_end_date,
        'Amazon' || left(md5(service::VARCHAR), 8) AS line_item_product_code,
        'EUW1-' || left(md5((service * 7 + hr % 5)::VARCHAR), 14) AS line_item_usage_type,
        'Run' || left(md5((service * 3 + hr % 3)::VARCHAR), 8) AS line_item_operation,
        'eu-west-1' || chr((97 + hr % 3)::INTEGER) AS line_item_availability_zone,
        CASE WHEN line_type IN ('Tax', 'Credit', 'EdpDiscount', 'SavingsPlanRecurringFee', 'RIFee') OR service = 5
             THEN ''
             ELSE 'arn:aws:ec2:eu-west-1:' || account_id || ':instance/i-' || left(md5(r::VARCHAR), 17)
        END AS line_item_resource_id,
        round((hash(place + 4) % 1000000) / 123457.0, 10) AS line_item_usage_amount,
        'USD' AS line_item_currency_code,
        round((h % 1000) / 10000.0, 10)::VARCHAR AS line_item_unblended_rate,
        cost AS line_item_unblended_cost,
        '$0.0' || (hr % 97) || ' per unit of ' || left(md5(service::VARCHAR), 8) || ' in EU (Ireland), first 10 TB'
            AS line_item_line_item_description,
        'eu-west-1' AS product_region,
        'm' || (hr % 8) || '.large' AS product_instance_type,
        round(cost * 1.2, 10) AS pricing_public_on_demand_cost,
        'OnDemand' AS pricing_term,
        CASE WHEN line_type IN ('DiscountedUsage', 'RIFee')
             THEN 'arn:aws:ec2:eu-west-1:{payer}:reserved-instances/' || (hr % 40) ELSE '' END
            AS reservation_reservation_a_r_n,
        CASE WHEN line_type = 'DiscountedUsage' THEN round(cost * 0.6, 10) ELSE 0 END AS reservation_effective_cost,
        CASE WHEN line_type = 'RIFee' THEN round(cost * 0.1, 10) ELSE 0 END
            AS reservation_unused_amortized_upfront_fee_for_billing_period,
        CASE WHEN line_type = 'RIFee' THEN round(cost * 0.2, 10) ELSE 0 END AS reservation_unused_recurring_fee,
        CASE WHEN line_type IN ({purchases})
             THEN 'arn:aws:savingsplans::{payer}:savingsplan/' || (hr % 20) ELSE '' END
            AS savings_plan_savings_plan_a_r_n,
        CASE WHEN line_type = 'SavingsPlanCoveredUsage' THEN round(cost * 0.7, 10) ELSE 0 END
            AS savings_plan_savings_plan_effective_cost,
        CASE WHEN line_type = 'SavingsPlanRecurringFee' THEN 10.0::DOUBLE ELSE 0 END
            AS savings_plan_total_commitment_to_date,
        CASE WHEN line_type = 'SavingsPlanRecurringFee' THEN 9.5::DOUBLE ELSE 0 END AS savings_plan_used_commitment,
        'team-' || (account % 7) AS resource_tags_user_team
    FROM line
"""


def report(lines: int = LINES, folder: Path = CACHE) -> Path:
    """The folder of a report with that many lines; written only where it is not there yet."""
    root = folder / f"parquet-{GENERATOR_VERSION}-{lines}"
    manifest = root / FOLDER / f"{REPORT}-Manifest.json"
    if manifest.exists():
        return root
    rmtree(root, ignore_errors=True)
    manifest.parent.mkdir(parents=True)
    connection = duckdb.connect(config={"memory_limit": MEMORY})
    block = min(lines, BLOCK_LINES)
    firsts = range(0, lines, LINES_PER_FILE)
    keys = [f"{FOLDER}/{REPORT}-{part:05d}.snappy.parquet" for part, _ in enumerate(firsts, 1)]
    for key, first in zip(keys, firsts, strict=True):
        query = _LINES.format(
            block=block,
            resources=max(1, block // LINES_PER_RESOURCE),
            first=first,
            last=min(first + LINES_PER_FILE, lines),
            payer=PAYER,
            purchases=_PURCHASES,
        )
        connection.execute(f"COPY ({query}) TO '{root / key}' (FORMAT parquet, COMPRESSION snappy)")
    columns = pq.read_schema(root / keys[0]).names
    manifest.write_text(
        json.dumps(_manifest(keys, columns), indent=1), encoding="utf-8"
    )  # last: it says that all is there
    return root


def _manifest(keys: list[str], columns: list[str]) -> dict[str, object]:
    split = [
        next((each, name.removeprefix(f"{each}_")) for each in _CATEGORIES if name.startswith(f"{each}_"))
        for name in columns
    ]
    return {
        "assemblyId": ASSEMBLY,
        "account": PAYER,
        "columns": [{"category": category, "name": name} for category, name in split],
        "charset": "UTF-8",
        "compression": "Parquet",
        "contentType": "Parquet",
        "reportId": "bench",
        "reportName": REPORT,
        "billingPeriod": {"start": f"{PERIOD[:8]}T000000.000Z", "end": f"{PERIOD[9:]}T000000.000Z"},
        "bucket": "bench",
        "reportKeys": keys,
    }


if __name__ == "__main__":
    print(report(int(sys.argv[1]) if len(sys.argv) > 1 else LINES))
