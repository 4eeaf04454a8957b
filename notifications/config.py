"""The channels of an installation, as TOML: a file's path or the text itself. They hold passwords and tokens.

[mail]                                  # the channel's name
kind = "apprise"
url = "mailtos://user:password@smtp.example.com?from=allot@example.com&to={email}"

[finance-room]
kind = "apprise"
url = "slack://TokenA/TokenB/TokenC/#finance"
events = ["schedule.Submitted", "schedule.WentOverBudget"]

[ses]
kind = "ses"
from = "allot@example.com"
region = "eu-west-1"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from domain.errors import BadInput
from domain.model import Model
from notifications.messages import TOLD

CHANNELS_MAX = 20
"""Each has a process, a place in the log and threads of its own."""
CONFIG_BYTES_MAX = 100_000
URL_CHARS_MAX = 4_000
EMAIL_PLACEHOLDER = "{email}"
"""In an address of apprise: where it stands, each person gets a message of their own."""
SETTING = "ALLOT_NOTIFICATIONS"
RENAMED = {"account.Vended": "account.AlignmentOpened"}
"""Events that settings of before may name, and what tells the same now."""


def _told(name: str) -> str:
    known = RENAMED.get(name, name)
    if known not in TOLD:
        raise ValueError(f"nobody is told of {name!r}; events: {', '.join(sorted(TOLD))}")
    return known


ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
EventNames = tuple[Annotated[str, AfterValidator(_told)], ...]


class _Channel(Model):
    model_config = ConfigDict(extra="forbid")  # a word that is misspelt must not be overlooked

    events: EventNames = ()
    """Only these; empty for all."""

    def tells_of(self, kind: str) -> bool:
        return not self.events or kind in self.events


class AppriseChannel(_Channel):
    """Mail, Slack, Teams and whatever else apprise knows, by one address."""

    kind: Literal["apprise"]
    url: Annotated[SecretStr, Field(max_length=URL_CHARS_MAX)]

    @property
    def per_person(self) -> bool:
        return EMAIL_PLACEHOLDER in self.url.get_secret_value()


class SesChannel(_Channel):
    """Mail through Amazon SES; credentials come from the environment, as for all of AWS."""

    kind: Literal["ses"]
    sender: Annotated[str, Field(alias="from", min_length=3)]
    region: str | None = None

    @property
    def per_person(self) -> bool:
        return True


type ChannelConfig = AppriseChannel | SesChannel
_CHANNELS: TypeAdapter[dict[ChannelName, Annotated[AppriseChannel | SesChannel, Field(discriminator="kind")]]] = (
    TypeAdapter(dict[ChannelName, Annotated[AppriseChannel | SesChannel, Field(discriminator="kind")]])
)


def read_channels(setting: SecretStr | None) -> Mapping[str, ChannelConfig]:
    """By name. Raises BadInput, which says what is wrong and never repeats a value."""
    text = setting.get_secret_value().strip() if setting else ""
    if not text:
        return {}
    if not text.startswith("["):
        text = _content(Path(text))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # its message may quote what it could not read
        raise BadInput(f"{SETTING} is not TOML: see docs/notifications.md for an example.") from None
    try:
        found: Mapping[str, ChannelConfig] = _CHANNELS.validate_python(tables)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        raise BadInput(f"{SETTING}: {where}: {problem['msg'].removeprefix('Value error, ')}.") from None
    if len(found) > CHANNELS_MAX:
        raise BadInput(f"{SETTING} names {len(found)} channels; at most {CHANNELS_MAX} are allowed.")
    return found


def _content(file: Path) -> str:
    try:
        if file.stat().st_size > CONFIG_BYTES_MAX:
            raise BadInput(f"{SETTING}: the file has more than {CONFIG_BYTES_MAX:,} bytes.")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        # Not the name: where TOML was meant and misread as a path, it would show a password.
        raise BadInput(
            f"{SETTING} is neither the path of a TOML file that can be read nor TOML itself, which begins with [ "
            f"({type(error).__name__})."
        ) from None
