"""Slices of the detail: conditions that take it apart, in its order, into pieces to be sorted in little memory."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from domain.resource_key import RESOURCE_KEY_SQL

DETAIL_ROWS_PER_MB = 1_000
"""Rows of groups that are put together and sorted in a megabyte of the engine's memory, with some to spare."""
RESOURCES_ROWS_PER_MB = 25_000
"""The same for resources, which have fewer groups by far."""
SAMPLES = 2_000
"""Keys of one large account, from which the bounds of its slices are taken."""

EVERYTHING = "true"


def slices_of(connection: duckdb.DuckDBPyConnection, rows_max: int) -> list[str]:
    """Conditions over `detail`, by account, and by resource where an account is large; each row is in one of them."""
    accounts = connection.execute("SELECT account, count(*) FROM detail GROUP BY account ORDER BY account").fetchall()
    if sum(rows for _, rows in accounts) <= rows_max:
        return [EVERYTHING]
    return list(_slices(connection, accounts, rows_max))


def _slices(connection: duckdb.DuckDBPyConnection, accounts: list[tuple[str, int]], rows_max: int) -> Iterator[str]:
    some: list[str] = []
    taken = 0
    for account, rows in accounts:
        if some and taken + rows > rows_max:
            yield _between(some)
            some, taken = [], 0
        if rows > rows_max:
            yield from _of_large(connection, account, -(-rows // rows_max))
        else:
            some.append(account)
            taken += rows
    if some:
        yield _between(some)


def _between(accounts: list[str]) -> str:
    return f"account BETWEEN '{accounts[0]}' AND '{accounts[-1]}'"  # of digits only


def _of_large(connection: duckdb.DuckDBPyConnection, account: str, pieces: int) -> Iterator[str]:
    """By the keys of resources, at bounds that are drawn: wherever they are, the pieces are the whole, and in order."""
    where = f"account = '{account}'"
    query = f"SELECT {RESOURCE_KEY_SQL} AS key FROM detail WHERE {where} USING SAMPLE {SAMPLES} ROWS"  # noqa: S608 - ours
    keys = sorted(key for (key,) in connection.execute(query).fetchall())
    bounds = sorted({keys[len(keys) * piece // pieces] for piece in range(1, pieces)})
    for lower, upper in zip([None, *bounds], [*bounds, None], strict=True):
        conditions = [where]
        conditions += [f"{RESOURCE_KEY_SQL} >= {_quoted(lower)}"] if lower is not None else []
        conditions += [f"{RESOURCE_KEY_SQL} < {_quoted(upper)}"] if upper is not None else []
        yield " AND ".join(f"({condition})" for condition in conditions)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
