"""Queries on Amazon Athena: started once, watched, stopped where nobody wants them any more, and read by pages.

A query costs money by the bytes that it scans. So it is started under a token: where the same worker or another one
asks for the same query again, because an answer was lost or a worker died, Athena gives the one that is under way or
done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from activities.aws_errors import AwsService, code_of, errors_of, text_of
from activities.aws_organizations import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, REGION
from activities.contracts import Progress
from activities.cost_files import Report
from domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_athena.client import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

FIRST_LOOK_S = 0.2
LOOK_FACTOR = 1.5
LOOK_MAX_S = 5.0
"""Pauses between looks at a query: short ones at first, because small reports are done in seconds."""
REPORT_INTERVAL_S = 1.0
QUERY_WITHIN_S = 3_600
"""Athena's own limit for a query is 30 minutes, and can be raised; one that waits in its queue longer is stopped."""
QUERY_BYTES_MAX = 262_144
"""Athena's own."""
PAGE_ROWS = 1_000
"""The most that Athena gives at once."""
STARTS_MAX = 5
"""Times that one run starts a query that failed for a reason that may pass, or that somebody stopped, say."""
REASON_CHARS_MAX = 500
ATTEMPTS_MAX = 8
"""Of one call, by the client: Athena throttles starts and looks at some dozens a second for a whole account."""

ENDED_BADLY = ("FAILED", "CANCELLED")
_SERVICE = AwsService(
    name="Amazon Athena",
    permissions="athena",
    granted="on the workgroup that ALLOT_COST_ATHENA_WORKGROUP names",
    how_to_configure="give the worker credentials (AWS_PROFILE, or a role)",
)


def athena_client() -> AthenaClient:
    """With the worker's own credentials: queries run in its account."""
    session = boto3.Session()
    return session.client("athena", region_name=session.region_name or REGION, config=client_config())


def client_config() -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
    )


class AthenaPlace(NamedTuple):
    """Where queries run, and where their results go."""

    database: str
    workgroup: str
    output: str
    """`s3://bucket/prefix`, without a slash at its end."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A query that has succeeded."""

    execution_id: str
    scanned_bytes: int
    number: int
    """Of the try that it was."""
    at_once: bool
    """Whether it was done when it was first looked at, as one is that an earlier attempt has started."""


