"""Looks for resources in the Parquet files of the cost mart, and says whose they are.

The mart has the detail of every version by resource; whose a resource is, the views say. A search is a hint: nothing is
decided on its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from temporalio import activity

from activities.contracts import ActivityName
from activities.cost_mart import DETAIL, RESOURCES, CostMart
from activities.ledger_commands import reported
from domain.calendar import Month
from domain.cost import PeriodImported, period_stream
from domain.errors import Unavailable
from domain.hierarchy import NodePath
from domain.resource_search import TAGS_CHARS_SHOWN_MAX, FoundResource, ResourcePage, ResourceQuery
from ledger.ledger import Ledger
from views.queries import Views

MEMORY_MB = 256
CLAIMS: dict[str, pa.DataType] = {
    "account_id": pa.string(),
    "resource": pa.string(),
    "product": pa.string(),
    "workload": pa.string(),
    "component": pa.string(),
    "since": pa.date32(),
}
_FOUND = """
WITH found AS (
    SELECT r.account_id, r.resource, any_value(r.service) AS service, any_value(r.name) AS name,
        any_value(r.tags) AS tags, any_value(c.product) AS product, any_value(c.workload) AS workload,
        any_value(c.component) AS component, any_value(c.since) AS since
    FROM read_parquet($resources) r LEFT JOIN claims c USING (account_id, resource)
    WHERE (len($accounts) = 0 OR list_contains($accounts, r.account_id))
        AND contains(lower(r.service), lower($service)) AND contains(lower(r.resource), lower($resource))
        AND contains(lower(coalesce(r.name, '')), lower($name))
        AND ($claimed IS NULL OR (c.workload IS NOT NULL) = $claimed)
        AND ($workload = '' OR (c.product = $product AND c.workload = $workload)){tags}
    GROUP BY ALL
),
spent AS (
    SELECT account_id, resource, sum({metric}) AS cost
    FROM read_parquet($detail) SEMI JOIN found USING (account_id, resource) GROUP BY ALL
)
SELECT f.account_id, f.resource, f.service, f.name, f.tags, coalesce(s.cost, 0), f.product, f.workload, f.component,
    f.since, count(*) OVER ()
FROM found f LEFT JOIN spent s USING (account_id, resource)
ORDER BY coalesce(s.cost, 0) DESC, f.account_id, f.resource LIMIT $limit OFFSET $offset"""
_TAG = " AND json_extract_string(nullif(r.tags, ''), ${key}) = ${value}"


class ResourceSearches:
    """The cost mart and the claims of this installation."""

    def __init__(self, ledger: Ledger, database_url: str, mart: CostMart) -> None:
        self._ledger = ledger
        self._database_url = database_url
        self._mart = mart

    @activity.defn(name=ActivityName.SEARCH_RESOURCES)
    def search(self, query: ResourceQuery) -> ResourcePage:
        with reported():
            return self._search(query, datetime.now(UTC).date() + timedelta(days=1))

    def _search(self, query: ResourceQuery, day: date) -> ResourcePage:
        """As it is on that day: what can be claimed today is open tomorrow."""
        with Views(self._database_url) as views:
            period = query.billing_period or views.newest_period()
            claims = views.claims_on(day)
        imported = self._imported(period) if period else []
        if period is None or not imported:
            return ResourcePage(billing_period=period, metric=query.metric)
        details = [fact.detail for fact in imported]
        places = {kind: [f for one in details for f in self._mart.files(one, kind)] for kind in (DETAIL, RESOURCES)}
        rows = _rows(query, places, claims)
        return ResourcePage(
            billing_period=period,
            versions=tuple(fact.report_version for fact in imported),
            currency=imported[0].currency,
            metric=query.metric,
            resources=tuple(_found(row) for row in rows),
            total=rows[0][-1] if rows else 0,
        )

    def _imported(self, period: Month) -> list[PeriodImported]:
        """What is in force of that period, for each payer; without those that have no detail."""
        newest: dict[str, PeriodImported] = {}
        for event in self._ledger.read(period_stream(period)):
            if isinstance(event.fact, PeriodImported):
                newest[event.fact.payer_account_id] = event.fact
        return [fact for _, fact in sorted(newest.items()) if fact.detail]


def _rows(
    query: ResourceQuery, places: dict[str, list[str]], claims: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "resources": places[RESOURCES],
        "detail": places[DETAIL],
        "accounts": list(query.account_ids),
        "service": query.service,
        "resource": query.resource,
        "name": query.name,
        "claimed": query.claimed,
        "product": str(query.product or ""),
        "workload": query.workload,
        "limit": query.limit,
        "offset": query.offset,
    }
    tags = ""
    for number, (key, value) in enumerate(sorted(query.tags.items())):
        tags += _TAG.format(key=f"key{number}", value=f"value{number}")
        parameters |= {f"key{number}": _pointer(key), f"value{number}": value}
    with duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB", "threads": 1}) as connection:
        connection.register("claims", _table(claims))
        try:
            return connection.execute(_FOUND.format(metric=query.metric.value, tags=tags), parameters).fetchall()
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(f"The search needs more than {MEMORY_MB} MB: look for less ({error}).") from None


def _table(claims: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns: list[tuple[Any, ...]] = list(zip(*claims, strict=True)) or [() for _ in CLAIMS]
    return pa.table({name: pa.array(column, CLAIMS[name]) for name, column in zip(CLAIMS, columns, strict=True)})


def _pointer(key: str) -> str:
    """A key as a JSON Pointer (RFC 6901), in which no character of it means anything else."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _found(row: tuple[Any, ...]) -> FoundResource:
    account_id, resource, service, name, tags, cost, product, workload, component, since, _ = row
    return FoundResource(
        account_id=account_id,
        resource=resource,
        service=service,
        name=name or "",
        tags=(tags or "")[:TAGS_CHARS_SHOWN_MAX],
        cost=cost,
        product=NodePath.parse(product) if product else None,
        workload=workload or "",
        component=component or "",
        since=since,
    )
