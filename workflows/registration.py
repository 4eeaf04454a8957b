"""What a worker registers: all workflows, and the sandbox in which they run."""

from __future__ import annotations

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.account_alignment import AccountAlignment
from workflows.account_events import AccountEvents
from workflows.account_import import AccountImport
from workflows.budget_drop import BudgetDrop
from workflows.budget_load import BudgetLoad
from workflows.budget_schedule import BudgetSchedule
from workflows.cost_events import CostEvents
from workflows.cost_import import CostImport, CostWatch
from workflows.direct_decision import DirectDecision, PersonRegistration
from workflows.notifications import Notifications
from workflows.organization_sync import OrganizationSync
from workflows.people_import import PeopleImport

WORKFLOWS: tuple[type, ...] = (
    BudgetSchedule,
    BudgetLoad,
    BudgetDrop,
    OrganizationSync,
    AccountAlignment,
    AccountEvents,
    AccountImport,
    CostWatch,
    CostImport,
    CostEvents,
    DirectDecision,
    PersonRegistration,
    PeopleImport,
    Notifications,
)
PASSED_THROUGH = ("domain", "activities.contracts", "pydantic")
"""Loaded once and not anew for each workflow: pure, as lint makes sure, and a third of the cost of a workflow."""


def workflow_runner(restrictions: SandboxRestrictions = SandboxRestrictions.default) -> SandboxedWorkflowRunner:
    return SandboxedWorkflowRunner(restrictions=restrictions.with_passthrough_modules(*PASSED_THROUGH))
