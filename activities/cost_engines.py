"""Which engine adds a report up: DuckDB on this machine, or Athena for what is too large for it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from activities.athena import AthenaPlace
from activities.cost_athena import BYTES_PER_GB, AthenaLimits
from activities.cost_fetching import Accepted
from activities.cost_files import Files
from domain.errors import BadInput

EngineChoice = Literal["auto", "duckdb", "athena"]


class Engines(NamedTuple):
    """By the settings of this worker."""

    choice: EngineChoice = "auto"
    athena: AthenaLimits | None = None
    from_bytes: int = 0
    """From this size of a report on, `auto` takes Athena."""

    def athena_for(self, accepted: Accepted, files: Files, *, own_role: bool) -> AthenaLimits | None:
        """None for DuckDB. Athena reads Parquet in S3, and with the worker's credentials alone: a source that has a
        role of its own, a folder and CSV are read here whatever is chosen."""
        if self.choice == "duckdb" or self.athena is None or own_role:
            return None
        if not files.copies or accepted.manifest.content != "parquet":
            return None
        return self.athena if self.choice == "athena" or accepted.size >= self.from_bytes else None


LOCAL = Engines()


def engines_of(
    choice: EngineChoice, database: str, workgroup: str, output: str, from_gb: int, scan_gb_max: int
) -> Engines:
    """Raises BadInput where Athena is chosen and cannot be meant."""
    if choice == "duckdb" or not (database or output):
        if choice == "athena":
            raise BadInput(
                "ALLOT_COST_ENGINE is athena: set ALLOT_COST_ATHENA_DATABASE and ALLOT_COST_ATHENA_OUTPUT, too."
            )
        return Engines(choice)
    bucket = output.removeprefix("s3://").partition("/")[0]
    if not database or not output.startswith("s3://") or not bucket:
        raise BadInput(
            "Athena needs a database (ALLOT_COST_ATHENA_DATABASE) and a place for its results, s3://bucket/prefix "
            "(ALLOT_COST_ATHENA_OUTPUT)."
        )
    place = AthenaPlace(database, workgroup, output.rstrip("/"))
    return Engines(choice, AthenaLimits(place, scan_gb_max * BYTES_PER_GB), from_gb * BYTES_PER_GB)
