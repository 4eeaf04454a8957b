"""The activities of AccountAlignment: look whether the account was expected or a rule takes it, remind, escalate.

They act as Allot itself, which no message can: what they do follows from the ledger alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import batched
from uuid import uuid4, uuid5

from temporalio import activity

from activities.alignment_starting import AlignmentStarter
from activities.alignment_views import open_rounds, read_alignment
from activities.contracts import ActivityName, AlignmentStepRequest, InformResult, Progress, WakeRequest
from activities.ledger_commands import origin_of_activity, reported
from domain.account import Account, account_stream
from domain.account_process import AlignmentRound, AlignmentView
from domain.account_rules import RULES_STREAM, AccountRules, as_product, requested_codes
from domain.alignment import AlignAccount, AlignmentStep, EscalateAlignment, RemindAlignment
from domain.decision import NAMESPACE, SYSTEM, Channel, Organization
from domain.hierarchy import NodePath
from ledger.ledger import Ledger

ACCOUNTS_AT_ONCE = 500
CODED_MAX = 20
"""Products with one and the same code that are looked at; two are too many to choose from."""

type Coded = Callable[[str], Sequence[NodePath]]
"""Products that seem to have this code."""
type OpenAlignments = Callable[[int], Sequence[AlignmentRound]]
"""What the views show as open, once they have come to that place of the log."""


class Alignments:
    """Accounts on their way to a budget."""

    def __init__(
        self,
        ledger: Ledger,
        organization: Organization,
        starter: AlignmentStarter,
        coded: Coded,
        open_alignments: OpenAlignments,
    ) -> None:
        self._ledger, self._organization, self._starter = ledger, organization, starter
        self._coded, self._open_alignments = coded, open_alignments

    @activity.defn(name=ActivityName.ALIGN_ACCOUNT)
    def align(self, request: AlignmentRound) -> AlignmentView:
        """Looks, and allocates or proposes where it finds something; then how the account stands."""
        with reported():
            command = AlignAccount(
                command_id=uuid4(),  # the look may be repeated, and an id that could be guessed could be used up
                actor=SYSTEM,
                channel=Channel.WORKFLOW,
                account_id=request.account_id,
                occasion=request.occasion,
                coded=self._requested(request.account_id),
            )
            outcome = self._ledger.record(command, origin_of_activity())
            view = read_alignment(self._ledger, self._organization, request.account_id)
        return view.model_copy(update={"looked": outcome.message})

    @activity.defn(name=ActivityName.STEP_ALIGNMENT)
    def step(self, request: AlignmentStepRequest) -> AlignmentView:
        """Reminds or escalates; the view says whether anything came of it."""
        with reported():
            self._ledger.record(command_of(request), origin_of_activity())
            return read_alignment(self._ledger, self._organization, request.account_id)

    @activity.defn(name=ActivityName.WAKE_ALIGNMENTS)
    async def wake(self, request: WakeRequest) -> InformResult:
        """A process of an occasion that is over has to look, too, so that it ends."""
        told = 0
        for some in batched(request.account_ids, ACCOUNTS_AT_ONCE):
            activity.heartbeat(Progress(step="waking", done=told, whole=len(request.account_ids)))
            with reported():
                rounds, over = await asyncio.to_thread(self._rounds, some)
                told += await self._starter.wake(rounds)
                await self._starter.tell(over)
        if request.all_open:
            with reported():
                rounds = list(await asyncio.to_thread(self._open_alignments, request.position))
            for some_rounds in batched(rounds, ACCOUNTS_AT_ONCE):
                activity.heartbeat(Progress(step="waking", done=told, whole=len(rounds)))
                with reported():
                    told += await self._starter.wake(some_rounds)
        return InformResult(informed=told)

    def _rounds(self, account_ids: Sequence[str]) -> tuple[list[AlignmentRound], list[AlignmentRound]]:
        """Occasions that are open, and last ones that are over."""
        opened = open_rounds(self._ledger, account_ids)
        waiting = {one.account_id for one in opened}
        streams = {account_id: account_stream(account_id) for account_id in account_ids if account_id not in waiting}
        accounts = self._ledger.states(streams.values())
        over = [
            AlignmentRound(account_id=account_id, occasion=accounts[stream].occasion)
            for account_id, stream in streams.items()
            if accounts[stream].occasion
        ]
        return opened, over

    def _requested(self, account_id: str) -> tuple[NodePath, ...]:
        """Products that the account's tags may name by their code."""
        states = self._ledger.states([account_stream(account_id), RULES_STREAM])
        account: Account = states[account_stream(account_id)]
        rules: AccountRules = states[RULES_STREAM]
        if account.seen is None:
            return ()
        codes = [code for code in requested_codes(rules.rules, account.seen) if code and as_product(code) is None]
        return tuple(dict.fromkeys(product for code in codes for product in self._coded(code)[:CODED_MAX]))


def command_of(step: AlignmentStepRequest) -> AlignmentStep:
    """Its id follows from the step, so that a step that is tried again is the same."""
    name = f"alignment/{step.account_id}/{step.occasion}/{step.step}/{step.count}"
    if step.attempt:
        name += f"/{step.attempt}"
    shared = {
        "command_id": uuid5(NAMESPACE, name),
        "actor": SYSTEM,
        "channel": Channel.WORKFLOW,
        "account_id": step.account_id,
        "occasion": step.occasion,
    }
    if step.step == "remind":
        return RemindAlignment.model_validate({**shared, "count": step.count})
    return EscalateAlignment.model_validate(shared)
