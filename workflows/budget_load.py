"""BudgetLoad: one budget file, from the file store into the ledger, whole or not at all."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import HEARTBEAT_TIMEOUT, LOAD_TIMEOUT, RETRIES, ActivityName
    from domain.errors import ERRORS, BadInput, Refusal
    from domain.process import BudgetFile, BudgetLoadResult, WorkflowName
    from domain.process_texts import plain_text
    from workflows import search_attributes
    from workflows.recording import UNREADABLE, failure_of, given

LOADED_WITHIN = timedelta(hours=1)
"""All attempts together; whoever loads the file can load it again."""


@workflow.defn(name=WorkflowName.BUDGET_LOAD, failure_exception_types=UNREADABLE)
class BudgetLoad:
    """Checks a budget file and records its products."""

    @workflow.run
    async def run(self, started_with: BudgetFile | None = None) -> BudgetLoadResult:
        file = given(started_with)
        workflow.set_current_details(f"Loading **{plain_text(file.file_name)}**: checked whole before it is recorded.")
        result = await self._load(file)
        if result.fiscal_year:
            workflow.upsert_search_attributes([search_attributes.FISCAL_YEAR.value_set(result.fiscal_year)])
        workflow.set_current_details(_details(file, result))
        return result

    async def _load(self, file: BudgetFile) -> BudgetLoadResult:
        try:
            result: BudgetLoadResult = await workflow.execute_activity(
                ActivityName.LOAD_BUDGET,
                file,
                result_type=BudgetLoadResult,
                start_to_close_timeout=LOAD_TIMEOUT,
                schedule_to_close_timeout=LOADED_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Check and record the file",
            )
        except ActivityError as error:
            failure = failure_of(error)
            kind = ERRORS.get(failure.type or "")
            if kind is None or not issubclass(kind, BadInput | Refusal):
                raise failure from error
            code = str(failure.details[0]) if failure.details else kind.__name__
            return BudgetLoadResult(status="refused", message=failure.message, error=kind.__name__, code=code)
        return result


def _details(file: BudgetFile, result: BudgetLoadResult) -> str:
    text = f"**{result.status}**: {plain_text(file.file_name)}\n\n{plain_text(result.message)}"
    if result.problems:
        text += f"\n\n{result.problems:,} problems; the first of them are in the report `{result.report}`."
    return text
