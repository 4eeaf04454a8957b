"""Where the detail of a report version is found: the files of the cost mart that a search reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from domain.errors import NotFound, Unavailable

DETAIL, RESOURCES = "detail", "resources"


class MartFiles(Protocol):
    """As local paths of Parquet files."""

    def files(self, detail: str, kind: str) -> Sequence[str]:
        """Of one version, by what its import says of it (`PeriodImported.detail`). Raises NotFound where it is gone."""
        ...


class FolderMart:
    """A cost mart in a folder."""

    def __init__(self, location: str) -> None:
        self._location = location

    def files(self, detail: str, kind: str) -> Sequence[str]:
        if "://" in self._location:
            raise Unavailable(f"The cost mart {self._location} is not in a folder, and cannot be searched from here.")
        found = sorted(str(file) for file in (Path(self._location) / kind / detail).glob("part-*.parquet"))
        if not found:
            raise NotFound(
                f"The detail {detail} is not in the cost mart {self._location} any more: import the month again.",
                code="NoDetail",
            )
        return found
