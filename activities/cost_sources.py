"""The sources of cost reports of an installation, as TOML: a file's path or the text itself. They hold external ids.

[[source]]
name = "main-payer"                      # how people and schedules call it
place = "s3://finops-cost-reports/main"  # or a folder: one report, all its billing periods
role_arn = "arn:aws:iam::111122223333:role/AllotCostReader"   # where the bucket is of another account
external_id = "…"                        # that the role's trust policy asks for
payer = "111122223333"                   # reports of another payer are refused here
region = "eu-west-1"                     # of the bucket

A process names a source by its name or place only; role and external id are looked up here, in the activity.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator

from activities.aws_access import EXTERNAL_ID, AwsAccess, RoleOf
from activities.cost_bucket import Bucket, client_config
from activities.cost_fetching import ROOM, Room
from activities.cost_files import S3_SCHEME, Files, Folder
from domain.errors import BadInput
from domain.model import Model
from domain.process import COST_SOURCE_NAME, SOURCE_CHARS_MAX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCES_MAX = 50
"""Each has a schedule of its own."""
CONFIG_BYTES_MAX = 100_000
ROLE_ARN_CHARS_MAX = 2_048
SETTING = "ALLOT_COST_SOURCES"

_ROLE_ARN = r"^(|arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+)$"


class ConfiguredSource(Model):
    """Where one payer's report is delivered, and by which role it is read."""

    model_config = ConfigDict(extra="forbid")  # a word that is misspelt must not be overlooked

    name: Annotated[str, Field(pattern=COST_SOURCE_NAME)]
    place: Annotated[str, Field(min_length=1, max_length=SOURCE_CHARS_MAX)]
    role_arn: Annotated[str, Field(pattern=_ROLE_ARN, max_length=ROLE_ARN_CHARS_MAX)] = ""
    external_id: SecretStr | None = None
    payer: Annotated[str, Field(pattern=r"^(|[0-9]{12})$")] = ""
    region: Annotated[str, Field(pattern=r"^(|[a-z]{2,}(-[a-z0-9]+)+)$")] = ""

    @field_validator("place")
    @classmethod
    def _whole_place(cls, place: str) -> str:
        if place.startswith(S3_SCHEME):
            if not place.removeprefix(S3_SCHEME).partition("/")[0]:
                raise ValueError("it names no bucket: write s3://bucket/prefix")
            return place.rstrip("/")
        if "://" in place or not Path(place).is_absolute():
            raise ValueError("it is neither s3://bucket/prefix nor the whole path of a folder")
        return place.rstrip("/") or "/"

    @field_validator("external_id")
    @classmethod
    def _readable(cls, external_id: SecretStr | None) -> SecretStr | None:
        if external_id and not EXTERNAL_ID.fullmatch(external_id.get_secret_value()):
            raise ValueError("it has 2 to 1,224 letters, digits or any of +=,.@:/-_ and no space or line break")
        return external_id

    @model_validator(mode="after")
    def _role_of_a_bucket(self) -> Self:
        if self.external_id and not self.role_arn:
            raise ValueError("external_id belongs to a role: give role_arn, too")
        if (self.role_arn or self.region) and not self.place.startswith(S3_SCHEME):
            raise ValueError("role_arn and region belong to a bucket, and place is a folder")
        return self

    def holds(self, place: str) -> bool:
        """Whether that is this place or lies below it; compared step by step, so that `a/b` does not hold `a/bc`."""
        return place == self.place or place.startswith(f"{self.place.rstrip('/')}/")

    def s3(self) -> S3Client:
        access = AwsAccess(self.role_arn, self.external_id, RoleOf.cost_source(self.name))
        return access.s3(self.region, client_config())


_SOURCES: TypeAdapter[tuple[ConfiguredSource, ...]] = TypeAdapter(tuple[ConfiguredSource, ...])


