"""Signals to the process of an alignment: they decide like updates, none stops it, and none passes unseen."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from domain.account import account_stream
from domain.account_facts import Allocated, Basis
from domain.process import REFRESH_SIGNAL
from tests.workflows.account_stage import ADMIN, COLLEAGUE, ENGINEER, SEARCH, AccountStage, on_account_stage, split
from tests.workflows.stage import OWNER, PRODUCT
from workflows.alignment_run import COMMANDS

HUNDRED_KB = 100_000
OTHER_ACCOUNT = "999999999999"


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[AccountStage]:
    async with on_account_stage(temporal_client, database_url) as made:
        await made.vend()
        yield made


def wish(actor: str = ADMIN, **fields: Any) -> dict[str, Any]:
    """An allocation as a person would write it down: the process knows the rest."""
    shares = [{"product": str(PRODUCT), "percent": 62.5}, {"product": str(SEARCH), "percent": 37.5}]
    return {"actor": actor, "account_type": "Sandbox", "shares": shares} | fields


def raw(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


async def test_a_signal_allocates_it(stage: AccountStage) -> None:
    await stage.handle.signal("allocate", wish())
    view = await stage.ended()

    assert (view.refusals, view.account_type) == (0, "Sandbox")
    assert view.shares == {str(PRODUCT): "62.5", str(SEARCH): "37.5"}
    assert stage.last(Allocated).allocated_by == stage.ledger.people.find(ADMIN)


async def test_a_proposal_is_made_and_decided_on_by_signals(stage: AccountStage) -> None:
    await stage.handle.signal("propose", wish(ENGINEER))
    await stage.until(lambda view: view.proposal == 1)
    await stage.handle.signal("decline", {"actor": ADMIN, "proposal": 1, "reason": "another type"})
    await stage.until(lambda view: view.proposal == 0)
    await stage.handle.signal("propose", wish(ENGINEER, account_type="Shared"))
    await stage.until(lambda view: view.proposal == 2)
    await stage.handle.signal("accept", {"actor": COLLEAGUE, "proposal": 2})

    assert (await stage.ended()).account_type == "Shared"
    assert stage.last(Allocated).basis is Basis.PROPOSAL


async def test_signals_are_taken_in_the_order_in_which_they_came(stage: AccountStage) -> None:
    for number in range(5):
        await stage.handle.signal("accept", {"actor": OWNER, "proposal": number + 10})
    await stage.handle.signal("allocate", wish())
    await stage.handle.signal("propose", wish(ENGINEER, account_type="Shared"))
    await stage.ended()

    assert len(stage.refusals()) == 5
    assert stage.facts()[:5] == ["Vended", "AlignmentOpened", "Allocated", "AlignmentOpened", "AllocationProposed"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("allocate", wish(OWNER)),
        ("allocate", wish(shares=[{"product": str(PRODUCT), "percent": "99"}])),
        ("allocate", wish(shares=[{"product": "A/B/C/D", "percent": "100"}])),
        ("allocate", wish(effective_on="2020-01-01")),
        ("propose", wish(OWNER)),
        ("accept", {"actor": ADMIN, "proposal": 7}),
        ("decline", {"actor": ADMIN, "proposal": 7, "reason": "no"}),
        ("allocate", wish("nobody@example.com")),
        ("allocate", wish("system")),
    ],
)
async def test_a_signal_is_refused_in_the_same_words_as_an_update(
    stage: AccountStage, name: str, fields: dict[str, Any]
) -> None:
    await stage.handle.signal(name, fields)
    by_signal = await stage.refused(1)
    with pytest.raises(ApplicationError) as refused:
        await stage.send(name, command_of(stage, name, fields))
    by_update = stage.refusals()[-1]

    assert refused.value.message == by_signal.message
    assert (by_update.error, by_update.code, by_update.message) == (by_signal.error, by_signal.code, by_signal.message)
    assert (by_update.command, by_update.subject) == (by_signal.command, by_signal.subject)
    assert stage.facts() == ["Vended", "AlignmentOpened"]


def command_of(stage: AccountStage, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The same as an update carries it, with numbers as text."""
    known = stage.address(fields["actor"]) | {"kind": COMMANDS[name].model_fields["kind"].default} | fields
    if "shares" in fields:
        known["shares"] = [share | {"percent": str(share["percent"])} for share in fields["shares"]]
    return known


