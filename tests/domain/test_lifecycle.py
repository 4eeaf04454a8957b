"""The whole lifecycle in any order, against a reference and what must always hold (`lifecycle_machine`)."""

from __future__ import annotations

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.domain.lifecycle_machine import Lifecycle

STEPS = 50
SHARDS = 8
EXAMPLES_OF_A_SHARD = 2_500

TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=STEPS, deadline=None)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("number", range(SHARDS))
def test_twenty_thousand_lives(number: int) -> None:
    shard = seed(number)(type("Shard", (Lifecycle,), {}))
    run_state_machine_as_test(
        shard,
        settings=settings(
            max_examples=EXAMPLES_OF_A_SHARD, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False
        ),
    )
