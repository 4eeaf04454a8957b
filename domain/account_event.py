"""What AWS's events say of an account: CloudTrail records of AWS Organizations and AWS Control Tower, in our words.

They are hints: AWS delivers them as best it can, out of order, twice or not at all. Whoever gets one looks the account
up in AWS Organizations, and a full pass finds what no event told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import AwareDatetime

from domain.account_event_body import NotUnderstood as NotUnderstood
from domain.account_event_body import Record, is_account_id, one_line, record_in, shown
from domain.model import Model

ACCOUNT_NAME_CHARS_MAX = 200
HOW_CHARS_MAX = 2_000
ID_CHARS_MAX = 128
"""Characters of CloudTrail's event id, and of the id of a request to create an account."""
WORD_CHARS_MAX = 64
"""Characters of a state, an action or a method."""
WHY_CHARS_MAX = 300

_MASKS = ("HIDDEN_DUE_TO_SECURITY_REASONS",)
"""What CloudTrail writes in place of a value that it does not tell; it also writes nothing but asterisks."""
_JOINED_METHODS = ("CREATED", "INVITED")
_DEPARTURES = {"left": "Left", "removed": "Removed", "cleaned": "Cleaned"}
_OTHER_RESOURCE = re.compile(r"[a-z]{1,4}-")
"""How ids of roots, organizational units and policies begin, which have tags, too."""


class AccountEventKind(StrEnum):
    JOINED = "joined"
    VENDING_FAILED = "vending_failed"
    DEPARTED = "departed"
    MOVED = "moved"
    CLOSED = "closed"
    TAGS_CHANGED = "tags_changed"


class AccountEvent(Model):
    """What one body says of one account."""

    kind: AccountEventKind
    name: str
    """AWS's eventName, such as `CreateAccountResult`."""
    event_id: str
    """CloudTrail's eventID; empty where it is not told."""
    account_id: str = ""
    """12 digits; empty only where an account failed before it had an id."""
    at: AwareDatetime
    """When it happened, in UTC: the event's own time for it, or else when it was recorded or sent."""
    account_name: str = ""
    """Empty where it is not told."""
    joined_method: str = ""
    """CREATED or INVITED; empty where it is not told."""
    how: str = ""
    """Of a departure: Left, Removed or Cleaned. Of a failure: its reason in AWS's words."""
    request_id: str = ""
    """Of a CreateAccountResult: the id of the request, such as `car-…`."""


class Ignored(NamedTuple):
    """A body that was understood and says nothing of an account that would have to be acted on."""

    name: str
    why: str


Reader = Callable[[Record], AccountEvent | Ignored]


def understand(body: str) -> AccountEvent | Ignored:
    """What the text of a message says of an account; raises NotUnderstood, and never anything else."""
    record = record_in(body)
    key = (record.source, record.name)
    if read := API_CALLS.get(key):
        code = record.at("errorCode")
        refused = code not in (None, "")
        return _ignored(record, f"the call was refused with {shown(code)}") if refused else read(record)
    if read := SERVICE_EVENTS.get(key):
        # Control Tower records the call under the name that it also gives to the outcome, which is still to come.
        is_call = record.at("eventType") == "AwsApiCall"
        return _ignored(record, "it is the call, and its outcome is told later") if is_call else read(record)
    return _ignored(record, "it tells nothing of an account that is acted on")


def _create_account_result(record: Record) -> AccountEvent:
    status = "serviceEventDetails.createAccountStatus"
    request_id = record.text(f"{status}.id", ID_CHARS_MAX)
    return _vended(record, status, status, request_id=request_id, joined_method="CREATED")


def _create_managed_account(record: Record) -> AccountEvent:
    status = "serviceEventDetails.createManagedAccountStatus"
    return _vended(record, status, f"{status}.account")


def _update_managed_account(record: Record) -> AccountEvent:
    status = "serviceEventDetails.updateManagedAccountStatus"
    return _vended(record, status, f"{status}.account")


