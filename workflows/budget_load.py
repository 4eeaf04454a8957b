"""BudgetLoad: one budget file, from the file store into the ledger, whole or not at all; or a look at what it would do.

What a load changes is recorded with it, also in schedules. The processes of open rounds are told afterwards, so that
they look.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        LOAD_TIMEOUT,
        RETRIES,
        ActivityName,
        InformRequest,
        InformResult,
    )
    from domain.process import BudgetFile, BudgetLoadResult, WorkflowName
    from domain.process_texts import plain_text
    from workflows import search_attributes
    from workflows.recording import UNREADABLE, answer_of, failure_of, given, handle_file

LOADED_WITHIN = timedelta(hours=1)
"""All attempts together; whoever loads the file can load it again."""
INFORMED_WITHIN = timedelta(hours=1)
"""All attempts at telling the open rounds together."""
INFORMED_SILENCE = timedelta(minutes=1)
"""It says how far it is after each few schedules, and needs longer until the first."""
FIRST_LOAD = ("", "new")
"""Modes of a year's first load, before which there are no schedules; empty in results of an older version."""


@workflow.defn(name=WorkflowName.BUDGET_LOAD, failure_exception_types=UNREADABLE)
class BudgetLoad:
    """Checks a budget file and records its products."""

    @workflow.run
    async def run(self, started_with: BudgetFile | None = None) -> BudgetLoadResult:
        file = given(started_with)
        doing = "Comparing" if file.dry_run else "Loading"
        workflow.set_current_details(f"{doing} **{plain_text(file.file_name)}**: checked whole before it is recorded.")
        result = await self._load(file)
        if result.status == "loaded" and result.mode not in FIRST_LOAD:
            result = await self._informed(file, result)
        if result.fiscal_year:
            workflow.upsert_search_attributes([search_attributes.FISCAL_YEAR.value_set(result.fiscal_year)])
        workflow.set_current_details(_details(file, result))
        return result

    async def _load(self, file: BudgetFile) -> BudgetLoadResult:
        summary = "Check and compare the file" if file.dry_run else "Check and record the file"
        return await handle_file(ActivityName.LOAD_BUDGET, file, BudgetLoadResult, summary, LOADED_WITHIN)

    async def _informed(self, file: BudgetFile, result: BudgetLoadResult) -> BudgetLoadResult:
        """The load is recorded whatever becomes of this: a round that is not told looks at its next message."""
        try:
            told: InformResult = await answer_of(
                ActivityName.INFORM_ROUNDS,
                InformRequest(fiscal_year=result.fiscal_year, command_id=file.command_id, position=result.position),
                InformResult,
                start_to_close_timeout=LOAD_TIMEOUT,
                schedule_to_close_timeout=INFORMED_WITHIN,
                heartbeat_timeout=INFORMED_SILENCE,
                retry_policy=RETRIES,
                summary="Tell the open rounds",
            )
        except ActivityError as error:
            reason = f"Not all open rounds could be told ({failure_of(error).message})."
            return result.model_copy(update={"message": f"{result.message} {reason}"})
        message = f"{result.message} Open rounds told: {told.informed:,}."
        return result.model_copy(update={"message": message, "informed": told.informed})


def _details(file: BudgetFile, result: BudgetLoadResult) -> str:
    text = f"**{result.status}**: {plain_text(file.file_name)}\n\n{plain_text(result.message)}"
    if result.impact:
        text += f"\n\nWhat changes, product by product, is in `{result.impact}` of the file store."
    if result.problems:
        text += f"\n\n{result.problems:,} problems; the first of them are in the report `{result.report}`."
    return text
