"""The activity of OrganizationSync: one pass over AWS Organizations, recording accounts that are new or have changed.

A pass costs one call for the organization, one for each 20 accounts, and one for the tags of each account that is new
or changed. Where AWS gives the accounts' paths, the names in them cost a call for each organizational unit above an
account; where it does not, the tree is walked once, which costs two calls or more for each unit.

May be repeated: what was recorded before is no longer a change. Accounts gone from the list keep their history.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING
from uuid import uuid5

from pydantic_core import to_json
from temporalio import activity

from activities.aws_organizations import ClientFactory, OrganizationIds, OrganizationReader, aws_client, aws_errors
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.account import (
    OBSERVATIONS_MAX,
    ORGANIZATION_STREAM,
    Account,
    AccountSeen,
    AwsOrganization,
    ObserveAccounts,
    account_stream,
)
from domain.decision import NAMESPACE, SYSTEM, Accepted, Channel, Refused
from domain.errors import error_named
from domain.process import SyncRequest, SyncResult
from ledger.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_organizations.type_defs import AccountTypeDef

STATE_UNKNOWN = "UNKNOWN"
"""Of an account for which AWS gives neither State nor Status."""

log = logging.getLogger(__name__)


class Organizations:
    """Reads the accounts of the organization into the ledger."""

    def __init__(self, ledger: Ledger, clients: ClientFactory = aws_client, *, tags_of_all: bool = False) -> None:
        """With `tags_of_all`, changes of tags alone are found too, for one call an account and pass."""
        self._ledger = ledger
        self._clients = clients
        self._tags_of_all = tags_of_all

    @activity.defn(name=ActivityName.SYNC_ORGANIZATION)
    def sync(self, _request: SyncRequest) -> SyncResult:
        """One full pass."""
        with reported(), beating() as beat, aws_errors():
            reader = OrganizationReader(self._clients())
            return _Pass(self._ledger, reader, beat, tags_of_all=self._tags_of_all).run()


class _Pass:
    """What one pass knows."""

    def __init__(self, ledger: Ledger, reader: OrganizationReader, beat: Beat, *, tags_of_all: bool) -> None:
        self._ledger, self._reader, self._beat = ledger, reader, beat
        self._tags_of_all = tags_of_all
        self._run_id = activity.info().workflow_run_id
        self._recorded = self._position = 0

    def run(self) -> SyncResult:
        organization = self._reader.organization()
        accounts = self._listed()
        known: AwsOrganization = self._ledger.states([ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
        is_new = organization != (known.organization_id, known.management_account_id)
        done = 0
        for number, page in enumerate(batched(accounts, OBSERVATIONS_MAX)):
            changed = self._changed(page)
            if changed or is_new:
                self._record(number, organization, changed, is_new=is_new)
                is_new = False
            done += len(page)
            self._beat.report("comparing accounts", done, len(accounts))
        return SyncResult(
            accounts=len(accounts), recorded=self._recorded, calls=self._reader.calls, position=self._position
        )

    def _listed(self) -> list[AccountTypeDef]:
        """All before the first is looked at, so that a walk of the tree, which comes after, knows of each."""
        accounts = []
        for account in self._reader.accounts():
            accounts.append(account)
            self._beat.report("listing accounts", len(accounts))
        return accounts

    def _changed(self, page: Sequence[AccountTypeDef]) -> tuple[AccountSeen, ...]:
        """Those that are new or differ from what is known, with their tags."""
        states = self._ledger.states([account_stream(account["Id"]) for account in page])
        changed = []
        for account in page:
            known: Account = states[account_stream(account["Id"])]
            seen = self._seen(account, known.seen)
            if seen and (self._tags_of_all or _differs(seen, known.seen)):
                seen = seen.model_copy(update={"tags": self._reader.tags(seen.account_id)})
                if _differs(seen, known.seen, with_tags=True):
                    changed.append(seen)
        return tuple(changed)

    def _seen(self, account: AccountTypeDef, known: AccountSeen | None) -> AccountSeen | None:
        joined_at = account.get("JoinedTimestamp")
        if joined_at is None:
            log.warning("Account %s has not joined yet; the next pass looks again", account["Id"])
            return None
        path = self._reader.ou_path(account)
        if path is None:  # moved while the tree was walked
            path = known.ou_path if known else ""
        return AccountSeen(
            account_id=account["Id"],
            name=account.get("Name", ""),
            email=account.get("Email", ""),
            # AWS retires Status in favour of State, which tells more apart.
            state=account.get("State") or account.get("Status") or STATE_UNKNOWN,
            joined_method=account.get("JoinedMethod", ""),
            joined_at=joined_at.astimezone(UTC),
            ou_path=path,
        )

    def _record(
        self, page: int, organization: OrganizationIds, changed: tuple[AccountSeen, ...], *, is_new: bool
    ) -> None:
        # The content is part of the id: when the activity is repeated, the page may hold something else meanwhile, and
        # then it is another command.
        digest = sha256(to_json((organization, changed))).hexdigest()
        command = ObserveAccounts(
            command_id=uuid5(NAMESPACE, f"organization-sync/{self._run_id}/{page}/{digest}"),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            organization_id=organization.organization_id,
            management_account_id=organization.management_account_id,
            accounts=changed,
        )
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            outcome: Accepted | Refused = self._ledger.record(command, origin_of_activity())
        if isinstance(outcome, Refused):
            raise error_named(outcome.error, outcome.message, outcome.code)
        self._recorded += max(0, outcome.events - is_new)
        self._position = max(self._position, outcome.position)


def _differs(seen: AccountSeen, known: AccountSeen | None, *, with_tags: bool = False) -> bool:
    """Whether there is something to record, as `domain.account.decide_observe` will see it."""
    if known is None or (known.tags is None and not with_tags):
        return True
    if seen.tags is None:
        seen = seen.model_copy(update={"tags": known.tags})
    return seen != known