HOSTILE: dict[str, tuple[str, Sequence[Any], str]] = {
    "no input at all": ("allocate", (), "0 inputs were sent"),
    "null": ("allocate", (None,), "must be a JSON object"),
    "a number": ("accept", (42,), "must be a JSON object"),
    "a list": ("decline", ([1, 2],), "must be a JSON object"),
    "two arguments": ("accept", ({"actor": ADMIN, "proposal": 1}, 2), "2 inputs were sent"),
    "nothing but braces": ("propose", ({},), "actor: Field required"),
    "wrong types": ("allocate", ({"actor": 7, "account_type": "Mine", "shares": "all"},), "actor: Input should be"),
    "a share of a department": (
        "allocate",
        (wish(shares=[{"product": "Retail/Digital", "percent": 100}]),),
        "no product Retail/Digital",
    ),
    "a percentage that is no number": (
        "allocate",
        (wish(shares=[{"product": str(PRODUCT), "percent": "NaN"}]),),
        "shares.0.percent",
    ),
    "an endless number": ("accept", (raw(b'{"actor": "a", "proposal": 1e999999999}'),), "not JSON"),
    "half of a character": ("accept", (raw(rb'{"actor": "\ud800", "proposal": 1}'),), "actor"),
    "a NUL character": (
        "decline",
        ({"actor": ADMIN, "proposal": 1, "reason": "a\0"},),
        "control characters",
    ),
    "endless nesting": ("accept", (raw(b'{"actor": ' + b"[" * 9_000 + b"]" * 9_000 + b"}"),), "actor"),
    "a hundred kilobytes": ("allocate", (wish(note="x" * HUNDRED_KB),), "100,1"),
    "an unknown encoding": ("accept", (raw(b"?", b"binary/mine"),), "binary/mine"),
    "what only looks like JSON": ("accept", (raw(b"\xff\xfe{"),), "not JSON"),
    "an unknown name": ("terminate everything", ({},), "send allocate, propose, accept, decline"),
    "another process's name": ("approve", ({"actor": ADMIN, "version": 1},), "There is no signal 'approve' here"),
    "another account": (
        "allocate",
        (wish(account_id=OTHER_ACCOUNT),),
        f"the command is for {OTHER_ACCOUNT}: send it to the process of that account",
    ),
    "an account that is none": ("allocate", (wish(account_id="../1"),), "account_id"),
    "another kind of command": ("accept", (wish(kind="person.Grant"),), "kind"),
    "a door of Allot's own": ("allocate", (wish("system", channel="workflow"),), "Nobody outside"),
}
"""By what it is: name of the signal, its inputs, and words of the refusal."""


async def test_no_signal_stops_a_process_or_passes_unseen(stage: AccountStage) -> None:
    for count, (what, (name, inputs, words)) in enumerate(HOSTILE.items(), start=1):
        await stage.handle.signal(name, args=inputs)
        refusal = await stage.refused(count)
        assert words in refusal.message, what
        assert refusal.subject == str(account_stream(stage.account_id)), what
        assert f"Refused messages: {count}" in await stage.details(), what
        assert "@example.com" not in refusal.excerpt + refusal.message, what
        assert (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING, what

    assert (await stage.view()).last_refusal.startswith("Nobody outside")
    await stage.handle.signal("allocate", wish())
    assert (await stage.ended()).refusals == len(HOSTILE)
    assert stage.facts() == ["Vended", "AlignmentOpened", "Allocated"]


@pytest.mark.parametrize("inputs", [(), (None,), (1, [2]), (raw(b"\xff", b"binary/odd"),)])
async def test_a_refresh_is_taken_whatever_it_holds(stage: AccountStage, inputs: Sequence[Any]) -> None:
    stage.observe(name="renamed")
    await stage.handle.signal(REFRESH_SIGNAL, args=inputs)
    view = await stage.until(lambda view: view.name == "renamed")

    assert (view.open, view.refusals) == (True, 0)


async def test_an_id_that_is_used_already_is_refused_and_shown(stage: AccountStage) -> None:
    used = stage.proposal("60", "40")
    await stage.send("propose", used)
    await stage.handle.signal("allocate", wish(command_id=str(used.command_id)))
    refusal = await stage.refused(1)

    assert f"The command id {used.command_id} belongs to another command" in refusal.message
    assert (await stage.view()).open


async def test_where_claimed_actors_are_not_accepted_a_signal_decides_nothing(
    temporal_client: Client, database_url: str
) -> None:
    async with on_account_stage(temporal_client, database_url, accept_claimed_actors=False) as stage:
        await stage.vend()
        await stage.handle.signal("allocate", wish())

        assert (await stage.refused(1)).code == "ClaimedActor"
        assert stage.facts() == ["Vended", "AlignmentOpened"]


async def test_the_json_that_the_details_show_can_be_sent_as_it_is(stage: AccountStage) -> None:
    """But for who sends it."""
    await stage.propose("60", "40")
    await stage.until(lambda view: view.proposal == 1)
    shown = (await stage.details()).partition("Signal `accept`")[2].partition("```json\n")[2].partition("```")[0]
    await stage.handle.signal("accept", json.loads(shown) | {"actor": ADMIN})

    assert (await stage.ended()).shares == {str(PRODUCT): "60", str(SEARCH): "40"}
    assert split("60", "40") == stage.last(Allocated).shares
