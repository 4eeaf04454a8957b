"""What each body says of an account, and what becomes of one that says nothing certain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.account_event import (
    ACCOUNT_NAME_CHARS_MAX,
    API_CALLS,
    HOW_CHARS_MAX,
    SERVICE_EVENTS,
    AccountEvent,
    AccountEventKind,
    Ignored,
    NotUnderstood,
    understand,
)
from domain.account_event_body import REASON_CHARS_MAX
from domain.decision import plain_line
from tests.domain.account_event_samples import NAMES, changed, in_event_bridge, in_sns, record, sample, without

CREATED, CREATION_FAILED = "organizations_CreateAccountResult_SUCCEEDED", "organizations_CreateAccountResult_FAILED"
VENDED, VENDING_FAILED = "controltower_CreateManagedAccount_SUCCEEDED", "controltower_CreateManagedAccount_FAILED"
JOINED, LEFT = "organizations_AccountJoinedOrganization_created", "organizations_AccountDepartedOrganization_left"
CLOSED, MOVED = "organizations_CloseAccountResult_SUCCEEDED", "organizations_MoveAccount"
TAGGED, ACCEPTED = "organizations_TagResource_account", "organizations_AcceptHandshake_invitation"
STATUS = "serviceEventDetails.createAccountStatus"


def told(name: str, kind: str, account_id: str, at: str, **more: str) -> tuple[str, dict[str, Any]]:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return name, {"kind": AccountEventKind(kind), "account_id": account_id, "at": moment, **more}


A, B, C = "444455556666", "555555555555", "012345678901"
EVENTS: dict[str, dict[str, Any]] = dict(
    [
        told(
            CREATED,
            "joined",
            A,
            "2020-09-16T21:20:53",
            joined_method="CREATED",
            request_id="car-examplecreateaccountrequestid111",
        ),
        told(
            CREATION_FAILED,
            "vending_failed",
            "",
            "2026-03-02T10:07:14",
            how="EMAIL_ALREADY_EXISTS",
            request_id="car-00000000000000000000000000000001",
        ),
        told(VENDED, "joined", A, "2019-11-16T12:09:32", account_name="LifeCycle1"),
        told(
            VENDING_FAILED,
            "vending_failed",
            A,
            "2026-05-01T10:48:14",
            account_name="checkout-prod",
            how="AWS Control Tower could not create a managed account: the organizational unit is not registered.",
        ),
        told(
            "controltower_UpdateManagedAccount_SUCCEEDED",
            "joined",
            A,
            "2026-05-01T10:48:14",
            account_name="checkout-prod",
        ),
        told(
            "controltower_UpdateManagedAccount_FAILED",
            "vending_failed",
            "",
            "2026-05-01T10:48:14",
            account_name="checkout-prod",
            how="AWS Control Tower could not update an account.",
        ),
        told(JOINED, "joined", A, "2026-06-01T08:00:03", joined_method="CREATED"),
        told(
            "organizations_AccountJoinedOrganization_invited",
            "joined",
            C,
            "2026-06-01T00:00:03",
            joined_method="INVITED",
        ),
        told("organizations_AccountDepartedOrganization_removed", "departed", A, "2026-06-02T08:00:03", how="Removed"),
        told(LEFT, "departed", C, "2026-06-02T12:30:03", how="Left"),
        told(
            "organizations_AccountDepartedOrganization_cleaned",
            "departed",
            B,
            "2026-06-02T08:00:03.250",
            how="Cleaned",
        ),
        told("organizations_RemoveAccountFromOrganization", "departed", A, "2026-04-03T12:00:00", how="Removed"),
        told("organizations_LeaveOrganization", "departed", A, "2026-04-04T12:00:00", how="Left"),
        told(MOVED, "moved", A, "2026-04-01T12:00:00"),
        told("organizations_CloseAccount", "closed", B, "2026-04-02T12:00:00"),
        told(CLOSED, "closed", B, "2022-03-18T18:16:58"),
        told(TAGGED, "tags_changed", A, "2026-04-05T12:00:00"),
        told("organizations_UntagResource_account", "tags_changed", C, "2026-04-06T12:00:00"),
        told(ACCEPTED, "joined", C, "2026-04-08T07:00:00", joined_method="INVITED"),
    ]
)
IGNORED = {
    "organizations_CloseAccountResult_FAILED": "the account was not closed: INTERNAL_FAILURE",
    "organizations_CloseAccount_refused": "the call was refused with 'ConstraintViolationException'",
    "organizations_LeaveOrganization_refused": "the call was refused with 'AccessDenied'",
    "organizations_TagResource_unit": "it changes tags of 'ou-ab12-11111111', which is no account",
    "organizations_InviteAccountToOrganization": "it tells nothing of an account that is acted on",
    "organizations_AcceptHandshake_invitation_by_mail": (
        "its invitation names no account; AccountJoinedOrganization tells which one it was"
    ),
    "organizations_AcceptHandshake_all_features": "its handshake is no invitation but 'enable_all_features'",
    "organizations_CreateOrganizationalUnit": "it tells nothing of an account that is acted on",
    "controltower_CreateManagedAccount_call": "it is the call, and its outcome is told later",
}


def event(body: str) -> AccountEvent:
    found = understand(body)
    assert isinstance(found, AccountEvent)
    return found


def reason(body: str) -> str:
    with pytest.raises(NotUnderstood) as refused:
        understand(body)
    assert str(refused.value) == refused.value.reason
    assert len(refused.value.reason) <= REASON_CHARS_MAX
    return refused.value.reason


@pytest.mark.parametrize("name", EVENTS)
def test_each_sample_says_what_happened_to_which_account_and_when(name: str) -> None:
    fields = record(name)
    expected = AccountEvent(name=fields["eventName"], event_id=fields["eventID"], **EVENTS[name])
    assert event(sample(name)) == expected
    assert AccountEvent.model_validate_json(expected.model_dump_json()) == expected


@pytest.mark.parametrize("name", IGNORED)
def test_each_other_sample_is_ignored_for_a_reason(name: str) -> None:
    assert understand(sample(name)) == Ignored(record(name)["eventName"], IGNORED[name])


def test_every_sample_kind_and_event_name_is_covered() -> None:
    assert sorted([*EVENTS, *IGNORED]) == NAMES
    assert {fields["kind"] for fields in EVENTS.values()} == set(AccountEventKind)
    understood = {(record(name)["eventSource"], record(name)["eventName"]) for name in EVENTS}
    assert understood == {*SERVICE_EVENTS, *API_CALLS}


@pytest.mark.parametrize("name", EVENTS)
def test_the_envelope_makes_no_difference(name: str) -> None:
    expected, fields = event(sample(name)), record(name)
    bridged = in_event_bridge(fields)
    for body in (fields, bridged, in_sns(json.dumps(fields)), in_sns(json.dumps(bridged))):
        assert event(json.dumps(body)) == expected


def test_the_time_is_the_events_own_or_else_when_it_was_recorded_or_else_when_it_was_sent() -> None:
    path = f"{STATUS}.completedTimestamp"
    assert event(without(CREATED, path)).at == datetime(2020, 9, 16, 21, 20, 53, tzinfo=UTC)
    assert event(changed(CLOSED, "serviceEventDetails.closeAccountStatus.completedTimestamp", "yesterday")).at == (
        datetime(2022, 3, 18, 18, 17, 6, tzinfo=UTC)
    )
    fields = json.loads(without(MOVED, "eventTime"))
    assert event(json.dumps(in_event_bridge(fields))).at == datetime(2026, 1, 1, tzinfo=UTC)
    assert reason(json.dumps(fields)) == (
        "MoveAccount: expected a time such as 2022-03-18T18:17:06Z at eventTime, found nothing."
    )


def test_the_time_that_eventbridge_gives_survives_an_inner_envelope_without_one() -> None:
    fields = json.loads(without(MOVED, "eventTime"))
    inner = in_event_bridge(fields)
    del inner["time"]
    outer = in_event_bridge(in_sns(json.dumps(inner)), time="2026-02-03T04:05:06+0200")
    assert event(json.dumps(outer)).at == datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize("mask", ["****", "*", "HIDDEN_DUE_TO_SECURITY_REASONS", "", "  ", None, 7])
def test_a_masked_account_name_is_not_told(mask: Any) -> None:
    assert event(changed(CREATED, f"{STATUS}.accountName", mask)).account_name == ""


@pytest.mark.parametrize("name", ["Checkout *", "Zahlungen – Übung", "支払い"])
def test_an_account_name_is_told_as_it_is(name: str) -> None:
    assert event(changed(CREATED, f"{STATUS}.accountName", name)).account_name == name


def test_names_and_reasons_lose_control_characters_and_what_is_too_much_of_them() -> None:
    name = event(changed(CREATED, f"{STATUS}.accountName", " \x1b[31mred\x00\u2028\u2029. ")).account_name
    assert name == "?[31mred???.".replace("?", "\N{REPLACEMENT CHARACTER}")
    assert plain_line(name) == name
    for path, chars_max, field in (
        (f"{STATUS}.accountName", ACCOUNT_NAME_CHARS_MAX, "account_name"),
        (f"{STATUS}.failureReason", HOW_CHARS_MAX, "how"),
    ):
        longest, longer = "x" * chars_max, "x" * (chars_max + 1)
        assert getattr(event(changed(CREATION_FAILED, path, longest)), field) == longest
        assert getattr(event(changed(CREATION_FAILED, path, longer)), field) == longest[:-1] + "…"


@pytest.mark.parametrize(
    ("told_as", "kept"), [("created", "CREATED"), ("Invited", "INVITED"), ("Adopted", ""), (1, "")]
)
def test_a_joined_method_is_created_or_invited_or_not_told(told_as: Any, kept: str) -> None:
    assert event(changed(JOINED, "serviceEventDetails.joinedMethod", told_as)).joined_method == kept


def test_a_way_to_depart_that_is_new_to_us_is_told_in_awss_word() -> None:
    assert event(changed(LEFT, "serviceEventDetails.departureMethod", "MERGED")).how == "MERGED"
    assert event(without(LEFT, "serviceEventDetails.departedMethod")).how == ""


def test_a_failure_without_a_usable_account_id_is_a_failure_still() -> None:
    path = "serviceEventDetails.createManagedAccountStatus.account.accountId"
    assert event(changed(VENDING_FAILED, path, "Not Available")).account_id == ""
    assert event(without(VENDING_FAILED, path)).account_id == ""


def test_a_failure_to_close_may_have_no_reason() -> None:
    path = "serviceEventDetails.closeAccountStatus.failureReason"
    body = without("organizations_CloseAccountResult_FAILED", path)
    assert understand(body) == Ignored("CloseAccountResult", "the account was not closed: no reason is told")


@pytest.mark.parametrize("code", [None, ""])
def test_a_call_with_an_empty_error_code_went_well(code: Any) -> None:
    assert event(changed(MOVED, "errorCode", code)).kind == AccountEventKind.MOVED


@pytest.mark.parametrize(
    "wrong", ["44445555666", "4444555566667", "４４４４５５５５６６６６", "checkout", 444455556666, "", [], {}]
)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        (CREATED, f"{STATUS}.accountId"),
        (VENDED, "serviceEventDetails.createManagedAccountStatus.account.accountId"),
        (JOINED, "serviceEventDetails.accountId"),
        (LEFT, "serviceEventDetails.accountId"),
        (CLOSED, "serviceEventDetails.closeAccountStatus.accountId"),
        (MOVED, "requestParameters.accountId"),
        (TAGGED, "requestParameters.resourceId"),
        ("organizations_LeaveOrganization", "userIdentity.accountId"),
    ],
)
def test_an_account_id_has_twelve_digits(name: str, path: str, wrong: Any) -> None:
    expected = f"expected an account id of 12 digits at {path}, found "
    assert expected in reason(changed(name, path, wrong))
    assert reason(without(name, path)).endswith(f"{expected}nothing.")


HANDSHAKE = "responseElements.handshake"
PARTIES, ACTION = f"{HANDSHAKE}.parties", f"{HANDSHAKE}.action"
ACCOUNT = {"type": "ACCOUNT", "id": C}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (PARTIES, None, f"a list at {PARTIES}, found nothing"),
        (PARTIES, [ACCOUNT, ACCOUNT], "one party that is an ACCOUNT, found a list"),
        (PARTIES, [{"type": "ACCOUNT"}], f"an account id of 12 digits for the ACCOUNT at {PARTIES}, found nothing"),
        (ACTION, 1, f"the action of a handshake at {ACTION}, found a number"),
        ("responseElements", None, f"the action of a handshake at {ACTION}, found nothing"),
    ],
)
def test_a_handshake_names_one_account(path: str, value: Any, expected: str) -> None:
    assert reason(changed(ACCEPTED, path, value)) == f"AcceptHandshake: expected {expected}."


@pytest.mark.parametrize("state", ["IN_PROGRESS", "", None, True])
def test_an_outcome_has_succeeded_or_failed(state: Any) -> None:
    assert f"expected SUCCEEDED or FAILED at {STATUS}.state" in reason(changed(CREATED, f"{STATUS}.state", state))


def test_the_account_beside_the_other_membership_details_counts() -> None:
    assert event(changed(JOINED, "serviceEventDetails.inviter", {"accountId": B})).account_id == A


def test_membership_details_that_could_be_two_accounts_are_not_understood() -> None:
    two = {"from": {"accountId": A}, "to": {"accountId": B}}
    assert "found nothing" in reason(changed(JOINED, "serviceEventDetails", two))


@pytest.mark.parametrize("source", ["signin.amazonaws.com", "organizations.amazonaws.com.example.com", None, 1, []])
def test_only_organizations_and_control_tower_are_heard(source: Any) -> None:
    expected = "Expected an eventSource of organizations.amazonaws.com or controltower.amazonaws.com, found "
    assert reason(changed(MOVED, "eventSource", source)).startswith(expected)


def test_an_event_of_the_one_service_is_no_event_of_the_other() -> None:
    found = understand(changed(MOVED, "eventSource", "controltower.amazonaws.com"))
    assert found == Ignored("MoveAccount", "it tells nothing of an account that is acted on")
