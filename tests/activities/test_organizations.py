"""Reading AWS Organizations: against a stand-in over HTTP, whose organization has 12 accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.aws_organizations import aws_client
from activities.organizations import Organizations
from domain.account import ORGANIZATION_STREAM, account_stream
from domain.account_facts import AccountSeen, AlignmentOpened, Changed, Occasion, OrganizationSeen, Vended
from domain.account_process import SyncRequest, SyncResult
from domain.decision import SYSTEM_ID, Channel, Organization, RecordedEvent
from ledger.ledger import Ledger
from rights.cedar import CedarRights

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

ACCOUNTS = 12  # besides the management account


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield ledger


class Company:
    """An organization: `/Workloads/Production`, a unit with an odd name beside it, and accounts at the root too."""

    def __init__(self, client: OrganizationsClient) -> None:
        self.client = client
        self.id = client.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        self.root = client.list_roots()["Roots"][0]["Id"]
        self.workloads = self.unit(self.root, "Workloads")
        self.production = self.unit(self.workloads, "Production")
        self.odd = self.unit(self.workloads, "R/D 100%")
        self.accounts = [self.account(number) for number in range(ACCOUNTS)]
        for account in self.accounts[:8]:
            self.move(account, self.root, self.production)
        self.move(self.accounts[8], self.root, self.odd)

    def unit(self, parent: str, name: str) -> str:
        return self.client.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]

    def account(self, number: int) -> str:
        status = self.client.create_account(
            AccountName=f"account {number}",
            Email=f"aws+{number}@example.com",
            Tags=[{"Key": "product", "Value": f"P-{number}"}],
        )
        return status["CreateAccountStatus"]["AccountId"]

    def move(self, account: str, source: str, destination: str) -> None:
        self.client.move_account(AccountId=account, SourceParentId=source, DestinationParentId=destination)

    def tag(self, account: str, key: str, value: str) -> None:
        self.client.tag_resource(ResourceId=account, Tags=[{"Key": key, "Value": value}])


@pytest.fixture
def company(aws_endpoint: str) -> Company:
    return Company(boto3.client("organizations"))


class Syncing:
    """Passes of the activity, each in a run of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.passes = 0
        self.at = datetime(2026, 6, 10, 12, tzinfo=UTC)

    def __call__(self, *, tags_of_all: bool = False) -> SyncResult:
        self.passes += 1
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id=f"run-{self.passes}")
        self.at += timedelta(minutes=5)
        activities = Organizations(self.ledger, aws_client, tags_of_all=tags_of_all, clock=lambda: self.at)
        return environment.run(activities.sync, SyncRequest())

    def history(self, account: str) -> list[RecordedEvent]:
        return self.ledger.read(account_stream(account))

    def seen(self, account: str) -> AccountSeen:
        seen = self.ledger.states([account_stream(account)])[account_stream(account)].seen
        assert isinstance(seen, AccountSeen)
        return seen


@pytest.fixture
def sync(ledger: Ledger) -> Syncing:
    return Syncing(ledger)


def test_the_first_pass_records_the_organization_and_all_its_accounts(company: Company, sync: Syncing) -> None:
    result = sync()
    assert (result.accounts, result.recorded) == (ACCOUNTS + 1, ACCOUNTS + 1)
    assert result.position == sync.ledger.settled_head()
    (organization,) = sync.ledger.read(ORGANIZATION_STREAM)
    assert organization.fact == OrganizationSeen(organization_id=company.id, management_account_id="123456789012")
    assert (organization.actor, organization.channel) == (SYSTEM_ID, Channel.WORKFLOW)
    assert organization.workflow_run_id == "run-1"
    vended, opened = sync.history(company.accounts[0])
    assert isinstance(vended.fact, Vended)
    assert (vended.fact.source, vended.fact.observed_at) == ("sync", sync.at)
    assert opened.fact == AlignmentOpened(account_id=company.accounts[0], occasion=1, reason=Occasion.FIRST_SIGHT)


def test_of_an_account_everything_is_kept(company: Company, sync: Syncing) -> None:
    sync()
    told = company.client.describe_account(AccountId=company.accounts[3])["Account"]
    assert sync.seen(company.accounts[3]) == AccountSeen(
        account_id=company.accounts[3],
        name="account 3",
        email="aws+3@example.com",
        state="ACTIVE",
        joined_method="CREATED",
        joined_at=told["JoinedTimestamp"],
        ou_path="/Workloads/Production",
        tags={"product": "P-3"},
    )
    assert sync.seen(company.accounts[3]).joined_at.utcoffset() == timedelta(0)