def _vended(
    record: Record, status: str, account: str, *, request_id: str = "", joined_method: str = ""
) -> AccountEvent:
    """The end of an account's making; `status` and `account` are the paths of its state, and of its id and name."""
    at = record.when(f"{status}.completedTimestamp")
    name = _account_name(record, f"{account}.accountName")
    if _succeeded(record, status):
        return _event(
            record,
            AccountEventKind.JOINED,
            record.account_id(f"{account}.accountId"),
            at,
            account_name=name,
            joined_method=joined_method,
            request_id=request_id,
        )
    return _event(
        record,
        AccountEventKind.VENDING_FAILED,
        record.told_account_id(f"{account}.accountId"),
        at,
        account_name=name,
        how=_reason(record, status),
        request_id=request_id,
    )


def _close_account_result(record: Record) -> AccountEvent | Ignored:
    status = "serviceEventDetails.closeAccountStatus"
    if not _succeeded(record, status):
        return _ignored(record, f"the account was not closed: {_reason(record, status) or 'no reason is told'}")
    account_id = record.account_id(f"{status}.accountId")
    return _event(record, AccountEventKind.CLOSED, account_id, record.when(f"{status}.completedTimestamp"))


def _account_joined(record: Record) -> AccountEvent:
    details = _membership(record)
    method = record.text(f"{details}.joinedMethod", WORD_CHARS_MAX).upper()
    return _event(
        record,
        AccountEventKind.JOINED,
        record.account_id(f"{details}.accountId"),
        record.when(f"{details}.joinedTime"),
        account_name=_account_name(record, f"{details}.accountName"),
        joined_method=method if method in _JOINED_METHODS else "",
    )


def _account_departed(record: Record) -> AccountEvent:
    """AWS's documentation calls the fields departureMethod and departureTime, and on older pages departedMethod …"""
    details = _membership(record)
    method = record.text(f"{details}.departureMethod", WORD_CHARS_MAX)
    method = method or record.text(f"{details}.departedMethod", WORD_CHARS_MAX)
    return _event(
        record,
        AccountEventKind.DEPARTED,
        record.account_id(f"{details}.accountId"),
        record.when(f"{details}.departureTime", f"{details}.departedTime"),
        account_name=_account_name(record, f"{details}.accountName"),
        how=_DEPARTURES.get(method.lower(), method),
    )


def _membership(record: Record) -> str:
    """The path of what a membership event tells.

    AWS documents its fields but prints no whole event, so that they may stand in `serviceEventDetails` itself or, as in
    all older events, in the one object within it.
    """
    path = "serviceEventDetails"
    details = record.at(path)
    if isinstance(details, dict) and "accountId" not in details:
        inner = [key for key, value in details.items() if isinstance(value, dict) and "accountId" in value]
        if len(inner) == 1:
            return f"{path}.{inner[0]}"
    return path


def _move_account(record: Record) -> AccountEvent:
    return _called(record, AccountEventKind.MOVED, "requestParameters.accountId")


def _close_account(record: Record) -> AccountEvent:
    return _called(record, AccountEventKind.CLOSED, "requestParameters.accountId")


def _remove_account(record: Record) -> AccountEvent:
    return _called(record, AccountEventKind.DEPARTED, "requestParameters.accountId", how="Removed")


def _leave_organization(record: Record) -> AccountEvent:
    """It has no parameters: the account that leaves is the one that calls."""
    return _called(record, AccountEventKind.DEPARTED, "userIdentity.accountId", how="Left")


def _change_tags(record: Record) -> AccountEvent | Ignored:
    path = "requestParameters.resourceId"
    resource = record.at(path)
    if isinstance(resource, str) and _OTHER_RESOURCE.match(resource):
        return _ignored(record, f"it changes tags of {shown(resource)}, which is no account")
    return _called(record, AccountEventKind.TAGS_CHANGED, path)


