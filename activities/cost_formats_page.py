"""Writes `docs/cost-formats.md` from the tables by which reports are read: `python -m activities.cost_formats_page`."""

from __future__ import annotations

import sys
from pathlib import Path

from activities.cost_columns import ColumnTable
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from activities.cost_dialect import DUCKDB
from activities.cost_money import MONEY_OF_FOCUS, money_of_cur
from domain.charge_type import CHARGE_TYPES, CUR_LINE_ITEM_TYPES, FOCUS_CHARGE_CATEGORIES

FILE = Path(__file__).resolve().parent.parent / "docs" / "cost-formats.md"

_HEAD = """\
# Formats of cost reports

Written by `python -m activities.cost_formats_page` from the tables by which reports are read; a test compares the two.

| format | manifest | files | told by |
|---|---|---|---|
| CUR (legacy) | `assemblyId`, `reportKeys` | CSV.gz, Parquet | a manifest of its own kind |
| CUR 2.0 | `executionId`, `dataFiles` | CSV.gz, Parquet | `line_item_usage_account_id` |
| FOCUS 1.0 | the same | CSV.gz, Parquet | `BilledCost` and `SubAccountId` |
| FOCUS 1.2 | the same | CSV.gz, Parquet | one of the columns that came after 1.0, such as `InvoiceId` |

Each in the layouts CREATE_NEW_REPORT and OVERWRITE_REPORT; tags as a map (JSON text in CSV) or as a column each.

The manifest says which format it is, and the columns of each file must agree. Columns may come in any order and case,
and one that is optional may be absent in a month or in one file. Each cost is rounded once, to 12 decimals, half away
from zero; all sums are exact from there on. A number in Parquet is taken as its shortest decimal text. Account ids are
texts of 12 digits, in FOCUS, too: the specification allows any text, AWS writes account ids.

Of several executions of an export that are all kept, the one with the latest time in its folder's name counts; with the
same time, or none, the one whose name is greater.
"""

_CUR_TAGS = """
Tags: columns that begin with `resourceTags/` or `resource_tags_`, or the column `resource_tags`. The prefix `user:` is
left out of their keys.
"""
_CUR_MONEY = """\
As AWS publishes it. Cases whose columns a report lacks are left out, and their lines count as they were charged. Over a
month, amortized + upfront + true_up = unblended.
"""


def page() -> str:
    """The whole page."""
    cur = money_of_cur([column.name for column in CUR_COLUMNS.columns], DUCKDB)
    return (
        "\n".join(
            [
                _HEAD,
                "## Columns of CUR and CUR 2.0\n",
                *_columns(CUR_COLUMNS, ("CUR, CSV", "CUR, Parquet; CUR 2.0")),
                _CUR_TAGS,
                "## Columns of FOCUS\n",
                *_columns(FOCUS_1_2_COLUMNS, ("FOCUS 1.0 and 1.2",)),
                "\n`InvoiceId` is in FOCUS 1.2 only. Tags: the column `Tags`.\n",
                "## Charge types\n",
                *_charge_types(),
                "## What a line of CUR and CUR 2.0 costs\n",
                _CUR_MONEY,
                *(f"`{name}`\n\n```sql\n{sql}\n```\n" for name, sql in cur.items()),
                "Lines of split cost allocation repeat what others cost: counted, and left out of every sum.\n",
                "## What a line of FOCUS costs\n",
                *(f"`{name}`\n\n```sql\n{sql}\n```\n" for name, sql in MONEY_OF_FOCUS.items()),
            ]
        ).rstrip("\n")
        + "\n"
    )


def _columns(table: ColumnTable, heads: tuple[str, ...]) -> list[str]:
    rows = [f"| {' | '.join(heads)} | holds | required | read for, and what is taken where it is absent |"]
    rows.append("|---" * (len(heads) + 3) + "|")
    for column in table.columns:
        names = (column.csv, column.name) if len(heads) > 1 else (column.name,)
        shown = " | ".join(f"`{name}`" for name in names)
        rows.append(f"| {shown} | {column.kind} | {'yes' if column.required else ''} | {column.use} |")
    return rows


def _charge_types() -> list[str]:
    rows = ["| charge type | group | line item type of CUR | charge category of FOCUS |", "|---|---|---|---|"]
    for name, group in CHARGE_TYPES.items():
        cur, focus = ("yes" if name in types else "" for types in (CUR_LINE_ITEM_TYPES, FOCUS_CHARGE_CATEGORIES))
        rows.append(f"| {name} | {group} | {cur} | {focus} |")
    rows.append(
        """
Support is told by the service (`AWSSupport…`, `AWSDeveloperSupport…`, `OCBPremiumSupport`) of usage and fees,
Marketplace by the billing entity; their taxes, credits and refunds stay what they are. Correction is a charge class of
FOCUS. A type that is not in this table is *unclassified*: counted, shown and reconciled, and its own name is kept
beside it.
"""
    )
    return rows


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"{FILE} is up to date\n")
