"""The search attributes of all processes: what the list of workflows in the Temporal UI can be filtered by.

They are stored in plain text and never encrypted, so nothing personal goes in here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType as Indexed
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from domain.account_process import AlignmentRound, AlignmentView
from domain.errors import Unavailable
from domain.estimate_process import EstimateRound, EstimateView
from domain.hierarchy import NodePath
from domain.process import ScheduleRound, ScheduleView

BUDGET_STATE = SearchAttributeKey.for_keyword("BudgetState")
FISCAL_YEAR = SearchAttributeKey.for_int("FiscalYear")
NODE_PATH = SearchAttributeKey.for_keyword_list("NodePath")
"""The node and all above it, so that `NodePath = "Retail/Digital"` finds everything below."""
AWAITING_ROLE = SearchAttributeKey.for_keyword("AwaitingRole")
ACCOUNT_ID = SearchAttributeKey.for_keyword("AccountId")
BILLING_PERIOD = SearchAttributeKey.for_keyword("BillingPeriod")

ALL: tuple[SearchAttributeKey[Any], ...] = (
    BUDGET_STATE,
    FISCAL_YEAR,
    NODE_PATH,
    AWAITING_ROLE,
    ACCOUNT_ID,
    BILLING_PERIOD,
)

VALUE_BYTES_MAX = 1_900
"""Of one attribute; a server refuses more than 2 KiB, and a refused attribute would hold up its process for ever."""
VISIBLE_WITHIN_S = 30.0
POLL_S = 0.2

_TYPES: dict[Indexed, IndexedValueType.ValueType] = {
    Indexed.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    Indexed.KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    Indexed.INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


def node_values(node: NodePath) -> list[str]:
    """Texts for NODE_PATH, from E1 down; the deepest are left out where names are so long that they would not fit."""
    values: list[str] = []
    size = 0
    for path in map(str, node.lineage()):
        size += len(path.encode()) + 4  # quotes, comma and blank of the JSON list
        if size > VALUE_BYTES_MAX:
            break
        values.append(path)
    return values


def of_schedule(view: ScheduleView, addressee: ScheduleRound) -> dict[SearchAttributeKey[Any], Any]:
    """What the process of a round is found by; None for what it does not have."""
    is_ours = view.round == addressee.round
    return {
        FISCAL_YEAR: addressee.fiscal_year,
        NODE_PATH: node_values(addressee.product),
        BUDGET_STATE: str(view.state),
        AWAITING_ROLE: (view.awaiting or None) if is_ours else None,
    }


def of_alignment(view: AlignmentView, addressee: AlignmentRound) -> dict[SearchAttributeKey[Any], Any]:
    """What the process of an alignment is found by; None for what it does not have."""
    is_ours = view.open and view.occasion == addressee.occasion
    return {
        ACCOUNT_ID: addressee.account_id,
        BUDGET_STATE: view.lifecycle or None,
        AWAITING_ROLE: (view.awaiting or None) if is_ours else None,
    }


def of_estimate(view: EstimateView, addressee: EstimateRound) -> dict[SearchAttributeKey[Any], Any]:
    """What the process of a workload's estimate is found by; None for what it does not have."""
    is_ours = view.round == addressee.round
    return {
        NODE_PATH: node_values(addressee.product),
        FISCAL_YEAR: view.fiscal_year or None,
        ACCOUNT_ID: view.account_id or None,
        BUDGET_STATE: str(view.state),
        AWAITING_ROLE: (view.awaiting or None) if is_ours else None,
    }


async def missing(client: Client) -> list[str]:
    """Names that the server does not know yet."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = await client.operator_service.list_search_attributes(request)
    return _absent(known.custom_attributes)


async def register(client: Client) -> None:
    """Adds what is missing and returns when the server knows all; may be called any number of times."""
    try:
        absent = await missing(client)
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
        await _add(client, [key.name for key in ALL])  # the test server takes them, but cannot list them
        return
    if not absent:
        return
    await _add(client, absent)
    for _ in range(int(VISIBLE_WITHIN_S / POLL_S)):
        if not (absent := await missing(client)):
            return
        await asyncio.sleep(POLL_S)
    raise Unavailable(
        f"Temporal does not know the search attributes {', '.join(absent)} after {VISIBLE_WITHIN_S:.0f} s: "
        "run `allot setup` again, or add them to the namespace by its own tools."
    )


async def _add(client: Client, names: Collection[str]) -> None:
    wanted = {key.name: _TYPES[key.indexed_value_type] for key in ALL if key.name in names}
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # somebody else was faster
            raise


def _absent(known: Iterable[str]) -> list[str]:
    there = set(known)
    return [key.name for key in ALL if key.name not in there]
