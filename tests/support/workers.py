"""Workers as processes of their own, each with a namespace and a database to itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from embedded.process import ROOT
from tests.support.temporal import register_search_attributes

NAMESPACE_READY_WITHIN_S = 20.0
RETENTION_S = 86_400


async def own_namespace(address: str, name: str) -> Client:
    """A client of a new namespace that knows our search attributes."""
    client = await Client.connect(address, namespace=name, data_converter=pydantic_data_converter)
    request = RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=Duration(seconds=RETENTION_S)
    )
    await client.workflow_service.register_namespace(request)
    deadline = time.monotonic() + NAMESPACE_READY_WITHIN_S
    while True:
        try:
            await register_search_attributes(client)
        except RPCError:  # the namespace is not known everywhere yet
            if time.monotonic() > deadline:
                raise
        else:
            return client


def worker_environment(client: Client, database_url: str, directory: Path) -> dict[str, str]:
    """What a worker needs to find this test's servers; AWS comes from the test's own environment."""
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return aws | {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", ""),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "ALLOT_DATABASE_URL": database_url,
        "ALLOT_TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "ALLOT_STATE_DIR": str(directory),
        "ALLOT_FILE_STORE": str(directory / "files"),
        "ALLOT_ACCEPT_CLAIMED_ACTORS": "true",
        "ALLOT_GRACEFUL_SHUTDOWN_S": "5",
    }


def start_worker(
    environment: Mapping[str, str], directory: Path, module: str = "worker", **more: str
) -> subprocess.Popen[bytes]:
    """A worker process; what it says goes to a file in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{module}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module],
            env={**environment, **more},
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def stop_worker(process: subprocess.Popen[bytes], within_s: float = 20.0) -> int:
    process.terminate()
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