@dataclass(frozen=True, slots=True)
class CostPlaces:
    """Where this worker reads cost reports, and how much of them it keeps on its disk at once."""

    sources: tuple[ConfiguredSource, ...] = ()
    room: Room = ROOM
    scratch: Path | None = None
    """Folder for what is brought here; None for the system's own."""

    def named(self, name: str) -> ConfiguredSource | None:
        return next((source for source in self.sources if source.name == name), None)

    def at(self, place: str) -> ConfiguredSource | None:
        """The one that this place, or its name, belongs to."""
        whole = place if "://" in place else str(Path(place).expanduser().absolute())
        return self.named(place) or next((source for source in self.sources if source.holds(whole)), None)

    def place(self, source: str) -> str:
        """Of a source that is named, or given by its place."""
        known = self.named(source)
        return known.place if known else source

    def require_below(self, source: str, address: str) -> None:
        """Raises BadInput for an address that is not below its source: a role reads no more than it is meant for."""
        place = self.place(source)
        if place.startswith(S3_SCHEME):
            below = address.startswith(f"{place.rstrip('/')}/")
        else:
            below = Path(address).resolve().is_relative_to(Path(place).expanduser().resolve())
        if not below:
            raise BadInput(f"{address} is not below {place}: look for deliveries again.", code="NoSource")

    def open(self, source: str) -> Files:
        """A folder, `s3://bucket/prefix`, or the name of a configured source; below one, its role is used."""
        place = self.place(source)
        if not place.startswith(S3_SCHEME):
            return Folder(self._folder(place))
        known = self.at(place)
        return Bucket(place, known.s3 if known else _with_own_credentials)

    def _folder(self, place: str) -> str:
        if re.fullmatch(COST_SOURCE_NAME, place) and not Path(place).is_dir():
            raise BadInput(
                f"There is no source named {place!r} in {SETTING} of the worker, and no such folder: name a folder, "
                "s3://bucket/prefix or a source.",
                code="NoSource",
            )
        return place


ANYWHERE = CostPlaces()


def _with_own_credentials() -> S3Client:
    return AwsAccess().s3("", client_config())


def read_sources(setting: SecretStr | None) -> tuple[ConfiguredSource, ...]:
    """In the order in which they are written. Raises BadInput, which says what is wrong and never repeats a value."""
    text = setting.get_secret_value().strip() if setting else ""
    if not text:
        return ()
    if not text.startswith(("[", "#")):
        text = _content(Path(text))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # its message may quote what it could not read
        raise BadInput(f"{SETTING} is not TOML: see docs/cost-reports-setup.md for an example.") from None
    if others := sorted(tables.keys() - {"source"}):
        raise BadInput(f"{SETTING}: there is {others[0][:40]!r}, and only [[source]] is known.")
    entries = tables.get("source", [])
    if not isinstance(entries, list) or len(entries) > SOURCES_MAX:
        raise BadInput(f"{SETTING}: write each source as [[source]], at most {SOURCES_MAX} of them.")
    try:
        found = _SOURCES.validate_python(entries)
    except ValidationError as error:
        raise _invalid(error, entries) from None
    _require_apart(found)
    return found


def _invalid(error: ValidationError, entries: Sequence[Any]) -> BadInput:
    problem = error.errors(include_input=False, include_url=False)[0]
    number, *fields = problem["loc"]
    entry = entries[int(number)]
    name = entry.get("name") if isinstance(entry, dict) else None
    called = f" ({name[:40]!r})" if isinstance(name, str) else ""
    field = f", {'.'.join(str(part) for part in fields)}" if fields else ""
    return BadInput(
        f"{SETTING}: source {int(number) + 1}{called}{field}: {problem['msg'].removeprefix('Value error, ')}."
    )


def _require_apart(sources: Sequence[ConfiguredSource]) -> None:
    """Each place is of one source, so that nobody has to guess whose role reads it."""
    for number, source in enumerate(sources):
        for other in sources[:number]:
            if other.name == source.name:
                raise BadInput(f"{SETTING}: two sources are named {source.name!r}: each needs a name of its own.")
            if other.holds(source.place) or source.holds(other.place):
                raise BadInput(
                    f"{SETTING}: the places of {other.name!r} and {source.name!r} are the same, or one lies in the "
                    "other: each source has one report, in a place of its own."
                )


def _content(file: Path) -> str:
    try:
        if file.stat().st_size > CONFIG_BYTES_MAX:
            raise BadInput(f"{SETTING}: the file has more than {CONFIG_BYTES_MAX:,} bytes.")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        # Not the name: where TOML was meant and misread as a path, it would show an external id.
        raise BadInput(
            f"{SETTING} is neither the path of a TOML file that can be read nor TOML itself, which begins with [[ "
            f"({type(error).__name__})."
        ) from None
