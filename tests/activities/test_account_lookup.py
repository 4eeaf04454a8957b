"""Looking up one account: against a stand-in over HTTP, and with what AWS answers and the stand-in never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from activities import aws_organizations
from activities.aws_organizations import MAX_DEPTH, OrganizationReader, aws_client, aws_errors
from domain.errors import BadInput, Unavailable
from tests.activities.aws_script import Answer, Script, account, set_credentials

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

NUMBER = 1
ID = f"{NUMBER:012}"
GONE: Answer = (400, "ChildNotFoundException", "You specified a child that does not exist.")
ROOT: Answer = {"Parents": [{"Id": "r-root", "Type": "ROOT"}]}


def unit(number: int) -> Answer:
    return {"Parents": [{"Id": f"ou-root-{number:08}", "Type": "ORGANIZATIONAL_UNIT"}]}


def named(name: str) -> Answer:
    return {"OrganizationalUnit": {"Name": name}}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)


@pytest.fixture
def company(aws_endpoint: str) -> OrganizationsClient:
    """An organization with `/Workloads/R/D 100%`."""
    client = boto3.client("organizations")
    client.create_organization(FeatureSet="ALL")
    return client


def vended(company: OrganizationsClient) -> str:
    status = company.create_account(AccountName="web", Email="aws@example.com", Tags=[{"Key": "a", "Value": "b"}])
    return status["CreateAccountStatus"]["AccountId"]


def found(reader: OrganizationReader, account_id: str) -> AccountTypeDef:
    answer = reader.account(account_id)
    assert answer is not None
    return answer


def scripted(**answers: Answer | list[Answer]) -> tuple[Script, OrganizationReader]:
    script = Script(**answers)
    return script, OrganizationReader(script.client())


def bare() -> Any:
    """An account as AWS gives it without its path."""
    return account(NUMBER, Paths=None)


def test_one_account_is_found_with_its_path_and_tags(company: OrganizationsClient) -> None:
    root, account_id = company.list_roots()["Roots"][0]["Id"], vended(company)
    workloads = company.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
    odd = company.create_organizational_unit(ParentId=workloads, Name="R/D 100%")["OrganizationalUnit"]["Id"]
    reader = OrganizationReader(aws_client())
    assert reader.path_of(found(reader, account_id)) == "/"
    company.move_account(AccountId=account_id, SourceParentId=root, DestinationParentId=odd)
    company.tag_resource(ResourceId=account_id, Tags=[{"Key": "team", "Value": "web"}])
    assert reader.path_of(found(reader, account_id)) == "/Workloads/R%2FD 100%25"
    assert reader.tags(account_id) == {"a": "b", "team": "web"}
    assert reader.ou_path(found(reader, account_id)) == "/Workloads/R%2FD 100%25"  # as the walk of a pass sees it


def test_a_closed_account_is_found_and_one_that_left_is_not(company: OrganizationsClient) -> None:
    reader, closed, left = OrganizationReader(aws_client()), vended(company), vended(company)
    company.close_account(AccountId=closed)
    before = found(reader, left)
    company.remove_account_from_organization(AccountId=left)
    assert found(reader, closed)["State"] == "SUSPENDED"
    assert reader.account(left) is None
    assert reader.path_of(before) is None


def test_an_account_in_no_organization_is_an_error() -> None:
    _, reader = scripted(DescribeAccount=(400, "AWSOrganizationsNotInUseException", "no organization"))
    with pytest.raises(BadInput, match="is in no organization") as failed, aws_errors():
        reader.account(ID)
    assert failed.value.code == "NoOrganization"


@pytest.mark.parametrize("code", ["AccountNotFoundException", "TargetNotFoundException"])
def test_an_account_that_the_organization_does_not_have_is_none(code: str) -> None:
    _, reader = scripted(DescribeAccount=(400, code, "no such account"))
    assert reader.account(ID) is None


def test_a_missing_permission_is_not_taken_for_a_missing_account() -> None:
    _, reader = scripted(DescribeAccount=(400, "AccessDeniedException", "no"), ListParents=(400, "AccessDenied", "no"))
    with pytest.raises(BadInput, match="the permission organizations:DescribeAccount"), aws_errors():
        reader.account(ID)
    with pytest.raises(BadInput, match="the permission organizations:ListParents"), aws_errors():
        reader.path_of(bare())


def test_a_path_that_aws_gives_spares_the_way_up() -> None:
    given: Any = account(NUMBER, Paths=[f"o-exampleorg/r-root/ou-root-aaaaaaaa/ou-root-bbbbbbbb/{ID}/"])
    script, reader = scripted(
        DescribeAccount={"Account": given}, DescribeOrganizationalUnit=[named("Workloads"), named("Production")]
    )
    for _ in range(2):
        assert reader.path_of(found(reader, ID)) == "/Workloads/Production"
    assert script.operations().count("DescribeOrganizationalUnit") == 2
    assert "ListParents" not in script.operations()


def test_without_a_path_the_parents_are_asked_one_by_one() -> None:
    script, reader = scripted(
        ListParents=[unit(2), unit(1), ROOT], DescribeOrganizationalUnit=[named("Production"), named("Workloads")]
    )
    assert reader.path_of(bare()) == "/Workloads/Production"
    children = [request["ChildId"] for operation, request in script.asked if operation == "ListParents"]
    assert children == [ID, "ou-root-00000002", "ou-root-00000001"]


def test_names_of_units_are_asked_once() -> None:
    script, reader = scripted(
        ListParents=[unit(1), ROOT, unit(1), ROOT], DescribeOrganizationalUnit=[named("Workloads"), named("renamed")]
    )
    assert (reader.path_of(bare()), reader.path_of(bare())) == ("/Workloads", "/Workloads")
    assert reader.calls_by_operation == {"ListParents": 4, "DescribeOrganizationalUnit": 1}
    assert reader.calls == len(script.asked) == 5


def test_an_empty_page_of_parents_is_not_the_end() -> None:
    _, reader = scripted(ListParents=[{"Parents": [], "NextToken": "one"}, ROOT])
    assert reader.path_of(bare()) == "/"


@pytest.mark.parametrize("answers", [[GONE], [unit(1), GONE], [{"Parents": []}]])
def test_what_has_gone_on_the_way_up_has_no_path(answers: list[Answer]) -> None:
    _, reader = scripted(ListParents=answers, DescribeOrganizationalUnit=named("Workloads"))
    assert reader.path_of(bare()) is None


def test_the_way_up_has_an_end() -> None:
    ways = [unit(level) for level in range(MAX_DEPTH)]
    _, reader = scripted(ListParents=[*ways, ROOT], DescribeOrganizationalUnit=named("a"))
    assert reader.path_of(bare()) == "/a" * MAX_DEPTH
    script, reader = scripted(ListParents=unit(1), DescribeOrganizationalUnit=named("a"))  # its own parent
    with pytest.raises(BadInput, match=f"Account {ID} stands below more than 10 organizational units") as failed:
        reader.path_of(bare())
    assert failed.value.code == "TooDeep"
    assert script.operations().count("ListParents") == MAX_DEPTH + 1


@pytest.mark.parametrize("code", ["TooManyRequestsException", "ThrottlingException"])
def test_throttled_answers_are_counted_among_the_calls(code: str) -> None:
    slow: Answer = (400, code, "slow down")
    _, reader = scripted(DescribeAccount=[slow, slow, {"Account": bare()}])
    assert found(reader, ID)["Id"] == ID
    assert (reader.throttled, reader.calls, reader.calls_by_operation["DescribeAccount"]) == (2, 3, 3)
    assert (found(reader, ID)["Id"], reader.throttled, reader.calls) == (ID, 2, 4)


def test_other_failures_are_not_counted_as_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_organizations, "ATTEMPTS_MAX", 2)
    _, reader = scripted(DescribeAccount=(500, "ServiceException", "try later"))
    with pytest.raises(Unavailable), aws_errors():
        reader.account(ID)
    assert (reader.throttled, reader.calls) == (0, 2)


def test_no_answer_at_all_is_a_call_that_was_not_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_organizations, "ATTEMPTS_MAX", 1)

    def silence(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://organizations.example.com")

    client = aws_client()
    client.meta.events.register("before-send.organizations", silence)
    reader = OrganizationReader(client)
    with pytest.raises(Unavailable, match="AWS Organizations cannot be reached"), aws_errors():
        reader.account(ID)
    assert (reader.throttled, reader.calls) == (0, 1)
