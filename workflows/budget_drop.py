"""BudgetDrop: one look into the drop for budget files; loads what is new, and says beside each what became of it.

A Temporal schedule starts it. Each file goes the way of any other, through BudgetLoad, and in the order in which the
files were written. One that fails stops no other.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid5

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        DROP_TIMEOUT,
        HEARTBEAT_TIMEOUT,
        RETRIES,
        ActivityName,
        DropAnswer,
        Dropped,
        DroppedFile,
    )
    from domain.decision import NAMESPACE
    from domain.process import (
        BudgetDropResult,
        BudgetFile,
        BudgetLoadResult,
        DropRequest,
        WorkflowName,
        budget_load_process_id,
    )
    from domain.process_texts import budget_load_summary, plain_text
    from workflows.recording import UNREADABLE, failure_of, given

TAKEN_WITHIN = timedelta(minutes=30)
"""All attempts of one look; the next one finds the same."""
ANSWERED_WITHIN = timedelta(minutes=30)
JOINED_WITHIN = timedelta(minutes=15)
"""How long to wait for somebody else's load of the same bytes; then the file is left for the next look."""
JOIN_PAUSE = timedelta(seconds=2)
JOIN_PAUSE_MAX = timedelta(minutes=1)
SHOWN_MAX = 12
"""Of what the Temporal UI shows."""
PROBLEMS_MAX = 100
FAILURE_CHARS_MAX = 2_000


@workflow.defn(name=WorkflowName.BUDGET_DROP, failure_exception_types=UNREADABLE)
class BudgetDrop:
    """Loads what was dropped."""

    def __init__(self) -> None:
        self._answers: list[tuple[DroppedFile, str, str]] = []
        self._problems: list[str] = []
        self._left = 0

    @workflow.run
    async def run(self, started_with: DropRequest | None = None) -> BudgetDropResult:
        given(started_with)
        workflow.set_current_details("Looking for dropped budget files.")
        dropped = await self._take()
        self._problems, self._left = list(dropped.problems), dropped.not_looked_at
        self._show(dropped)
        for file in dropped.files:
            answer = await self._load(file, dropped.actor)
            if answer is None:
                self._left += 1
            else:
                await self._answer(answer)
            self._show(dropped)
        return BudgetDropResult(
            loads=len(self._answers), waiting=self._left, problems=tuple(self._problems[:PROBLEMS_MAX])
        )

    async def _take(self) -> Dropped:
        try:
            dropped: Dropped = await workflow.execute_activity(
                ActivityName.TAKE_DROPPED,
                result_type=Dropped,
                start_to_close_timeout=DROP_TIMEOUT,
                schedule_to_close_timeout=TAKEN_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Look into the drop",
            )
        except ActivityError as error:
            raise failure_of(error) from error
        return dropped

    async def _load(self, file: DroppedFile, actor: str) -> DropAnswer | None:
        """What to say of the file; None where somebody else loads the same bytes and does not come to an end."""
        process_id = budget_load_process_id(file.content_hash)
        # With the run, so that whoever removes the result of a refused file can have it tried anew: the ledger answers
        # the same command for ever as it did first, and recognises bytes that were loaded anyway.
        command_id = uuid5(NAMESPACE, f"budget-drop/{workflow.info().run_id}/{file.content_hash}/{file.name}")
        request = BudgetFile(command_id=command_id, actor=actor, content_hash=file.content_hash, file_name=file.name)
        pause, until = JOIN_PAUSE, workflow.now() + JOINED_WITHIN
        while True:
            try:
                result: BudgetLoadResult = await workflow.execute_child_workflow(
                    WorkflowName.BUDGET_LOAD,
                    request,
                    id=process_id,
                    result_type=BudgetLoadResult,
                    parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                    static_summary=budget_load_summary(request),
                )
                return DropAnswer(file=file, process_id=process_id, result=result)
            except ChildWorkflowError as error:
                return DropAnswer(file=file, process_id=process_id, failure=_failure(error.cause))
            except WorkflowAlreadyStartedError:
                # A process cannot wait for another one's result, and that may be of somebody with other rights: so
                # wait for it to end and load again, which then only says that these bytes are loaded.
                if workflow.now() >= until:
                    return None
                await workflow.sleep(pause, summary="These bytes are being loaded already")
                pause = min(pause * 2, JOIN_PAUSE_MAX)

    async def _answer(self, answer: DropAnswer) -> None:
        status, message = ("failed", answer.failure)
        if answer.result:
            status, message = answer.result.status, answer.result.message
        self._answers.append((answer.file, status, message))
        try:
            await workflow.execute_activity(
                ActivityName.ANSWER_DROPPED,
                answer,
                start_to_close_timeout=DROP_TIMEOUT,
                schedule_to_close_timeout=ANSWERED_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Write the result beside the file",
            )
        except ActivityError as error:
            self._problems.append(failure_of(error).message)

    def _show(self, dropped: Dropped) -> None:
        text = f"**{len(self._answers):,}** of {len(dropped.files):,} new files dealt with; {dropped.seen:,} lie there."
        if self._left:
            text += f" {self._left:,} are left for the next look."
        rows = [
            f"| {plain_text(file.name)} | {status} | {plain_text(message)} |"
            for file, status, message in self._answers[-SHOWN_MAX:]
        ]
        table = ["", "| File | Result | |", "|---|---|---|", *rows] if rows else []
        problems = [f"- {plain_text(problem)}" for problem in self._problems[-SHOWN_MAX:]]
        if problems:
            problems = ["", "**Not read, or not answered**", "", *problems]
        workflow.set_current_details("\n".join([text, *table, *problems]))


def _failure(cause: BaseException | None) -> str:
    told = cause.message if isinstance(cause, ApplicationError) else "The load did not come to an end: see its process."
    return f"{told[:FAILURE_CHARS_MAX].rstrip('.')}. Remove this result to have the file tried again."