class Athena:
    """The queries of one import."""

    def __init__(
        self,
        place: AthenaPlace,
        report: Report,
        connect: Callable[[], AthenaClient] = athena_client,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        with errors_of(_SERVICE):
            self._client = connect()
        self._place, self._report, self._sleep = place, report, sleep

    def run(self, query: Callable[[int], str], token: str, step: str, first: int = 0) -> Ran:
        """Runs it to its end. `query` is given the number of the try, which the place of its results may depend on; the
        first try has another one where the results of an earlier one are of no use any more.

        Raises BadInput for what a person must see to, Unavailable for what may pass.
        """
        execution_id = ""
        for number in range(first, first + STARTS_MAX):
            execution_id = self._start(query(number), f"{token}/{number}")
            try:
                ended, looks = self._watched(execution_id, step)
            except BaseException:  # cancelled, or without an answer for too long: nobody waits for it any more
                self._stop(execution_id)
                raise
            status = ended["Status"]
            if status["State"] not in ENDED_BADLY:
                return Ran(execution_id, ended.get("Statistics", {}).get("DataScannedInBytes", 0), number, looks == 1)
            error = status.get("AthenaError", {})
            passing = status["State"] == "CANCELLED" or error.get("Retryable", False)
            if not passing:
                raise _failed(step, status.get("StateChangeReason", ""))
        raise Unavailable(
            f"The query on Athena ({step}) was stopped or broke off {STARTS_MAX} times, the last time as "
            f"{execution_id}: it will be tried again.",
            code="AthenaStopped",
        )

    def rows(self, ran: Ran, columns: tuple[str, ...]) -> Iterator[tuple[str | None, ...]]:
        """All of a result, page by page; NULL is None. Raises Unavailable for columns that are not those asked for."""
        token, is_first = "", True
        while True:
            more: dict[str, Any] = {"NextToken": token} if token else {}
            with errors_of(_SERVICE):
                page = self._client.get_query_results(QueryExecutionId=ran.execution_id, MaxResults=PAGE_ROWS, **more)
            found = [
                tuple(cell.get("VarCharValue") for cell in row.get("Data", []))
                for row in page["ResultSet"].get("Rows", [])
            ]
            if is_first:  # the first row of the first page has the names
                _require_header(found[0] if found else (), columns)
                found = found[1:]
            yield from found
            token, is_first = page.get("NextToken", ""), False
            if not token:
                return

    def _start(self, query: str, token: str) -> str:
        if len(query.encode()) > QUERY_BYTES_MAX:
            raise BadInput(
                f"The query for Athena has more than {QUERY_BYTES_MAX:,} bytes: set ALLOT_COST_ENGINE to duckdb.",
                code="QueryTooLong",
            )
        with errors_of(_SERVICE):
            try:
                started = self._client.start_query_execution(
                    QueryString=query,
                    ClientRequestToken=sha256(f"{token}\n{query}".encode()).hexdigest(),
                    QueryExecutionContext={"Database": self._place.database},
                    ResultConfiguration={"OutputLocation": f"{self._place.output}/results/"},
                    WorkGroup=self._place.workgroup,
                )
            except ClientError as error:
                if code_of(error) == "InvalidRequestException":
                    raise _not_taken(error) from None
                raise
        return started["QueryExecutionId"]

    def _watched(self, execution_id: str, step: str) -> tuple[QueryExecutionTypeDef, int]:
        """How it ended, and at which look that was seen."""
        pause, waited = FIRST_LOOK_S, 0.0
        for look in count(1):
            with errors_of(_SERVICE):
                found = self._client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if found["Status"]["State"] in ("SUCCEEDED", *ENDED_BADLY):
                return found, look
            if waited >= QUERY_WITHIN_S:
                raise Unavailable(
                    f"Athena has not ended the query {execution_id} ({step}) within {QUERY_WITHIN_S:,} s; it was "
                    "stopped, and will be tried again.",
                    code="AthenaSlow",
                )
            slept = 0.0
            while slept < pause:  # so often that a cancelled import does not wait for the next look
                self._report(Progress(step=step, done=int(waited), whole=0))
                self._sleep(part := min(REPORT_INTERVAL_S, pause - slept))
                slept += part
            waited, pause = waited + pause, min(LOOK_MAX_S, pause * LOOK_FACTOR)
        raise AssertionError("there is always another look")

    def _stop(self, execution_id: str) -> None:
        with errors_of(_SERVICE):
            self._client.stop_query_execution(QueryExecutionId=execution_id)


def _not_taken(error: ClientError) -> BadInput:
    return BadInput(
        f"Athena does not take the query ({text_of(error)[:REASON_CHARS_MAX].rstrip('. ')}): check "
        "ALLOT_COST_ATHENA_DATABASE, _WORKGROUP and _OUTPUT, and that the workgroup has engine version 3.",
        code="AthenaRefused",
    )


def _require_header(found: tuple[str | None, ...], columns: tuple[str, ...]) -> None:
    if tuple((name or "").lower() for name in found) != tuple(name.lower() for name in columns):
        raise Unavailable(
            f"Athena answered with the columns {', '.join(map(str, found)) or 'of nothing'} instead of "
            f"{', '.join(columns)}: it will be tried again.",
            code="AthenaAnswer",
        )


def _failed(step: str, reason: str) -> BadInput:
    """Its own words name tables, columns and files, and no values of a report."""
    short = reason.partition("\n")[0][:REASON_CHARS_MAX].rstrip(". ")
    if "Bytes scanned limit" in reason:
        return BadInput(
            f"The workgroup's own limit of bytes scanned stopped the query ({step}): raise it in Athena, or set "
            f"ALLOT_COST_ENGINE to duckdb. Athena says: {short}.",
            code="ScanLimit",
        )
    if "Access Denied" in reason or "AccessDenied" in reason or "not authorized" in reason:
        return BadInput(
            f"Athena may not read the report or write its results ({step}): allow the worker's role s3:GetObject and "
            "s3:ListBucket on the report's bucket, s3:PutObject on ALLOT_COST_ATHENA_OUTPUT, and glue:GetTable. "
            f"Athena says: {short}.",
            code="AwsPermissionMissing",
        )
    return BadInput(
        f"The query on Athena ({step}) failed: {short or 'no reason is given'}. Where the report itself is sound, set "
        "ALLOT_COST_ENGINE to duckdb to read it here.",
        code="AthenaFailed",
    )