def _accept_handshake(record: Record) -> AccountEvent | Ignored:
    path = "responseElements.handshake"
    action = record.text(f"{path}.action", WORD_CHARS_MAX)
    if not action:
        record.fail(f"the action of a handshake at {path}.action", record.at(f"{path}.action"))
    if action.upper() != "INVITE":
        return _ignored(record, f"its handshake is no invitation but {shown(action)}")
    parties = record.at(f"{path}.parties")
    if not isinstance(parties, list):
        record.fail(f"a list at {path}.parties", parties)
    accounts = [party for party in parties if isinstance(party, dict) and party.get("type") == "ACCOUNT"]
    if not accounts:
        return _ignored(record, "its invitation names no account; AccountJoinedOrganization tells which one it was")
    if len(accounts) > 1:
        record.fail("one party that is an ACCOUNT", accounts)
    account_id = accounts[0].get("id")
    if not is_account_id(account_id):
        record.fail(f"an account id of 12 digits for the ACCOUNT at {path}.parties", account_id)
    return _event(record, AccountEventKind.JOINED, account_id, record.when(), joined_method="INVITED")


def _called(record: Record, kind: AccountEventKind, path: str, how: str = "") -> AccountEvent:
    """A call that went well and names its account at this path."""
    return _event(record, kind, record.account_id(path), record.when(), how=how)


def _event(
    record: Record,
    kind: AccountEventKind,
    account_id: str,
    at: datetime,
    *,
    account_name: str = "",
    joined_method: str = "",
    how: str = "",
    request_id: str = "",
) -> AccountEvent:
    return AccountEvent(
        kind=kind,
        name=record.name,
        event_id=record.text("eventID", ID_CHARS_MAX),
        account_id=account_id,
        at=at,
        account_name=account_name,
        joined_method=joined_method,
        how=how,
        request_id=request_id,
    )


def _ignored(record: Record, why: str) -> Ignored:
    return Ignored(record.name, one_line(why, WHY_CHARS_MAX))


def _succeeded(record: Record, status: str) -> bool:
    """Raises NotUnderstood for a state that is no end."""
    state = record.text(f"{status}.state", WORD_CHARS_MAX).upper()
    if state not in ("SUCCEEDED", "FAILED"):
        record.fail(f"SUCCEEDED or FAILED at {status}.state", record.at(f"{status}.state"))
    return state == "SUCCEEDED"


def _reason(record: Record, status: str) -> str:
    """Organizations gives a failureReason, Control Tower a message."""
    return record.text(f"{status}.failureReason", HOW_CHARS_MAX) or record.text(f"{status}.message", HOW_CHARS_MAX)


def _account_name(record: Record, path: str) -> str:
    name = record.text(path, ACCOUNT_NAME_CHARS_MAX)
    return "" if name in _MASKS or not name.strip("*") else name


_ORGANIZATIONS, _CONTROL_TOWER = "organizations.amazonaws.com", "controltower.amazonaws.com"

SERVICE_EVENTS: Mapping[tuple[str, str], Reader] = {
    (_ORGANIZATIONS, "CreateAccountResult"): _create_account_result,
    (_ORGANIZATIONS, "CloseAccountResult"): _close_account_result,
    (_ORGANIZATIONS, "AccountJoinedOrganization"): _account_joined,
    (_ORGANIZATIONS, "AccountDepartedOrganization"): _account_departed,
    (_CONTROL_TOWER, "CreateManagedAccount"): _create_managed_account,
    (_CONTROL_TOWER, "UpdateManagedAccount"): _update_managed_account,
}
"""By eventSource and eventName: what AWS reports by itself, in EventBridge "AWS Service Event via CloudTrail"."""

API_CALLS: Mapping[tuple[str, str], Reader] = {
    (_ORGANIZATIONS, "MoveAccount"): _move_account,
    (_ORGANIZATIONS, "CloseAccount"): _close_account,
    (_ORGANIZATIONS, "RemoveAccountFromOrganization"): _remove_account,
    (_ORGANIZATIONS, "LeaveOrganization"): _leave_organization,
    (_ORGANIZATIONS, "TagResource"): _change_tags,
    (_ORGANIZATIONS, "UntagResource"): _change_tags,
    (_ORGANIZATIONS, "AcceptHandshake"): _accept_handshake,
}
"""By eventSource and eventName: what somebody did, in EventBridge "AWS API Call via CloudTrail"."""
