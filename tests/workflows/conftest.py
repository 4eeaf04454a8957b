from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from embedded.process import ROOT
from embedded.temporal_server import find_program
from tests.workflows.round_scenarios import SUGGESTED_AT_EVENTS
from tests.workflows.stage import Stage, on_stage
from workflows.search_attributes import ALL


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[Stage]:
    async with on_stage(temporal_client, database_url) as made:
        yield made


@pytest.fixture(scope="module")
async def impatient_client() -> AsyncIterator[Client]:
    """Of a server that suggests to continue as new after a few events instead of 4,096."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(find_program(ROOT / ".allot")),
        dev_server_extra_args=[
            "--dynamic-config-value",
            f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AT_EVENTS}",
        ],
        data_converter=pydantic_data_converter,
        search_attributes=ALL,
    ) as environment:
        yield environment.client
