"""One use of the command line: settings, who acts, and how to reach the views and Temporal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from command_line.options import ANSWER_WITHIN_S
from domain.calendar import Month
from domain.decision import PERSON_REFERENCE_CHARS_MAX, SYSTEM, Channel, Organization
from domain.errors import BadInput
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from settings import Settings
from views.queries import Views


def read_settings() -> Settings:
    """Raises BadInput where a setting is wrong, naming it but never its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "ALLOT_" + "_".join(map(str, first["loc"])).upper()
        raise BadInput(f"The setting {name} is wrong: {first['msg']}. See docs/settings.md.") from None


@dataclass(frozen=True, slots=True)
class Session:
    """What a command needs of its surroundings."""

    settings: Settings
    as_json: bool = False
    actor: str | None = None
    timeout_s: float = ANSWER_WITHIN_S
    command_id: UUID | None = None

    @classmethod
    def open(
        cls,
        as_json: bool = False,
        actor: str | None = None,
        timeout_s: float = ANSWER_WITHIN_S,
        command_id: UUID | None = None,
    ) -> Session:
        return cls(read_settings(), as_json, actor, timeout_s, command_id or uuid4())

    def person(self) -> str:
        """Who acts. Raises BadInput where nobody is named, or somebody who cannot be."""
        actor = (self.actor or "").strip()
        if not actor:
            raise BadInput("Say who acts: --as EMAIL, or set ALLOT_AS.", code="NoActor")
        if actor == SYSTEM:
            raise BadInput("Allot itself acts from within only: name a person by --as EMAIL.", code="NoActor")
        if len(actor) > PERSON_REFERENCE_CHARS_MAX:
            raise BadInput(f"An e-mail address has at most {PERSON_REFERENCE_CHARS_MAX} characters.")
        return actor

    def shared(self) -> dict[str, Any]:
        """What every command that this use of the command line sends has in common."""
        return {"command_id": self.new_command_id(), "actor": self.person(), "channel": Channel.CLI}

    def new_command_id(self) -> UUID:
        """Of the one command that this use of the command line sends."""
        assert self.command_id is not None
        return self.command_id

    @property
    def database_url(self) -> str:
        return self.settings.database_url.get_secret_value()

    @property
    def currency(self) -> str:
        return self.settings.currency

    @contextmanager
    def views(self) -> Iterator[Views]:
        with Views(self.database_url) as views:
            yield views

    def fiscal_year(self, chosen: int | None) -> int:
        """The chosen year, or the one that today falls into."""
        return chosen or self.organization.calendar.fiscal_year_of(Month.of(self.today()))

    @property
    def organization(self) -> Organization:
        return self.settings.organization()

    def today(self) -> date:
        """In the office."""
        return self.organization.business.day_of(datetime.now(UTC))


def node_path(text: str) -> NodePath:
    """Raises BadInput for what cannot be a path."""
    try:
        return NodePath.parse(text.strip() or "/")
    except ValueError as error:
        raise BadInput(f"{text!r} is not a path of the hierarchy: {error}.") from None


def product_path(text: str) -> NodePath:
    """Raises BadInput for a path that does not lead to a product."""
    path = node_path(text)
    if path.level != PRODUCT_LEVEL:
        raise BadInput(
            f"A product is named by its whole path, {PRODUCT_LEVEL} names with / between them; "
            f"{text!r} has {path.level}. Write / inside a name as %2F."
        )
    return path


def day(text: str, option: str) -> date:
    """Raises BadInput for what is no date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r} is not a date: write YYYY-MM-DD, such as 2026-01-01.") from None


def month(text: str, where: str) -> Month:
    """Raises BadInput for what is no month."""
    try:
        return Month.parse(text.strip())
    except ValueError as error:
        raise BadInput(f"{where} {text!r}: {error}.") from None
