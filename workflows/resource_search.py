"""ResourceSearch: one look into the cost mart, which only workers can reach. It decides nothing."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import RETRIES, ActivityName
    from domain.process import WorkflowName
    from domain.resource_search import ResourcePage, ResourceQuery
    from workflows.recording import UNREADABLE, failure_of, given

SEARCH_TIMEOUT = timedelta(seconds=60)
SEARCHED_WITHIN = timedelta(minutes=2)
"""All attempts together: whoever asked has gone by then."""


@workflow.defn(name=WorkflowName.RESOURCE_SEARCH, failure_exception_types=UNREADABLE)
class ResourceSearch:
    """Answers one question."""

    @workflow.run
    async def run(self, started_with: ResourceQuery | None = None) -> ResourcePage:
        query = given(started_with)
        try:
            page: ResourcePage = await workflow.execute_activity(
                ActivityName.SEARCH_RESOURCES,
                query,
                result_type=ResourcePage,
                start_to_close_timeout=SEARCH_TIMEOUT,
                schedule_to_close_timeout=SEARCHED_WITHIN,
                retry_policy=RETRIES,
                summary="Search the cost mart",
            )
        except ActivityError as error:
            raise failure_of(error) from error
        return page
