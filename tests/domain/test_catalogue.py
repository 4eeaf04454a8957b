"""The event catalogue: each fact with its fields, their types and what they are when nobody says."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from domain.budget import ProductWithdrawn
from domain.calendar import Month
from domain.catalogue import _entry, catalogue
from domain.decision import Fact
from domain.registry import FACTS


class Sample(Fact):
    """Something happened.

    It took a while.
    """

    fact_name: ClassVar[str] = "sample.Happened"
    fact_version: ClassVar[int] = 3

    months: dict[Month, int]
    parts: tuple[str, ...] = ()
    count: Annotated[int, Field(ge=0)] | None = None
    bounded: tuple[Annotated[str, "a name"], int]


class Bare(Fact):
    fact_name: ClassVar[str] = "sample.Bare"


def test_an_entry_has_a_row_for_each_field() -> None:
    assert _entry(Sample) == (
        "## `sample.Happened` (version 3)\n\n"
        "Something happened.\n\nIt took a while.\n\n"
        "| field | type | default |\n"
        "|---|---|---|\n"
        "| `months` | dict of (Month, int) |  |\n"
        "| `parts` | tuple of (str, …) | `()` |\n"
        "| `count` | int or none | `None` |\n"
        "| `bounded` | tuple of (str, int) |  |\n"
    )


def test_the_catalogue_has_every_fact_in_order_of_its_name() -> None:
    head, *entries = catalogue().split("\n## ")
    assert head.startswith("# Event catalogue\n\nEvery event")
    assert [entry.split("`")[1] for entry in entries] == sorted(FACTS)
    assert _entry(ProductWithdrawn) in catalogue()
