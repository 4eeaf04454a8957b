"""Fills the demo's stand-in for AWS: an organization with its accounts, and a replicated cost report.

Everything goes over HTTP through boto3, as with AWS itself. Only what the stand-in decides is taken over: its random
account ids are written into the sample report, in place of the sample's own.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3

from cli.demo_company import REPORTS, Company, DemoAccount

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

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


def seed(company: Company) -> SeededAws:
    """Creates the organization and its accounts, then puts their cost report into the bucket."""
    management_account_id, account_ids = _create_organization(company)
    new_ids = {company.sample_payer: management_account_id}
    new_ids |= {account.sample_id: account_ids[account.name] for account in company.accounts}
    _put_reports(company, new_ids)
    return SeededAws(management_account_id, account_ids, f"s3://{company.replica_bucket}/{company.prefix}")


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


def _create_account(client: OrganizationsClient, company: Company, account: DemoAccount) -> str:
    tags = {"environment": account.type.value, "company": company.name}
    created = client.create_account(
        AccountName=account.name,
        Email=f"aws+{account.name}@example.com",
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
    """Data before manifests, as a delivery that is complete when its manifest is there."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=company.replica_bucket)
    s3.put_bucket_versioning(Bucket=company.replica_bucket, VersioningConfiguration={"Status": "Enabled"})
    months = [period.replace("-", "") for period in company.billing_periods]
    periods = [folder for folder in sorted(REPORTS.glob("*/*")) if folder.name[: len("YYYYMM")] in months]
    files = [file for folder in periods for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda file: file.suffix == ".json"):
        key = f"{company.prefix}/{file.relative_to(REPORTS).as_posix()}"
        s3.put_object(Bucket=company.replica_bucket, Key=key, Body=_rewritten(file, company, new_ids))


def _rewritten(file: Path, company: Company, new_ids: Mapping[str, str]) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".gz":
        return gzip.compress(with_account_ids(gzip.decompress(content), new_ids), GZIP_LEVEL)
    named = content.replace(b'"finops-cur-replica"', f'"{company.source_bucket}"'.encode())
    return with_account_ids(named, new_ids)


def with_account_ids(content: bytes, new_ids: Mapping[str, str]) -> bytes:
    """The content with each account id exchanged, wherever it stands, also within an ARN."""
    table = {old.encode(): new.encode() for old, new in new_ids.items()}
    return _ACCOUNT_ID.sub(lambda found: table.get(found[0], found[0]), content)
