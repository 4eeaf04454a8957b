"""The whole lifecycle in any order, against a reference and what must always hold; and faults that it must find."""

from __future__ import annotations

from hypothesis import settings

from tests.domain.lifecycle_machine import Lifecycle

TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)
