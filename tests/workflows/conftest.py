from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.workflows.stage import Stage, on_stage


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[Stage]:
    async with on_stage(temporal_client, database_url) as made:
        yield made
