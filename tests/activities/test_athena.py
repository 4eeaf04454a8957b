"""Queries on Athena: started once, watched, stopped where nobody wants them, read page by page; and what goes wrong.

Against the stand-in for AWS (moto) where it can do it, and against one that answers as the test says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from temporalio.exceptions import CancelledError

from activities import athena as module
from activities.athena import PAGE_ROWS, QUERY_BYTES_MAX, STARTS_MAX, Athena, AthenaPlace
from activities.athena_output import cleared, unloaded
from activities.athena_tables import registered
from activities.contracts import Progress
from activities.cost_fetching import ROOM
from activities.cost_import import unheard
from activities.cost_manifest import Address, Manifest
from domain.calendar import Month
from domain.cost import ReportVersion
from domain.errors import AllotError, BadInput, Unavailable
from domain.report_format import ReportFormat
from tests.support.athena import DuckAthena, aws, duck_athena

PLACE = AthenaPlace("allot", "primary", "s3://results/athena")
MANIFEST = Manifest(
    address=Address("s3://reports/Manifest.json"),
    content_hash="",
    report=ReportVersion(source="cur", billing_period=Month(2026, 5), version="v1", payer_account_id="9" * 12),
    format=ReportFormat.CUR_2,
    content="parquet",
    keys=(),
)
ONE = "SELECT * FROM (VALUES (1, 'a'), (2, NULL), (3, 'c'), (4, ''), (5, 'e')) AS t (n, name)"


@pytest.fixture
def duck(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DuckAthena]:
    with duck_athena() as (made, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", address)
        yield made


def asking(**more: Any) -> Athena:
    return Athena(PLACE, unheard, sleep=lambda _: None, **more)


def moto(endpoint: str, path: str, message: dict[str, Any]) -> None:
    """Tells the stand-in how to behave, which is nothing that AWS has a call for."""
    connection = HTTPConnection(endpoint.removeprefix("http://"))
    connection.request("POST", f"/moto-api/{path}", json.dumps(message), {"Content-Type": "application/json"})
    assert connection.getresponse().status < 300
    connection.close()


def test_a_query_is_watched_to_its_end_and_its_rows_are_read(aws_endpoint: str) -> None:
    """On moto, which lets it wait and run for some looks, and gives the rows that it was told."""
    progression = {"progression": "manual", "times": 2}
    moto(aws_endpoint, "state-manager/set-transition", {"model_name": "athena::execution", "transition": progression})
    cells: list[list[str | None]] = [["n", "name"], ["1", "a"], ["2", None]]
    data = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in cells]
    moto(aws_endpoint, "static/athena/query-results", {"results": [{"rows": data, "column_info": []}]})
    told: list[Progress] = []
    athena = Athena(PLACE, told.append, sleep=lambda _: None)
    ran = athena.run(lambda number: f"SELECT {number}", "token", "adding up")
    assert list(athena.rows(ran, ("n", "name"))) == [("1", "a"), ("2", None)]
    assert len(told) >= 3
    assert {progress.step for progress in told} == {"adding up"}
    found = aws("athena").get_query_execution(QueryExecutionId=ran.execution_id)["QueryExecution"]
    assert (found["Query"], found["QueryExecutionContext"]["Database"]) == ("SELECT 0", "allot")
    assert found["ResultConfiguration"]["OutputLocation"].startswith("s3://results/athena/results/")


def test_a_cancelled_import_stops_its_query(aws_endpoint: str) -> None:
    progression = {"progression": "manual", "times": 1_000}
    moto(aws_endpoint, "state-manager/set-transition", {"model_name": "athena::execution", "transition": progression})
    looks = []

    def cancel(progress: Progress) -> None:
        looks.append(progress)
        if len(looks) == 2:
            raise CancelledError("the import was cancelled")

    with pytest.raises(CancelledError):
        Athena(PLACE, cancel, sleep=lambda _: None).run(lambda _: "SELECT 1", "token", "adding up")
    client = aws("athena")
    (name,) = client.list_query_executions()["QueryExecutionIds"]
    assert client.get_query_execution(QueryExecutionId=name)["QueryExecution"]["Status"]["State"] == "CANCELLED"


def test_a_result_is_read_page_by_page(duck: DuckAthena) -> None:
    athena = asking()
    duck.page_rows_max = 2
    ran = athena.run(lambda _: ONE, "token", "adding up")
    assert list(athena.rows(ran, ("n", "name"))) == [("1", "a"), ("2", None), ("3", "c"), ("4", ""), ("5", "e")]
    pages = [request for operation, request in duck.asked if operation == "GetQueryResults"]
    assert [page.get("NextToken") for page in pages] == [None, "2", "4"]
    assert {page["MaxResults"] for page in pages} == {PAGE_ROWS}
    with pytest.raises(Unavailable, match="columns n, name instead of n, other"):
        list(athena.rows(ran, ("n", "other")))


def test_the_same_question_is_the_same_query(duck: DuckAthena) -> None:
    first = asking().run(lambda _: ONE, "version/run/detail", "adding up")
    assert asking().run(lambda _: ONE, "version/run/detail", "adding up") == first, "after a worker has died, say"
    assert asking().run(lambda _: ONE, "version/other run/detail", "adding up") != first
    assert asking().run(lambda _: ONE + " LIMIT 1", "version/run/detail", "adding up") != first


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        ("Query exhausted: Bytes scanned limit was exceeded", "ScanLimit", "workgroup's own limit"),
        ("Access Denied (Service: Amazon S3; Status Code: 403)", "AwsPermissionMissing", "s3:PutObject"),
        ("SYNTAX_ERROR: line 1:8\nwith more", "AthenaFailed", "failed: SYNTAX_ERROR: line 1:8. Where"),
        ("", "AthenaFailed", "no reason is given"),
    ],
)
def test_a_query_that_failed_for_good_is_told_in_our_words(
    duck: DuckAthena, reason: str, code: str, words: str
) -> None:
    duck.failures = [{"reason": reason, "error": {"Retryable": False}}]
    with pytest.raises(BadInput) as wrong:
        asking().run(lambda _: ONE, "token", "adding up")
    assert (wrong.value.code, words in wrong.value.message) == (code, True), wrong.value.message
    assert duck.count("StartQueryExecution") == 1


def test_what_may_pass_is_asked_again_under_another_token_and_at_another_place(duck: DuckAthena) -> None:
    passing = {"reason": "out of resources", "error": {"Retryable": True}}
    duck.failures = [passing, {"state": "CANCELLED"}]
    places: list[int] = []

    def query(number: int) -> str:
        places.append(number)
        return ONE

    athena = asking()
    ran = athena.run(query, "token", "adding up")
    assert len(list(athena.rows(ran, ("n", "name")))) == 5
    assert places == [0, 1, 2]
    starts = [request["ClientRequestToken"] for name, request in duck.asked if name == "StartQueryExecution"]
    assert len(set(starts)) == 3
    duck.failures = [passing] * STARTS_MAX
    with pytest.raises(Unavailable, match="broke off 5 times") as wrong:
        asking().run(lambda _: ONE, "another token", "adding up")
    assert wrong.value.code == "AthenaStopped"


def test_a_query_that_does_not_end_is_stopped(duck: DuckAthena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUERY_WITHIN_S", 3)
    duck.running = 1_000
    with pytest.raises(Unavailable, match="has not ended the query") as wrong:
        asking().run(lambda _: ONE, "token", "adding up")
    assert wrong.value.code == "AthenaSlow"
    assert duck.count("StopQueryExecution") == 1


@pytest.mark.parametrize(
    ("code", "message", "error", "words"),
    [
        ("InvalidRequestException", "WorkGroup is not found.", BadInput, "WorkGroup is not found): check ALLOT_COST"),
        ("AccessDeniedException", "no", BadInput, "give the worker's role the permission athena:StartQueryExecution"),
        ("ThrottlingException", "Rate exceeded", Unavailable, "ThrottlingException (Rate exceeded); it will be tried"),
        ("TooManyRequestsException", "Too many", Unavailable, "TooManyRequestsException (Too many); it will be tried"),
    ],
)
def test_what_athena_refuses_is_told_in_our_words(
    duck: DuckAthena, code: str, message: str, error: type[AllotError], words: str
) -> None:
    duck.refusals = {"StartQueryExecution": (code, message)}
    once = Config(retries={"total_max_attempts": 1})
    with pytest.raises(error) as wrong:
        asking(connect=lambda: boto3.client("athena", config=once)).run(lambda _: ONE, "token", "adding up")
    assert words in wrong.value.message


def test_a_query_is_as_long_as_athena_takes(duck: DuckAthena) -> None:
    fits = ONE + " " * (QUERY_BYTES_MAX - len(ONE))
    assert asking().run(lambda _: fits, "token", "adding up").execution_id
    with pytest.raises(BadInput, match="more than 262,144 bytes"):
        asking().run(lambda _: fits + " ", "token", "adding up")


def test_a_table_is_there_for_as_long_as_it_is_needed(aws_endpoint: str) -> None:
    glue = aws("glue")
    glue.create_database(DatabaseInput={"Name": "allot"})
    with registered("allot", "left", "s3://old/place", {"n": "int"}):
        glue.get_table(DatabaseName="allot", Name="left")
        with registered("allot", "left", "s3://reports/new", {"cost": "double"}):  # one that was left behind
            place = glue.get_table(DatabaseName="allot", Name="left")["Table"]["StorageDescriptor"]
            assert (place["Location"], place["Columns"]) == ("s3://reports/new/", [{"Name": "cost", "Type": "double"}])
    assert glue.get_tables(DatabaseName="allot")["TableList"] == []
    with pytest.raises(BadInput, match="ALLOT_COST_ATHENA_DATABASE") as wrong, registered("none", "t", "s3://a/b", {}):
        pass
    assert wrong.value.code == "NoDatabase"


def test_results_are_brought_here_and_taken_away_there(aws_endpoint: str, tmp_path: Path) -> None:
    client = aws("s3")
    client.create_bucket(Bucket="results")
    for name in ("unloaded/a/1", "unloaded/a/2", "unloaded/ab/3"):
        client.put_object(Bucket="results", Key=name, Body=name.encode())
    with (
        cleared("s3://results/unloaded/a/"),
        unloaded("s3://results/unloaded/a/", MANIFEST, tmp_path, unheard, ROOM) as parts,
    ):
        assert [part.path.read_text() for part in parts] == ["unloaded/a/1", "unloaded/a/2"]
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket="results")["Contents"]] == ["unloaded/ab/3"]
    with (
        pytest.raises(BadInput, match="ALLOT_COST_SCRATCH_MB allows 0"),
        cleared("s3://results/unloaded/ab/"),
        unloaded("s3://results/unloaded/ab/", MANIFEST, tmp_path, unheard, ROOM._replace(bytes_max=3)) as parts,
    ):
        next(parts)
    assert "Contents" not in client.list_objects_v2(Bucket="results"), "also where something went wrong"
