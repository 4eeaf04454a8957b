"""The connection to Temporal, made in one way by the worker, the command line and whoever else needs it.

Namespace, TLS, API key and profile come from Temporal's own environment variables and file (`TEMPORAL_…`,
`temporal.toml`), so that they are the same as for the `temporal` program; the address has a default of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from domain.errors import BadInput, Unavailable
from settings import Settings

CONNECT_WITHIN_S = 8.0
"""Below the ten seconds that a person at the command line waits at most."""
RPC_TIMEOUT = timedelta(seconds=8)
"""Of one call; long polls have limits of their own."""
REST_S = 0.3
"""For the SDK's threads: a process that ends right after its last call may die in the interpreter (SDK issue 300)."""


async def connect(settings: Settings, *, within_s: float = CONNECT_WITHIN_S) -> Client:
    """A connected client. Raises Unavailable where nobody answers, and BadInput where the configuration is wrong."""
    try:
        config = ClientConfig.load_client_connect_config()
    except RuntimeError as error:
        raise BadInput(f"Temporal's configuration cannot be read ({error}): check TEMPORAL_… and its file.") from None
    config.setdefault("target_host", settings.temporal_address)
    address = config["target_host"]
    try:
        async with asyncio.timeout(within_s):
            return await Client.connect(**config, data_converter=pydantic_data_converter)
    except TimeoutError:
        raise unavailable(address, f"nothing within {within_s:g} s") from None
    except (RuntimeError, RPCError) as error:
        raise unavailable(address, str(error)) from None


def unavailable(address: str, reason: str) -> Unavailable:
    short = " ".join(reason.split())[:200]
    return Unavailable(f"Temporal at {address} does not answer ({short}): start it with `allot up`.")


async def rest() -> None:
    """Call it after the last use of a client, before the process ends."""
    await asyncio.sleep(REST_S)


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` for work that uses a client: lets the SDK come to rest, also after an error."""

    async def rested() -> T:
        try:
            return await work
        finally:
            await rest()

    return asyncio.run(rested())
