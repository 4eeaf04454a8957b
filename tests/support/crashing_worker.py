"""A worker that is killed with SIGKILL once, at a chosen point of a chosen activity.

    python -m tests.support.crashing_worker

CRASH_AT     activity:point, where the point is one of
             start           the activity has begun and done nothing
             before-append   it is about to append its first events to the ledger
             after-append    the append is committed, the activity does not know it yet
             end             it is done, Temporal does not know it yet
CRASH_FLAG   a file that is made just before; where it exists already, nothing crashes
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

import worker
from ledger.recorder import LedgerRecorder

ACTIVITY, _, POINT = os.environ["CRASH_AT"].partition(":")
FLAG = Path(os.environ["CRASH_FLAG"])


def crash(at: str) -> None:
    if at == POINT and activity.in_activity() and activity.info().activity_type == ACTIVITY and not FLAG.exists():
        FLAG.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        crash("start")
        result = await super().execute_activity(input)
        crash("end")
        return result


class Crashes(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return Inbound(super().intercept_activity(next))


def crashing_append(append: Any) -> Any:
    @functools.wraps(append)
    def appended(*args: Any, **kwargs: Any) -> Any:
        crash("before-append")
        result = append(*args, **kwargs)
        crash("after-append")
        return result

    return appended


if __name__ == "__main__":
    setattr(worker, "Worker", functools.partial(Worker, interceptors=[Crashes()]))  # noqa: B010 - its import, on purpose
    LedgerRecorder.append = crashing_append(LedgerRecorder.append)  # type: ignore[method-assign]
    sys.exit(worker.main())
