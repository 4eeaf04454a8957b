"""AccountImport: who is told after a file was recorded, and what becomes of it where that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.contracts import ActivityName, InformResult, WakeRequest
from domain.account_process import AccountFile, AccountFileKind, AccountImportResult, account_import_process_id
from domain.process import WorkflowName
from tests.workflows.stage import at_work
from workflows.account_import import AccountImport

IMPORTED = AccountImportResult(status="imported", message="2 allocations recorded.", rows=2, recorded=2, position=17)


class Hands:
    """What stands in for the ledger and for other processes: an answer to each activity, and what it was asked."""

    def __init__(self, result: AccountImportResult | Exception, told: InformResult | Exception) -> None:
        self.result, self.told = result, told
        self.woken: list[WakeRequest] = []

    @activity.defn(name=ActivityName.IMPORT_ACCOUNTS)
    async def import_accounts(self, _file: AccountFile) -> AccountImportResult:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    @activity.defn(name=ActivityName.WAKE_ALIGNMENTS)
    async def wake(self, request: WakeRequest) -> InformResult:
        self.woken.append(request)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    @property
    def all(self) -> tuple[Callable[..., Any], ...]:
        return (self.import_accounts, self.wake)


async def run(
    client: Client, hands: Hands, *, dry_run: bool = False, kind: AccountFileKind = AccountFileKind.EXPECTED
) -> AccountImportResult:
    file = AccountFile(
        command_id=uuid4(),
        actor="fin@example.com",
        kind=kind,
        content_hash=uuid4().hex * 2,
        file_name="accounts.csv",
        dry_run=dry_run,
    )
    async with at_work(client, hands.all, workflows=(AccountImport,)) as queue:
        result: AccountImportResult = await client.execute_workflow(
            WorkflowName.ACCOUNT_IMPORT,
            file,
            id=account_import_process_id(file),
            task_queue=queue,
            result_type=AccountImportResult,
        )
    return result


def failure(kind: str, message: str, code: str) -> ApplicationError:
    return ApplicationError(message, code, type=kind, non_retryable=True)


async def test_open_alignments_are_told_once_the_file_is_recorded(temporal_client: Client) -> None:
    hands = Hands(IMPORTED, InformResult(informed=3))
    result = await run(temporal_client, hands)
    assert result == IMPORTED.model_copy(update={"message": "2 allocations recorded. Open alignments told: 3."})
    assert hands.woken == [WakeRequest(all_open=True, position=17)]


async def test_the_processes_of_allocated_accounts_are_told_by_the_activity(temporal_client: Client) -> None:
    hands = Hands(IMPORTED, InformResult(informed=3))
    assert await run(temporal_client, hands, kind=AccountFileKind.ALLOCATIONS) == IMPORTED
    assert hands.woken == []


@pytest.mark.parametrize("status", ["unchanged", "checked", "invalid", "refused"])
async def test_nobody_is_told_where_nothing_was_recorded(temporal_client: Client, status: str) -> None:
    answer = AccountImportResult.model_validate({"status": status, "message": "x", "problems": 2, "report": "0" * 64})
    hands = Hands(answer, InformResult())
    assert await run(temporal_client, hands, dry_run=status == "checked") == answer
    assert hands.woken == []


async def test_a_file_stays_recorded_where_nobody_can_be_told(temporal_client: Client) -> None:
    result = await run(temporal_client, Hands(IMPORTED, failure("BadInput", "The views are away.", "x")))
    assert (result.status, result.position) == ("imported", 17)
    assert result.message == "2 allocations recorded. Not all open alignments could be told (The views are away.)."


async def test_a_refusal_that_comes_as_an_error_is_a_result(temporal_client: Client) -> None:
    result = await run(temporal_client, Hands(failure("Forbidden", "Not you.", "NotGranted"), InformResult()))
    assert (result.status, result.error, result.code, result.message) == (
        "refused",
        "Forbidden",
        "NotGranted",
        "Not you.",
    )


async def test_what_is_wrong_with_the_installation_fails_the_process(temporal_client: Client) -> None:
    with pytest.raises(WorkflowFailureError) as error:
        await run(temporal_client, Hands(failure("CommandConflict", "Another command.", "x"), InformResult()))
    assert isinstance(error.value.cause, ApplicationError)
    assert error.value.cause.type == "CommandConflict"
