"""The test server whose clock jumps: a wait of a month takes a moment."""

from __future__ import annotations

import time

from temporalio.testing import WorkflowEnvironment

MONTH_S = 30 * 24 * 3600


async def test_a_month_passes_in_a_moment(time_skipping_env: WorkflowEnvironment) -> None:
    assert time_skipping_env.supports_time_skipping
    before, begun = await time_skipping_env.get_current_time(), time.monotonic()
    await time_skipping_env.sleep(MONTH_S)
    assert (await time_skipping_env.get_current_time() - before).total_seconds() >= MONTH_S
    assert time.monotonic() - begun < 10
