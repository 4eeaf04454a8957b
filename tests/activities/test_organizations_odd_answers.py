"""What AWS Organizations answers now and then, and the stand-in never: played to the real client, byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import aws_organizations
from activities.aws_organizations import aws_client
from activities.contracts import Progress
from activities.organizations import Organizations
from domain.account import account_stream
from domain.account_facts import TAGS_MAX, AccountSeen
from domain.account_process import SyncRequest, SyncResult
from domain.decision import Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import JOINED, Answer, Script, account, set_credentials


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield ledger


type Sync = Callable[[Script], SyncResult]


@pytest.fixture
def sync(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Sync:
    set_credentials(monkeypatch)

    def once(script: Script) -> SyncResult:
        return ActivityEnvironment().run(Organizations(ledger, script.client).sync, SyncRequest())

    return once


def seen(ledger: Ledger, number: int) -> AccountSeen:
    found = ledger.states([account_stream(f"{number:012}")])[account_stream(f"{number:012}")].seen
    assert isinstance(found, AccountSeen)
    return found


def refused(sync: Sync, script: Script) -> ApplicationError:
    with pytest.raises(ApplicationError) as failed:
        sync(script)
    return failed.value


def test_an_empty_page_with_a_token_is_not_the_end(sync: Sync, ledger: Ledger) -> None:
    script = Script(
        ListAccounts=[
            {"Accounts": [], "NextToken": "one"},
            {"Accounts": [account(1)], "NextToken": "two"},
            {"Accounts": [], "NextToken": "three"},
            {"Accounts": [account(2)]},
        ]
    )
    result = sync(script)
    assert (result.accounts, result.recorded) == (2, 2)
    listed = [request for operation, request in script.asked if operation == "ListAccounts"]
    assert [request.get("NextToken") for request in listed] == [None, "one", "two", "three"]
    assert {request["MaxResults"] for request in listed} == {20}
    assert seen(ledger, 2).name == "account 2"


def test_calls_are_counted_as_aws_sees_them(sync: Sync) -> None:
    script = Script(ListAccounts=[(400, "TooManyRequestsException", "slow down"), {"Accounts": [account(1)]}])
    result = sync(script)
    assert script.operations() == ["DescribeOrganization", "ListAccounts", "ListAccounts", "ListTagsForResource"]
    assert (result.calls, result.list_calls, result.tag_calls, result.throttled) == (len(script.asked), 2, 1, 1)


@pytest.mark.parametrize("more", [TAGS_MAX - 1, TAGS_MAX, TAGS_MAX + 1])
def test_tags_of_aws_come_on_top_and_too_many_of_them_hold_up_nobody(sync: Sync, ledger: Ledger, more: int) -> None:
    keys = [f"aws:service:{number:03}" for number in range(more)] + ["team"]
    tags = {"Tags": [{"Key": key, "Value": "x"} for key in keys]}
    script = Script(ListAccounts={"Accounts": [account(1), account(2)]}, ListTagsForResource=tags)
    assert sync(script).recorded == 2
    kept = seen(ledger, 2).tags
    assert kept is not None
    assert kept.keys() == {"team", *keys[: TAGS_MAX - 1]}
    assert sync(script).recorded == 0


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"State": "PENDING_ACTIVATION", "Status": "ACTIVE"}, "PENDING_ACTIVATION"),
        ({"State": "PENDING_CLOSURE", "Status": "PENDING_CLOSURE"}, "PENDING_CLOSURE"),
        ({"State": "CLOSED", "Status": None}, "CLOSED"),
        ({"State": None, "Status": "SUSPENDED"}, "SUSPENDED"),
        ({"State": None, "Status": None}, "UNKNOWN"),
    ],
)
def test_the_state_is_taken_from_status_only_where_there_is_no_state(
    sync: Sync, ledger: Ledger, fields: dict[str, object], state: str
) -> None:
    sync(Script(ListAccounts={"Accounts": [account(1, **fields)]}))
    assert seen(ledger, 1).state == state


def test_paths_spare_the_walk_of_the_tree(sync: Sync, ledger: Ledger) -> None:
    units = [{"OrganizationalUnit": {"Name": name}} for name in ("Workloads", "Production")]
    path = "o-exampleorg/r-root/ou-root-aaaaaaaa/ou-root-bbbbbbbb/{:012}/"
    script = Script(
        ListAccounts={"Accounts": [account(n, Paths=[path.format(n)]) for n in (1, 2)] + [account(3)]},
        DescribeOrganizationalUnit=[*units],
    )
    sync(script)
    assert [seen(ledger, n).ou_path for n in (1, 2, 3)] == ["/Workloads/Production", "/Workloads/Production", "/"]
    assert script.operations().count("DescribeOrganizationalUnit") == 2
    assert "ListRoots" not in script.operations()


def test_a_unit_that_is_gone_while_the_tree_is_walked_holds_nothing(sync: Sync, ledger: Ledger) -> None:
    unit = {"Id": "ou-root-aaaaaaaa", "Name": "Gone"}
    script = Script(
        ListAccounts={"Accounts": [account(1, Paths=None), account(2, Paths=None)]},
        ListRoots={"Roots": [{"Id": "r-root"}]},
        ListOrganizationalUnitsForParent=[{"OrganizationalUnits": [unit]}],
        ListAccountsForParent=[{"Accounts": [account(1)]}, (400, "ParentNotFoundException", "gone")],
    )
    assert sync(script).recorded == 2
    assert [seen(ledger, n).ou_path for n in (1, 2)] == ["/", ""]


def test_an_account_that_moves_during_the_walk_keeps_the_path_that_is_known(sync: Sync, ledger: Ledger) -> None:
    sync(Script())
    assert seen(ledger, 1).ou_path == "/"
    script = Script(
        ListAccounts={"Accounts": [account(1, Paths=None)]},
        ListRoots={"Roots": [{"Id": "r-root"}]},
        ListOrganizationalUnitsForParent={"OrganizationalUnits": []},
        ListAccountsForParent={"Accounts": []},
    )
    assert sync(script).recorded == 0


def test_an_account_that_is_gone_when_its_tags_are_read_is_kept_and_read_again(sync: Sync, ledger: Ledger) -> None:
    gone: Answer = (400, "TargetNotFoundException", "no such account")
    assert sync(Script(ListTagsForResource=gone)).recorded == 1
    assert seen(ledger, 1).tags is None
    head = ledger.settled_head()
    assert sync(Script(ListTagsForResource=gone)).recorded == 0
    assert ledger.settled_head() == head
    assert sync(Script(ListTagsForResource={"Tags": [{"Key": "a", "Value": "b"}]})).recorded == 1
    assert seen(ledger, 1).tags == {"a": "b"}


def test_an_account_that_has_not_joined_yet_waits_for_the_next_pass(sync: Sync, ledger: Ledger) -> None:
    pending = account(2, State="PENDING_ACTIVATION", JoinedTimestamp=None)
    result = sync(Script(ListAccounts={"Accounts": [account(1), pending]}))
    assert (result.accounts, result.recorded, result.skipped) == (2, 1, 1)
    assert ledger.read(account_stream(f"{2:012}")) == []


def test_a_renamed_account_has_changed_once(sync: Sync, ledger: Ledger) -> None:
    sync(Script())
    renamed = {"Accounts": [account(1, Name="web production")]}
    assert (sync(Script(ListAccounts=renamed)).recorded, sync(Script(ListAccounts=renamed)).recorded) == (1, 0)
    assert (seen(ledger, 1).name, seen(ledger, 1).joined_at) == (
        "web production",
        datetime.fromtimestamp(JOINED, UTC),
    )


def test_a_repetition_of_the_activity_goes_on_where_the_first_attempt_ended(sync: Sync, ledger: Ledger) -> None:
    """The same run: page 0 was recorded, then AWS failed; meanwhile an account of page 0 got another name."""
    accounts = [account(n) for n in range(1, 31)]
    tags: list[Answer] = [{"Tags": []}] * 25
    broken = Script(
        ListAccounts={"Accounts": accounts}, ListTagsForResource=[*tags, (400, "AccessDeniedException", "")]
    )
    refused(sync, broken)
    recorded = ledger.settled_head()
    assert recorded == 1 + 20 * 2  # the organization, and of each account its first sight and its alignment
    accounts[0] = account(1, Name="renamed")
    result = sync(Script(ListAccounts={"Accounts": accounts}))
    assert result.recorded == 11
    assert ledger.settled_head() == recorded + 1 + 10 * 2


def test_a_missing_permission_is_named(sync: Sync, ledger: Ledger) -> None:
    text = "User: arn:aws:sts::000000000001:assumed-role/allot is not authorized to perform: organizations:ListAccounts"
    error = refused(sync, Script(ListAccounts=(400, "AccessDeniedException", text)))
    assert error.message == (
        "AWS does not allow ListAccounts: give the worker's role the permission organizations:ListAccounts, in the "
        f"management account or by a delegation policy. AWS says: {text}"
    )
    assert (error.type, error.non_retryable, error.details) == ("BadInput", True, ("AwsPermissionMissing",))
    assert ledger.settled_head() == 0


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "ExpiredTokenException"])
def test_credentials_that_aws_does_not_accept(sync: Sync, code: str) -> None:
    error = refused(sync, Script(DescribeOrganization=(400, code, "The security token is invalid")))
    assert error.message.startswith(f"AWS does not accept the credentials ({code}): renew them, or give the worker")
    assert (error.type, error.non_retryable) == ("BadInput", True)


@pytest.mark.parametrize(
    "answer", [(400, "TooManyRequestsException", "slow down"), (500, "ServiceException", "try later")]
)
def test_what_may_pass_is_worth_another_try(
    sync: Sync, answer: tuple[int, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_organizations, "ATTEMPTS_MAX", 2)
    script = Script(DescribeOrganization=answer)
    error = refused(sync, script)
    assert error.message == (
        f"AWS Organizations answers DescribeOrganization with {answer[1]} ({answer[2]}); it will be tried again."
    )
    assert (error.type, error.non_retryable) == ("Unavailable", False)
    assert len(script.asked) == 2


def test_the_client_is_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Config = aws_client().meta.config
    retries: dict[str, object] = config.retries  # type: ignore[attr-defined]  # missing in the stubs
    assert (retries["mode"], retries["total_max_attempts"]) == ("adaptive", 10)
    assert (config.connect_timeout, config.read_timeout) == (5, 20)  # type: ignore[attr-defined]  # missing in the stubs


def test_aws_out_of_reach(ledger: Ledger, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(aws_organizations, "ATTEMPTS_MAX", 1)
    with pytest.raises(ApplicationError, match=r"AWS Organizations cannot be reached \(Could not connect") as failed:
        ActivityEnvironment().run(Organizations(ledger).sync, SyncRequest())
    assert (failed.value.type, failed.value.non_retryable) == ("Unavailable", False)


def test_aws_not_configured(ledger: Ledger, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(ApplicationError) as failed:
        ActivityEnvironment().run(Organizations(ledger).sync, SyncRequest())
    assert failed.value.message == (
        "AWS is not configured (Unable to locate credentials): give the worker credentials of the management account "
        "or of a delegated administrator (AWS_PROFILE, or a role), or start the stand-in with `allot up`."
    )
    assert (failed.value.type, failed.value.non_retryable) == ("BadInput", True)


def test_a_pass_tells_how_far_it_is(ledger: Ledger, sync: Sync) -> None:
    told: list[Progress] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = told.append
    environment.run(Organizations(ledger, Script().client).sync, SyncRequest())
    assert told
    assert told[0].step in {"starting", "listing accounts"}
