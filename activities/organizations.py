"""The activity of OrganizationSync: one pass over AWS Organizations, recording accounts that are new, changed or gone.

A pass costs one call for the organization, one for each 20 accounts, and one for the tags of each account that is new
or changed. Where AWS gives the accounts' paths, the names in them cost a call for each organizational unit above an
account; where it does not, the tree is walked once, which costs two calls or more for each unit.

May be repeated: what was recorded before is no longer a change. An account that is gone from the list keeps its
history; before it counts as gone, it is asked for by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING
from uuid import uuid5

from pydantic_core import to_json
from temporalio import activity

from activities.account_sight import seen_as
from activities.alignment_starting import Starts
from activities.alignment_views import open_rounds
from activities.aws_organizations import ClientFactory, OrganizationIds, OrganizationReader, aws_client, aws_errors
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.account import ORGANIZATION_STREAM, Account, AwsOrganization, account_stream, account_streams
from domain.account_facts import GONE_FROM_THE_LIST, AccountSeen
from domain.account_observing import (
    OBSERVATIONS_MAX,
    Departure,
    ObserveAccounts,
    RecordDepartures,
    changes,
    has_departed,
    is_older,
    needs_alignment,
)
from domain.account_process import AlignmentRound, SyncRequest, SyncResult
from domain.decision import NAMESPACE, SYSTEM, Accepted, Channel, Command, Refused
from domain.errors import Unavailable, error_named
from ledger.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_organizations.type_defs import AccountTypeDef

MISSING_MAX = 200
"""Accounts that are gone from the list and asked for by their id, in one pass; the next one goes on."""
LISTING = ("ListAccounts",)

log = logging.getLogger(__name__)


class Surroundings:
    """What a pass asks the views, and whom it tells; by default nobody, so that it can be looked at alone."""

    def __init__(
        self,
        present: Callable[[], Sequence[str]] = tuple,
        open_alignments: Callable[[], Sequence[AlignmentRound]] = tuple,
        starter: Starts | None = None,
    ) -> None:
        self.present = present
        """Ids of accounts that were there last."""
        self.open_alignments = open_alignments
        self.starter = starter


class Organizations:
    """Reads the accounts of the organization into the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        clients: ClientFactory = aws_client,
        around: Surroundings | None = None,
        *,
        tags_of_all: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """With `tags_of_all`, changes of tags alone are found too, for one call an account and pass."""
        self._ledger = ledger
        self._clients = clients
        self._around = around or Surroundings()
        self._tags_of_all = tags_of_all
        self._clock = clock

    @activity.defn(name=ActivityName.SYNC_ORGANIZATION)
    def sync(self, _request: SyncRequest) -> SyncResult:
        """One full pass."""
        with reported(), beating() as beat, aws_errors():
            reader = OrganizationReader(self._clients())
            begun_at = self._clock()
            return _Pass(self._ledger, reader, beat, self._around, begun_at, tags_of_all=self._tags_of_all).run()


