"""An Athena that answers over HTTP as AWS's does, and runs what it is asked, word for word, in DuckDB.

Tables are those of the Glue catalogue, files those of S3: both as the stand-in for AWS has them. DuckDB is only told
Trino's names of functions that it calls otherwise.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import duckdb

MACROS = "CREATE MACRO regexp_like(t, p) AS regexp_matches(t, p); CREATE MACRO is_finite(x) AS isfinite(x)"
_UNLOAD = re.compile(r"UNLOAD \((.*)\) TO '([^']+)' WITH \(format = 'PARQUET', compression = 'SNAPPY'\)", re.DOTALL)
_TABLE = re.compile(r'FROM "([^"]+)"\."([^"]+)"')
OK, BAD = 200, 400

Answer = tuple[int, dict[str, Any]]


def aws(service: str) -> Any:
    """A client of the stand-in for AWS; to make one takes longer than most of what it is used for."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"])


@cache
def _client(service: str, _endpoint: str) -> Any:
    return boto3.Session().client(service, region_name="us-east-1")  # type: ignore[call-overload]  # any of them


class DuckAthena:
    """What it was asked is in `asked`; `states` are the states that the next queries go through before they are done,
    and `failures` those that they end in instead."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[dict[str, Any]] = []
        self.running = 0
        """Looks at each query that find it running."""
        self.page_rows_max = 1_000
        self.refusals: dict[str, tuple[str, str]] = {}
        """By operation: a code and a message."""
        self.scanned_bytes = 0
        self._folder = folder
        self._tokens: dict[str, str] = {}
        self._queries: dict[str, dict[str, Any]] = {}

    def answer(self, operation: str, request: dict[str, Any]) -> Answer:
        self.asked.append((operation, request))
        if refusal := self.refusals.get(operation):
            return BAD, {"__type": refusal[0], "Message": refusal[1]}
        match operation:
            case "StartQueryExecution":
                return OK, {"QueryExecutionId": self._start(request)}
            case "GetQueryExecution":
                return OK, {"QueryExecution": self._look(request["QueryExecutionId"])}
            case "GetQueryResults":
                return OK, self._page(request)
            case "StopQueryExecution":
                self._queries[request["QueryExecutionId"]]["state"] = "CANCELLED"
                return OK, {}
        return BAD, {"__type": "InvalidRequestException", "Message": f"no operation {operation}"}

    def queries(self) -> list[str]:
        return [request["QueryString"] for operation, request in self.asked if operation == "StartQueryExecution"]

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.asked)

    def _start(self, request: dict[str, Any]) -> str:
        token = request["ClientRequestToken"]
        if token not in self._tokens:  # as AWS does: the same token is the same query
            self._tokens[token] = name = str(uuid4())
            query: dict[str, Any] = {"state": "SUCCEEDED", "looks": self.running, "error": {}, "rows": []}
            if self.failures:
                query |= {"state": "FAILED"} | self.failures.pop(0)
            else:
                query["rows"] = self._run(request["QueryString"])
            self._queries[name] = query
        return self._tokens[token]

    def _look(self, name: str) -> dict[str, Any]:
        query = self._queries[name]
        if query["looks"] > 0 and query["state"] != "CANCELLED":
            query["looks"] -= 1
            return {"Status": {"State": "RUNNING"}}
        status = {"State": query["state"], "StateChangeReason": query.get("reason", ""), "AthenaError": query["error"]}
        return {"Status": status, "Statistics": {"DataScannedInBytes": self.scanned_bytes}}

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        rows = self._queries[request["QueryExecutionId"]]["rows"]
        first = int(request.get("NextToken", 0))
        last = first + min(self.page_rows_max, request["MaxResults"])
        page = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in rows[first:last]]
        more = {"NextToken": str(last)} if last < len(rows) else {}
        return {"ResultSet": {"Rows": page}, **more}

    def _run(self, text: str) -> list[tuple[str | None, ...]]:
        """The rows of a result, the names of its columns first; of UNLOAD none."""
        # Athena does not take a column for constant because a Parquet file says so, which would hide a NaN.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "disabled_optimizers": "statistics_propagation",
        }
        with duckdb.connect(config=settings) as connection:
            connection.execute(MACROS)
            for database, table in set(_TABLE.findall(text)):
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
                connection.execute(f'CREATE VIEW "{database}"."{table}" AS {self._table(database, table)}')
            if match := _UNLOAD.fullmatch(text):
                self._unload(connection, match[1], match[2])
                return []
            found = connection.execute(text)
            names = tuple(column[0] for column in found.description)
            as_text = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in names)
            return [names, *connection.execute(f"SELECT {as_text} FROM ({text}) AS found").fetchall()]

    def _table(self, database: str, name: str) -> str:
        """All files of the table's folder, with the columns that the catalogue has, as their types say."""
        found = aws("glue").get_table(DatabaseName=database, Name=name)["Table"]
        place = found["StorageDescriptor"]
        bucket, _, prefix = place["Location"].removeprefix("s3://").partition("/")
        client, queries = aws("s3"), []
        for entry in client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            if not entry["Key"].endswith(".parquet"):
                continue
            path = self._folder / f"{uuid4()}.parquet"
            client.download_file(bucket, entry["Key"], str(path))
            there = {name.lower() for name in _names(path)}
            columns = [
                f'CAST("{column["Name"]}" AS {_duckdb_type(column["Type"])}) AS "{column["Name"]}"'
                if column["Name"] in there
                else f'CAST(NULL AS {_duckdb_type(column["Type"])}) AS "{column["Name"]}"'
                for column in place["Columns"]
            ]
            address = f"s3://{bucket}/{entry['Key']}"
            queries.append(f"SELECT {', '.join(columns)}, '{address}' AS \"$path\" FROM read_parquet('{path}')")
        return " UNION ALL ".join(queries)

    def _unload(self, connection: duckdb.DuckDBPyConnection, query: str, target: str) -> None:
        bucket, _, prefix = target.removeprefix("s3://").partition("/")
        client = aws("s3")
        assert prefix.endswith("/")
        assert "Contents" not in client.list_objects_v2(Bucket=bucket, Prefix=prefix), "Athena wants an empty place"
        path = self._folder / f"{uuid4()}.parquet"
        connection.execute(f"CREATE TABLE unloaded AS {query}")
        names = [row[0] for row in connection.execute("DESCRIBE unloaded").fetchall()]
        lower = ", ".join(f'"{name}" AS "{name.lower()}"' for name in names)  # Athena's names are in lower case
        connection.execute(f"COPY (SELECT {lower} FROM unloaded) TO '{path}' (FORMAT parquet)")
        ((rows,),) = connection.execute("SELECT count(*) FROM unloaded").fetchall()
        if rows:
            client.upload_file(str(path), bucket, f"{prefix}20260501_part")


def _duckdb_type(hive: str) -> str:
    return {"string": "VARCHAR", "timestamp": "TIMESTAMP"}.get(hive, hive)


def _names(path: Path) -> list[str]:
    found = duckdb.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
    return [row[0] for row in found]


@contextmanager
def duck_athena() -> Iterator[tuple[DuckAthena, str]]:
    """With the address at which it answers."""
    with tempfile.TemporaryDirectory() as folder:
        athena = DuckAthena(Path(folder))

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = athena.answer(self.headers["X-Amz-Target"].partition(".")[2], body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield athena, f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()
