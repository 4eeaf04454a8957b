"""Workers as processes of their own, each with a namespace and a database to itself."""

from __future__ import annotations

import atexit
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from embedded.process import ROOT
from tests.support.nursery import Order
from tests.support.temporal import register_search_attributes

NAMESPACE_READY_WITHIN_S = 20.0
RETENTION_S = 86_400
STARTED_WITHIN_S = 60.0
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""NumPy and Arrow would start threads that a copy of the process does not have."""


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


class Worker:
    """A process that the nursery has started; the same to its user as a `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """As of `subprocess`: minus the signal that ended it."""
        self._ended, self._lock = threading.Event(), threading.Lock()

    def has_ended(self, status: int) -> None:
        with self._lock:
            self.returncode = status
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self.returncode is None:
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """Starts workers as copies of one process, see tests/support/nursery.py."""

    def __init__(self) -> None:
        self._workers: dict[int, Worker] = {}
        self._started: queue.Queue[Worker] = queue.Queue()
        self._lock = threading.Lock()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **WITHOUT_THREADS}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def start(self, order: Order) -> Worker:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order._asdict()).encode() + b"\n")
            self._process.stdin.flush()
            return self._started.get(timeout=STARTED_WITHIN_S)

    def close(self) -> None:
        """Ends whatever still runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STARTED_WITHIN_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                answer = json.loads(line)
                if "status" in answer:
                    self._workers.pop(answer["pid"]).has_ended(answer["status"])
                else:
                    self._workers[answer["pid"]] = worker = Worker(answer["pid"])
                    self._started.put(worker)


@functools.cache
def nursery() -> Nursery:
    """One for the session, and only where a test starts workers."""
    made = Nursery()
    atexit.register(made.close)
    return made


def start_worker(environment: Mapping[str, str], directory: Path, module: str = "worker", **more: str) -> Worker:
    """A worker process; what it says goes to a file in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{module}.log"
    return nursery().start(Order(module, [], {**environment, **more}, str(directory), str(log), str(log)))


def stop_worker(process: Worker, within_s: float = 20.0) -> int:
    process.terminate()
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