class _Pass:
    """What one pass knows."""

    def __init__(
        self,
        ledger: Ledger,
        reader: OrganizationReader,
        beat: Beat,
        around: Surroundings,
        begun_at: datetime,
        *,
        tags_of_all: bool,
    ) -> None:
        self._ledger, self._reader, self._beat, self._around = ledger, reader, beat, around
        self._begun_at = begun_at
        """What is told of accounts was so at that time, or later."""
        self._tags_of_all = tags_of_all
        self._run_id = activity.info().workflow_run_id
        self._open: dict[str, AlignmentRound] = {}
        """Occasions that were open when the pass came by."""
        self._recorded = self._position = self._opened = self._started = self._departed = self._skipped = 0

    def run(self) -> SyncResult:
        organization = self._reader.organization()
        accounts = self._listed()
        known: AwsOrganization = self._ledger.states([ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
        is_new = organization != (known.organization_id, known.management_account_id)
        done = 0
        for number, page in enumerate(batched(accounts, OBSERVATIONS_MAX)):
            changed = self._changed(page)
            if changed or is_new:
                self._observe(number, organization, changed)
                is_new = False
            done += len(page)
            self._beat.report("comparing accounts", done, len(accounts))
        self._look_for_missing(organization, {account["Id"] for account in accounts})
        self._start_missing()
        calls = self._reader.calls_by_operation
        return SyncResult(
            accounts=len(accounts),
            recorded=self._recorded,
            calls=self._reader.calls,
            position=self._position,
            departed=self._departed,
            opened=self._opened,
            started=self._started,
            list_calls=sum(calls[operation] for operation in LISTING),
            tag_calls=calls["ListTagsForResource"],
            throttled=self._reader.throttled,
            skipped=self._skipped,
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
            if known.is_open:
                self._open[account["Id"]] = AlignmentRound(account_id=account["Id"], occasion=known.occasion)
            seen = self._seen(account, known.seen)
            if seen is None or is_older(known, self._begun_at):  # an event has told more while the list was read
                continue
            if self._tags_of_all or _differs(seen, known):
                seen = seen.model_copy(update={"tags": self._reader.tags(seen.account_id)})
                if _differs(seen, known, with_tags=True):
                    changed.append(seen)
        return tuple(changed)

    def _seen(self, account: AccountTypeDef, known: AccountSeen | None) -> AccountSeen | None:
        path = self._reader.ou_path(account) if account.get("JoinedTimestamp") else ""
        if path is None:  # moved while the tree was walked
            path = known.ou_path if known else ""
        if (seen := seen_as(account, path, None)) is None:
            log.warning("Account %s has not joined yet; the next pass looks again", account["Id"])
            self._skipped += 1
        return seen

    def _observe(self, page: int, organization: OrganizationIds, changed: tuple[AccountSeen, ...]) -> None:
        # The content is part of the id: when the activity is repeated, the page may hold something else meanwhile, and
        # then it is another command.
        digest = sha256(to_json((organization, changed, self._begun_at))).hexdigest()
        command = ObserveAccounts(
            command_id=uuid5(NAMESPACE, f"organization-sync/{self._run_id}/{page}/{digest}"),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            organization_id=organization.organization_id,
            management_account_id=organization.management_account_id,
            accounts=changed,
            observed_at=self._begun_at,
        )
        if self._record_and_tell(command, [seen.account_id for seen in changed]):
            self._recorded += len(changed)

    def _look_for_missing(self, organization: OrganizationIds, listed: set[str]) -> None:
        """Accounts that were there, and are not in the list any more."""
        if organization.management_account_id not in listed:
            raise Unavailable(
                f"AWS lists the accounts without their management account {organization.management_account_id}: the "
                "list is not whole. It will be read again."
            )
        missing = [account_id for account_id in self._around.present() if account_id not in listed]
        for some in batched(missing[:MISSING_MAX], OBSERVATIONS_MAX):
            gone = [account_id for account_id in some if self._reader.account(account_id) is None]
            self._beat.report("looking for accounts gone from the list", len(gone), len(missing))
            if gone:
                self._depart(gone)

    def _depart(self, gone: Sequence[str]) -> None:
        states, departures = self._ledger.states(account_streams(gone)), list[Departure]()
        for account_id in gone:
            departure = Departure(account_id=account_id, how=GONE_FROM_THE_LIST, at=self._begun_at)
            if has_departed(states[account_stream(account_id)], departure, self._begun_at):
                departures.append(departure)
        if not departures:  # the ledger knows already, and the views do not yet
            return
        digest = sha256(to_json(departures)).hexdigest()
        command = RecordDepartures(
            command_id=uuid5(NAMESPACE, f"organization-sync/{self._run_id}/gone/{digest}"),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            departures=tuple(departures),
            observed_at=self._begun_at,
        )
        if self._record_and_tell(command, [departure.account_id for departure in departures]):
            self._departed += len(departures)

    def _start_missing(self) -> None:
        """What was opened while nobody was there to start its process, or by other doors; the views know of accounts
        that are not in the list."""
        if self._around.starter is not None:
            self._beat.report("starting alignments")
            # Where both know an account, the views may be behind.
            known = {one.account_id: one for one in self._around.open_alignments()} | self._open
            self._started += self._around.starter.start_missing(list(known.values()))

    def _record_and_tell(self, command: Command, account_ids: Sequence[str]) -> bool:
        """Whether there was anything to record. Processes of what is open are started or look; so do those of what is
        over now, and end."""
        open_before = open_rounds(self._ledger, account_ids)
        if not self._record(command).events:
            return False
        open_now = open_rounds(self._ledger, account_ids)
        self._opened += sum(one not in open_before for one in open_now)
        if self._around.starter is not None:
            self._started += self._around.starter.start(open_now)
            self._around.starter.tell_over([one for one in open_before if one not in open_now])
        return True

    def _record(self, command: Command) -> Accepted:
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            outcome: Accepted | Refused = self._ledger.record(command, origin_of_activity())
        if isinstance(outcome, Refused):
            raise error_named(outcome.error, outcome.message, outcome.code)
        self._position = max(self._position, outcome.position)
        return outcome


def _differs(seen: AccountSeen, known: Account, *, with_tags: bool = False) -> bool:
    """Whether there is something to record, as `domain.account_observing.decide_observe` will see it."""
    if known.seen is None or (known.seen.tags is None and not with_tags):
        return True
    return bool(changes(known.seen, seen)) or known.departed_at is not None or needs_alignment(known)
