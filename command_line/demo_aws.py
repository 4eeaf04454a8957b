"""Fills the demo's stand-in for AWS: an organization with its accounts, and a replicated cost report.

Everything goes over HTTP through boto3, as with AWS itself. Only what the stand-in decides is taken over: its random
account ids are written into the sample report, in place of the sample's own. The last month is delivered twice, as AWS
does many times: first as it stood on some day, then whole.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import boto3

from command_line.demo_company import REPORTS, Company, DemoAccount, VendedAccount

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from mypy_boto3_organizations import OrganizationsClient

EARLY_ASSEMBLY = "0c5b1f7e-6a1d-4f0c-9b52-3d8e7a641f20"
"""Version id of the last month's first delivery."""
_DAY = re.compile(rb",(\d{4}-\d{2}-\d{2})T[0-9:]{8}Z/")
"""Of a line's time interval: the day on which its usage starts."""
_ACCOUNT_ID = re.compile(rb"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
GZIP_LEVEL = 1
"""The file lives for minutes; speed counts."""


class SeededAws(NamedTuple):
    """What the stand-in holds now."""

    management_account_id: str
    account_ids: Mapping[str, str]
    """By name."""
    source: str
    """Address of the cost report, for `allot cost import`."""
    new_ids: Mapping[str, str]
    """By the account ids of the sample report."""


def seed(company: Company) -> SeededAws:
    """Creates the organization and its accounts, then puts their cost report into the bucket."""
    management_account_id, account_ids = _create_organization(company)
    new_ids = {company.sample_payer: management_account_id}
    new_ids |= {account.sample_id: account_ids[account.name] for account in company.accounts}
    _put_reports(company, new_ids)
    source = f"s3://{company.replica_bucket}/{company.prefix}"
    return SeededAws(management_account_id, account_ids, source, new_ids)


def deliver_whole(company: Company, aws: SeededAws) -> None:
    """The last month again: all of it, and with usage of the days before that came late."""
    _put_period(company, aws.new_ids, _folders(company)[-1])


def vend(company: Company, account: VendedAccount) -> str:
    """Creates one more account as a landing zone does, and sends the event that AWS sends then; its id."""
    client = boto3.client("organizations")
    root = client.list_roots()["Roots"][0]["Id"]
    account_id = _create_account(client, company, account, account.email, account.tags)
    client.move_account(
        AccountId=account_id, SourceParentId=root, DestinationParentId=_found_unit(client, root, account.ou)
    )
    now = datetime.now(UTC)
    record = {
        "eventVersion": "1.08",
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "eventID": str(uuid4()),
        "serviceEventDetails": {
            "createAccountStatus": {
                "id": f"car-{uuid4().hex}",
                "state": "SUCCEEDED",
                "accountName": "****",
                "accountId": account_id,
                "requestedTimestamp": _as_aws_prints(now),
                "completedTimestamp": _as_aws_prints(now),
            }
        },
    }
    entry: PutEventsRequestEntryTypeDef = {
        "Source": "aws.organizations",
        "DetailType": "AWS Service Event via CloudTrail",
        "Detail": json.dumps(record),
    }
    boto3.client("events").put_events(Entries=[entry])
    return account_id


def _as_aws_prints(moment: datetime) -> str:
    """`Sep 16, 2020 9:20:53 PM`, whatever the locale."""
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[moment.month - 1]
    hour = moment.hour % 12 or 12
    return f"{month} {moment.day}, {moment.year} {hour}:{moment:%M:%S} {'PM' if moment.hour >= 12 else 'AM'}"


def _found_unit(client: OrganizationsClient, root: str, path: str) -> str:
    """The id of a unit that is there."""
    parent = root
    for name in path.split("/"):
        units = client.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
        parent = next(unit["Id"] for unit in units if unit["Name"] == name)
    return parent


def _create_organization(company: Company) -> tuple[str, dict[str, str]]:
    client = boto3.client("organizations")
    organization = client.create_organization(FeatureSet="ALL")["Organization"]
    root = client.list_roots()["Roots"][0]["Id"]
    units: dict[str, str] = {"": root}
    ids = {}
    for account in company.accounts:
        ids[account.name] = account_id = _create_account(client, company, account)
        unit = _unit(client, units, account.ou)
        client.move_account(AccountId=account_id, SourceParentId=root, DestinationParentId=unit)
    return organization["MasterAccountId"], ids


def _create_account(
    client: OrganizationsClient,
    company: Company,
    account: DemoAccount,
    email: str = "",
    more_tags: Mapping[str, str] = MappingProxyType({}),
) -> str:
    tags = {"environment": account.type.value, "company": company.name, **more_tags}
    created = client.create_account(
        AccountName=account.name,
        Email=email or f"aws+{account.name}@example.com",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return created["CreateAccountStatus"]["AccountId"]


def _unit(client: OrganizationsClient, units: dict[str, str], path: str) -> str:
    """The id of an organizational unit, which is created with all above it if need be."""
    if path not in units:
        above, _, name = path.rpartition("/")
        parent = _unit(client, units, above)
        unit = client.create_organizational_unit(ParentId=parent, Name=name)
        units[path] = unit["OrganizationalUnit"]["Id"]
    return units[path]


def _put_reports(company: Company, new_ids: Mapping[str, str]) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=company.replica_bucket)
    s3.put_bucket_versioning(Bucket=company.replica_bucket, VersioningConfiguration={"Status": "Enabled"})
    *earlier, last = _folders(company)
    for folder in earlier:
        _put_period(company, new_ids, folder)
    _put_period(company, new_ids, last, until=company.delivered_until)


def _folders(company: Company) -> list[Path]:
    months = [period.replace("-", "") for period in company.billing_periods]
    return [folder for folder in sorted(REPORTS.glob("*/*")) if folder.name[: len("YYYYMM")] in months]


def _put_period(company: Company, new_ids: Mapping[str, str], folder: Path, until: date | None = None) -> None:
    """Data before manifests, as a delivery that is complete when its manifest is there."""
    s3 = boto3.client("s3")
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    assembly = next(file.parent.name for file in files if file.suffix == ".gz")
    for file in sorted(files, key=lambda file: file.suffix == ".json"):
        key = f"{company.prefix}/{file.relative_to(REPORTS).as_posix()}"
        content = _rewritten(file, company, new_ids, until)
        if until:
            key, content = (
                key.replace(assembly, EARLY_ASSEMBLY),
                content.replace(assembly.encode(), EARLY_ASSEMBLY.encode()),
            )
        s3.put_object(Bucket=company.replica_bucket, Key=key, Body=content)


def _rewritten(file: Path, company: Company, new_ids: Mapping[str, str], until: date | None) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".gz":
        text = gzip.decompress(content)
        return gzip.compress(with_account_ids(to_date(text, until) if until else text, new_ids), GZIP_LEVEL)
    named = content.replace(b'"finops-cur-replica"', f'"{company.source_bucket}"'.encode())
    return with_account_ids(named, new_ids)


def to_date(text: bytes, until: date) -> bytes:
    """The lines up to that day, and of this day every second one: the rest of its usage is not known yet."""
    header, *lines = text.splitlines(keepends=True)
    last = until.isoformat().encode()
    kept = []
    for number, line in enumerate(lines):
        match = _DAY.search(line)
        day = match[1] if match else b""
        if day < last or (day == last and number % 2):
            kept.append(line)
    return b"".join([header, *kept])


def with_account_ids(content: bytes, new_ids: Mapping[str, str]) -> bytes:
    """The content with each account id exchanged, wherever it stands, also within an ARN."""
    table = {old.encode(): new.encode() for old, new in new_ids.items()}
    return _ACCOUNT_ID.sub(lambda found: table.get(found[0], found[0]), content)