def test_paths_are_names_from_the_root_down(company: Company, sync: Syncing) -> None:
    sync()
    paths = [sync.seen(company.accounts[n]).ou_path for n in (0, 8, 9)]
    assert paths == ["/Workloads/Production", "/Workloads/R%2FD 100%25", "/"]


def test_a_second_pass_records_nothing_and_reads_no_tags(company: Company, sync: Syncing) -> None:
    first = sync()
    head = sync.ledger.settled_head()
    second = sync()
    assert (second.accounts, second.recorded, second.position) == (ACCOUNTS + 1, 0, 0)
    assert sync.ledger.settled_head() == head
    assert (first.tag_calls, second.tag_calls) == (ACCOUNTS + 1, 0)
    assert (first.opened, second.opened) == (ACCOUNTS + 1, 0)
    assert first.calls - second.calls == first.tag_calls
    # the organization, the list, the roots, and accounts and units in each of the root and three units
    assert second.calls == 1 + 1 + 1 + 2 * 4


def test_a_moved_account_has_changed_once(company: Company, sync: Syncing) -> None:
    sync()
    company.move(company.accounts[9], company.root, company.production)
    result = sync()
    assert result.recorded == 1
    assert result.position == sync.ledger.settled_head()
    assert sync().recorded == 0
    _, _, changed = sync.history(company.accounts[9])
    assert isinstance(changed.fact, Changed)
    assert (changed.fact.ou_path, changed.fact.changed) == ("/Workloads/Production", ("ou_path",))
    assert result.opened == 0  # somebody is asked already


def test_a_renamed_unit_changes_the_accounts_in_it(company: Company, sync: Syncing) -> None:
    sync()
    company.client.update_organizational_unit(OrganizationalUnitId=company.odd, Name="Lab")
    assert (sync().recorded, sync().recorded) == (1, 0)
    assert sync.seen(company.accounts[8]).ou_path == "/Workloads/Lab"


def test_tags_are_read_anew_with_any_other_change(company: Company, sync: Syncing) -> None:
    sync()
    company.tag(company.accounts[9], "team", "web")
    assert sync().recorded == 0
    company.move(company.accounts[9], company.root, company.production)
    assert (sync().recorded, sync().recorded) == (1, 0)
    assert sync.seen(company.accounts[9]).tags == {"product": "P-9", "team": "web"}


def test_a_pass_over_all_tags_finds_those_that_changed_alone(company: Company, sync: Syncing) -> None:
    sync()
    company.tag(company.accounts[5], "product", "P-50")
    company.client.untag_resource(ResourceId=company.accounts[6], TagKeys=["product"])
    assert (sync(tags_of_all=True).recorded, sync(tags_of_all=True).recorded) == (2, 0)
    assert sync.seen(company.accounts[5]).tags == {"product": "P-50"}
    assert sync.seen(company.accounts[6]).tags == {}


def test_a_closed_account_has_changed_and_one_gone_from_the_list_keeps_its_history(
    company: Company, sync: Syncing
) -> None:
    sync()
    company.client.close_account(AccountId=company.accounts[0])
    company.client.remove_account_from_organization(AccountId=company.accounts[1])
    result = sync()
    assert (result.accounts, result.recorded) == (ACCOUNTS, 1)
    assert sync.seen(company.accounts[0]).state == "SUSPENDED"
    assert sync.seen(company.accounts[1]).name == "account 1"
    assert len(sync.history(company.accounts[1])) == 2


def test_a_new_account_is_all_that_a_later_pass_records(company: Company, sync: Syncing) -> None:
    sync()
    late = company.account(99)
    result = sync()
    assert (result.accounts, result.recorded) == (ACCOUNTS + 2, 1)
    assert sync.seen(late).tags == {"product": "P-99"}


def test_many_accounts_come_in_pages(company: Company, sync: Syncing) -> None:
    for number in range(ACCOUNTS, 44):
        company.account(number)
    assert sync().recorded == 45
    commands = {event.command_id for event in sync.ledger.follow(0, 100)}
    assert len(commands) == 3  # 20, 20 and 5
    assert sync().recorded == 0


def test_an_account_in_no_organization(aws_endpoint: str, sync: Syncing) -> None:
    with pytest.raises(ApplicationError) as failed:
        sync()
    assert failed.value.message == (
        "The AWS account of these credentials is in no organization: give the worker credentials of the management "
        "account or of a delegated administrator (AWS_PROFILE, or a role), or start the stand-in with `allot up`."
    )
    assert (failed.value.type, failed.value.non_retryable) == ("BadInput", True)
    assert failed.value.details == ("NoOrganization",)
