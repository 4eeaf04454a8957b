"""What tests do with a Temporal server."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows import search_attributes


async def register_search_attributes(client: Client) -> None:
    """Registers ours; the time-skipping server may not know the call, and takes any attribute then."""
    try:
        await search_attributes.register(client)
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
