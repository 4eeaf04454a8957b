"""Writes a legacy cost report of any size, the same bytes each time: `python bench/generate_cur.py 1000000`.

The lines look like those of a real bill where it matters for speed: many columns that nobody asks for, costs with up
to ten decimals and half of them in scientific form, hourly usage, a few thousand resources, long descriptions.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(".allot/bench")
GENERATOR_VERSION = 3
"""Raised when the lines change, so that a cached report of older make is not measured."""

LINES = 1_000_000
PARTS = 4
ACCOUNTS = 120
RESOURCES = 5_000
HOURS = 24
SHUFFLE = 7_919
SEED = 20260601
COMPRESSION_LEVEL = 6
CHUNK_LINES = 10_000

PAYER = "999999999999"
REPORT = "bench-cur"
PERIOD = "20260601-20260701"
ASSEMBLY = "00000000-0000-4000-8000-000000000001"

SERVICES = (
    ("AmazonEC2", "BoxUsage:m5.large", "RunInstances", "Amazon Elastic Compute Cloud"),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "Amazon Elastic Compute Cloud"),
    ("AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "Amazon Simple Storage Service"),
    ("AmazonRDS", "InstanceUsage:db.r6g.xl", "CreateDBInstance:0016", "Amazon Relational Database Service"),
    ("AWSLambda", "Lambda-GB-Second", "Invoke", "AWS Lambda"),
    ("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents", "AmazonCloudWatch"),
    ("AWSDataTransfer", "DataTransfer-Out-Bytes", "RunInstances", "AWS Data Transfer"),
    ("awskms", "KMS-Requests", "Decrypt", "AWS Key Management Service"),
    ("AmazonDynamoDB", "PayPerRequestRequests", "PayPerRequestThroughput", "Amazon DynamoDB"),
    ("AmazonVPC", "NatGateway-Hours", "NatGateway", "Amazon Virtual Private Cloud"),
    ("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation", "Amazon Elastic Container Service for Kubernetes"),
    ("AWSSupportEnterprise", "Dollar", "", "AWS Support (Enterprise)"),
)
CHARGE_TYPES = ("Usage",) * 16 + ("DiscountedUsage", "SavingsPlanCoveredUsage", "Tax", "Credit")

COLUMNS = (
    "identity/LineItemId identity/TimeInterval bill/InvoiceId bill/BillingEntity bill/BillType bill/PayerAccountId "
    "bill/BillingPeriodStartDate bill/BillingPeriodEndDate lineItem/UsageAccountId lineItem/LineItemType "
    "lineItem/UsageStartDate lineItem/UsageEndDate lineItem/ProductCode lineItem/UsageType lineItem/Operation "
    "lineItem/AvailabilityZone lineItem/ResourceId lineItem/UsageAmount lineItem/NormalizationFactor "
    "lineItem/CurrencyCode lineItem/UnblendedRate lineItem/UnblendedCost lineItem/BlendedRate lineItem/BlendedCost "
    "lineItem/LineItemDescription lineItem/TaxType lineItem/LegalEntity product/ProductName product/instanceType "
    "product/location product/operatingSystem product/region product/servicecode product/sku product/tenancy "
    "product/vcpu product/memory product/storage pricing/RateId pricing/currency pricing/publicOnDemandCost "
    "pricing/publicOnDemandRate pricing/term pricing/unit reservation/ReservationARN reservation/EffectiveCost "
    "savingsPlan/SavingsPlanARN savingsPlan/SavingsPlanEffectiveCost savingsPlan/TotalCommitmentToDate "
    "savingsPlan/UsedCommitment resourceTags/user:team resourceTags/user:environment resourceTags/user:product "
    "costCategory/CostCenter"
).split()


def report(lines: int = LINES, folder: Path = CACHE) -> Path:
    """The folder of a report with that many lines; written only where it is not there yet."""
    root = folder / f"cur-{GENERATOR_VERSION}-{lines}"
    manifest = root / "cur" / REPORT / PERIOD / f"{REPORT}-Manifest.json"
    if manifest.exists():
        return root
    keys = [f"cur/{REPORT}/{PERIOD}/{ASSEMBLY}/{REPORT}-{part:05d}.csv.gz" for part in range(1, PARTS + 1)]
    draw = random.Random(SEED)
    for part, key in enumerate(keys):
        _write(root / key, draw, part * lines // PARTS, (part + 1) * lines // PARTS)
    manifest.write_text(json.dumps(_manifest(keys), indent=1), encoding="utf-8")  # last: it says that all is there
    return root


def _manifest(keys: list[str]) -> dict[str, object]:
    return {
        "assemblyId": ASSEMBLY,
        "account": PAYER,
        "columns": [dict(zip(("category", "name"), name.split("/"), strict=True)) for name in COLUMNS],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportId": "bench",
        "reportName": REPORT,
        "billingPeriod": {"start": "20260601T000000.000Z", "end": "20260701T000000.000Z"},
        "bucket": "bench",
        "reportKeys": keys,
    }


def _write(path: Path, draw: random.Random, first: int, last: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed:
        packed.write((",".join(COLUMNS) + "\n").encode())
        for start in range(first, last, CHUNK_LINES):
            packed.write("".join(_lines(draw, start, min(start + CHUNK_LINES, last))).encode())


def _resources(block: int) -> list[tuple[tuple[str, str, str, str], str, str]]:
    """Service, account and charge type of each resource; each million lines has resources of its own."""
    draw = random.Random(SEED + block)
    return [
        (
            SERVICES[int(draw.random() ** 2 * len(SERVICES))],
            f"{100000000001 + int(draw.random() ** 2 * ACCOUNTS):012d}",
            CHARGE_TYPES[int(draw.random() * len(CHARGE_TYPES))],
        )
        for _ in range(RESOURCES)
    ]


def _lines(draw: random.Random, first: int, last: int) -> Iterator[str]:
    block = first // LINES
    resources = _resources(block)
    for number in range(first, last):
        # Hours of days of resources, in no order: multiplying by a prime shuffles them.
        slot, hour = divmod(number * SHUFFLE % LINES, HOURS)
        which = slot % RESOURCES
        (service, usage_type, operation, product), account, charge_type = resources[which]
        which += block * RESOURCES
        day = 1 + (which + slot // RESOURCES) % 30
        start = f"2026-06-{day:02d}T{hour:02d}:00:00Z"
        cost = _cost(draw, charge_type)
        resource = f"arn:aws:x:us-east-1:{account}:r/{which:08x}"
        yield (
            f"{draw.getrandbits(160):040x},{start}/{start},,AWS,Anniversary,{PAYER},2026-06-01T00:00:00Z,"
            f"2026-07-01T00:00:00Z,{account},{charge_type},{start},{start},{service},USE1-{usage_type},{operation},"
            f"us-east-1a,{resource},{draw.random():.10f},1.0,USD,0.0960000000,{cost},0.0960000000,{cost},"
            f'"$0.096 per {usage_type}, first 10 TB / month, for ""{product}"" in us-east-1",,"Amazon Web Services, '
            f'Inc.",{product},m5.large,US East (N. Virginia),Linux,us-east-1,{service},JRTCKXETXF{hour:06d},Shared,'
            f"2,8 GiB,EBS only,{hour:012d},USD,{cost},0.0960000000,OnDemand,Hrs,,,,,,,team-{which % 7},"
            f"{'prod' if which % 3 else 'dev'},product-{int(account) % 40},CC-{int(account) % 12}\n"
        )


def _cost(draw: random.Random, charge_type: str) -> str:
    value = draw.random()
    sign = "-" if charge_type == "Credit" else ""
    if value < 0.5:
        return f"{sign}{1 + draw.random() * 8.99:.2f}E-{5 + int(value * 6)}"
    return f"{sign}{value**8 * 20:.10f}"


if __name__ == "__main__":
    print(report(int(sys.argv[1]) if len(sys.argv) > 1 else LINES))
