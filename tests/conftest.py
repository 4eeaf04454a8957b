"""Fixtures for all tests; `tests/support` has their code."""

from __future__ import annotations

import sys
import time

import pytest

from tests.support.aws_models import read_once
from tests.support.servers import (
    aws_endpoint,
    aws_stand_in,
    database_url,
    own_time_skipping_env,
    postgres,
    postgres_url,
    server_dir,
    template,
    temporal,
    temporal_client,
    temporal_server,
    time_skipping_env,
)

__all__ = [
    "aws_endpoint",
    "aws_stand_in",
    "database_url",
    "own_time_skipping_env",
    "postgres",
    "postgres_url",
    "server_dir",
    "template",
    "temporal",
    "temporal_client",
    "temporal_server",
    "time_skipping_env",
]

SDK_PAUSE_S = 0.3

read_once()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Lets the Temporal SDK's threads come to rest: a process that ends right after it may die (SDK issue 300)."""
    if "temporalio.bridge.temporal_sdk_bridge" in sys.modules:
        time.sleep(SDK_PAUSE_S)
