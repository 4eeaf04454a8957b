"""OrganizationSync: one pass over the accounts of AWS Organizations. A Temporal schedule starts it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import HEARTBEAT_TIMEOUT, RETRIES, SYNC_TIMEOUT, ActivityName
    from domain.account_process import SyncRequest, SyncResult
    from domain.process import ORGANIZATIONS_QUEUE, WorkflowName
    from workflows.recording import UNREADABLE, failure_of

SYNCED_WITHIN = timedelta(minutes=30)
"""All attempts of one pass; the next pass reads everything again."""


@workflow.defn(name=WorkflowName.ORGANIZATION_SYNC, failure_exception_types=UNREADABLE)
class OrganizationSync:
    """Records accounts that are new or have changed."""

    @workflow.run
    async def run(self, started_with: SyncRequest | None = None) -> SyncResult:
        request = started_with or SyncRequest()
        workflow.set_current_details("Reading the accounts from AWS Organizations.")
        try:
            result: SyncResult = await workflow.execute_activity(
                ActivityName.SYNC_ORGANIZATION,
                request,
                result_type=SyncResult,
                task_queue=ORGANIZATIONS_QUEUE,
                start_to_close_timeout=SYNC_TIMEOUT,
                schedule_to_close_timeout=SYNCED_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Read AWS Organizations",
            )
        except ActivityError as error:
            raise failure_of(error) from error
        workflow.set_current_details(_told(result))
        return result


def _told(result: SyncResult) -> str:
    lines = [
        f"**{result.accounts:,}** accounts read by {result.calls:,} calls: {result.list_calls:,} to list accounts, "
        f"{result.tag_calls:,} for tags; AWS asked for patience {result.throttled:,} times.",
        f"{result.recorded:,} were new or changed, {result.departed:,} have left, {result.skipped:,} are not ready.",
        f"{result.opened:,} alignments were opened, and {result.started:,} processes of alignments started or woken.",
    ]
    return "\n\n".join(lines)
