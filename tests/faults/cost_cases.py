"""What is done with cost reports while workers are killed: a month is imported, and once more with other figures."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg

from activities.cost_mart import CostMart
from domain.account_allocating import AllocateAccount
from domain.account_observing import ObserveAccounts
from domain.allocation import AccountType, Share
from domain.calendar import Month
from domain.claim import ResourceName
from domain.claim_commands import ClaimResources
from domain.decision import SYSTEM, Accepted, Channel
from domain.process import CostSource, CostWatchResult, WorkflowName
from domain.workload_commands import CreateWorkload
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.faults.account_cases import aligning
from tests.faults.case import ADMIN, Case
from tests.workflows.stage import OWNER, PRODUCT

PERIOD = Month(2026, 6)
BILLED = 4
"""Accounts of the report; Organizations knows none of them."""
LINES = 40
RESOURCE = ResourceName(account_id="100000000000", resource="i-0")
"""Of ten lines, the first one among them."""
JOINED_AT = datetime(2026, 5, 1, tzinfo=UTC)
PAYER = "999999999999"
REPORT_COLUMNS = (
    "bill/PayerAccountId", "lineItem/UsageAccountId", "lineItem/LineItemType", "lineItem/ProductCode",
    "lineItem/UsageStartDate", "lineItem/UnblendedCost", "lineItem/CurrencyCode", "identity/LineItemId",
    "lineItem/ResourceId",
)  # fmt: skip


async def cost(case: Case) -> Counter[str]:
    await import_version(case, "v1", "1.250000005", "50.000000005")
    require_kept(case, {"v1": "50.000000005"})
    await aligning(case, BILLED)
    return Counter({"cost.PeriodImported": 1, **UNKNOWN})


async def restated(case: Case) -> Counter[str]:
    """The second version costs one cent more, of a resource that a workload has claimed."""
    before = claim(case)
    await import_version(case, "v1", "1.25", "50")
    await import_version(case, "v2", "1.26", "50.01")
    require_kept(case, {"v1": "50", "v2": "50.01"})
    with psycopg.connect(case.database_url) as connection:
        found = connection.execute(
            "SELECT report_version, sum(unblended) FROM claimed_cost_rows GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert found == [("v1", Decimal("12.50")), ("v2", Decimal("12.51"))]
    await aligning(case, BILLED - 1)
    unknown = Counter(dict.fromkeys(UNKNOWN, BILLED - 1))
    return before + unknown + Counter({"account.FirstBilled": 1, "cost.PeriodImported": 2, "cost.AccountRestated": 1})


UNKNOWN = dict.fromkeys(("account.FirstBilled", "account.AlignmentOpened", "waiting.Escalated"), BILLED)
"""What comes of accounts that nobody has heard of."""


async def import_version(case: Case, version: str, first: str, total: str) -> None:
    source = CostSource(source=str(write_report(case.directory / "cur", version, first)), actor=ADMIN)
    result = await case.run(WorkflowName.COST_WATCH, source, CostWatchResult)
    assert [(one.status, one.lines, one.totals) for one in result.imports] == [("imported", LINES, {"Usage": total})], (
        result
    )


def require_kept(case: Case, totals: dict[str, str]) -> None:
    """Each version is there once, in PostgreSQL and in the cost mart, and adds up to what the report says."""
    with psycopg.connect(case.database_url) as connection:
        rows = connection.execute(
            "SELECT report_version, sum(unblended) FROM cost_rows GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [(version, Decimal(total)) for version, total in totals.items()]
    mart = CostMart(case.environment["ALLOT_COST_MART"])
    paths = [f"billing_period={PERIOD}/version={version}" for version in totals]
    assert mart.versions() == paths
    assert [_sum(mart.detail_files(path)) for path in paths] == [Decimal(total) for total in totals.values()]


def _sum(files: Sequence[str]) -> Decimal:
    ((total,),) = duckdb.execute("SELECT sum(unblended) FROM read_parquet(?)", [list(files)]).fetchall()
    return Decimal(total)


def claim(case: Case) -> Counter[str]:
    """An account that is known and allocated, and a claim of what is in it; what is recorded of that."""
    seen = {"account_id": RESOURCE.account_id, "name": "shop", "email": "shop@example.com", "state": "ACTIVE"}
    known = {"organization_id": "o-1", "management_account_id": PAYER, "accounts": (seen | {"joined_at": JOINED_AT},)}
    share = Share(product=PRODUCT, percent=Decimal(100))
    about = {"actor": OWNER, "product": PRODUCT, "workload": "Basket"}
    months = {"launch_month": PERIOD, "end_month": PERIOD.plus(12), "account_id": RESOURCE.account_id}
    commands = (
        ObserveAccounts.model_validate({"actor": SYSTEM, "channel": Channel.WORKFLOW, "command_id": uuid4(), **known}),
        AllocateAccount(
            command_id=uuid4(),
            actor=ADMIN,
            account_id=RESOURCE.account_id,
            account_type=AccountType.PRODUCTION,
            shares=(share,),
        ),
        CreateWorkload.model_validate({"command_id": uuid4(), **about, **months}),
        ClaimResources.model_validate({"command_id": uuid4(), **about, "resources": (RESOURCE,)}),
    )
    with Ledger(case.database_url, case.organization, rights=CedarRights(), pool_size=1) as ledger:
        for command in commands:
            outcome = ledger.record(command)
            assert isinstance(outcome, Accepted), outcome
    names = ("organization.Seen", "account.Vended", "account.AlignmentOpened", "account.Allocated")
    return Counter([*names, "workload.Created", "claim.Claimed"])


def write_report(folder: Path, version: str, first: str) -> Path:
    """A delivery of forty lines, one of them with another cost, in place of the one before."""
    key = f"finops/20260601-20260701/{version}/finops-1.csv.gz"
    lines = [
        f"{PAYER},10000000000{n % BILLED},Usage,AmazonEC2,2026-06-{n % 28 + 1:02d}T00:00:00Z,"
        f"{first if n == 0 else '1.25'},USD,{n},i-{n % BILLED}"
        for n in range(LINES)
    ]
    (folder / key).parent.mkdir(parents=True)
    (folder / key).write_bytes(gzip.compress("\n".join([",".join(REPORT_COLUMNS), *lines]).encode() + b"\n"))
    columns = [dict(zip(("category", "name"), column.split("/"), strict=True)) for column in REPORT_COLUMNS]
    manifest = {
        "assemblyId": version,
        "account": PAYER,
        "columns": columns,
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportName": "finops",
        "billingPeriod": {"start": "20260601T000000.000Z", "end": "20260701T000000.000Z"},
        "bucket": "finops",
        "reportKeys": [key],
    }
    (folder / "finops/20260601-20260701/finops-Manifest.json").write_text(json.dumps(manifest))
    return folder
