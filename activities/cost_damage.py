"""How it is said that a cost report cannot be imported."""

from __future__ import annotations

from typing import Literal

from domain.errors import DamagedReport

EXCERPT_CHARS_MAX = 120
"""Characters of a value that an error shows."""

DamageCode = Literal["BadManifest", "MissingPart", "Superseded", "BadPart", "BadLine", "NotReconciled"]


def damaged(what: str, code: DamageCode) -> DamagedReport:
    """The error of a report that cannot be imported."""
    return DamagedReport(f"{what}. Nothing was imported, and what was there is untouched.", code=code)


def shown(value: str) -> str:
    """A value in an error: quoted, and its beginning only where it is long."""
    return repr(value if len(value) <= EXCERPT_CHARS_MAX else value[:EXCERPT_CHARS_MAX] + "…")


def bad_manifest(address: str, what: str) -> DamagedReport:
    return damaged(f"The manifest {address} cannot be used: {what}", "BadManifest")


def bad_line(part: str, header: str, line_item: str | None, value: str | None, complaint: str) -> DamagedReport:
    return damaged(
        f"The part {part} cannot be imported: {header} of line item {shown(line_item or '')} is "
        f"{shown(value or '')}, which {complaint}",
        "BadLine",
    )
