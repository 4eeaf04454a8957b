"""Every setting of Allot, read once at the start of a process. `docs/settings.md` explains each of them."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from domain.account_event_body import is_account_id
from domain.business_days import WAIT_DAYS_MAX, YEAR_GRACE_DAYS_MAX, BusinessCalendar
from domain.calendar import FiscalCalendar
from domain.cost import payers_listed
from domain.decision import PERSON_REFERENCE_CHARS_MAX, Organization
from domain.money import Currency

STATE_DIR = Path(".allot")
EMBEDDED_FILE = "embedded.env"
"""In the state directory: `allot up` and `allot demo` write the addresses of what they started, for other commands."""
LOCAL_FILE = Path("allot.env")
S3_SCHEME = "s3://"


class Settings(BaseSettings):
    """Read from the environment (`ALLOT_…`), then `allot.env`, then what the embedded stack wrote; first one wins."""

    model_config = SettingsConfigDict(
        env_prefix="ALLOT_",
        extra="ignore",  # the files may hold variables of other programs, such as AWS_ENDPOINT_URL
        frozen=True,
        hide_input_in_errors=True,
    )

    # The organization: one installation serves one company.
    currency: Currency = "USD"
    fiscal_year_first_month: Annotated[int, Field(ge=1, le=12)] = 1
    time_zone: str = "UTC"
    payer_account_id: str | None = None

    # How long people are waited for, in business days of the time zone above.
    holidays: Annotated[tuple[date, ...], NoDecode] = ()
    reminder_business_days: Annotated[int, Field(ge=1, le=WAIT_DAYS_MAX)] = 2
    escalation_business_days: Annotated[int, Field(ge=1, le=WAIT_DAYS_MAX)] = 5
    year_grace_days: Annotated[int, Field(ge=0, le=YEAR_GRACE_DAYS_MAX)] = 0

    # Where things are.
    database_url: SecretStr = SecretStr("postgresql://allot@localhost:5432/allot")
    temporal_address: str = "localhost:7233"
    temporal_ui_url: str = "http://localhost:8233"
    file_store: str = ".allot/files"
    cost_mart: str = ".allot/cost-mart"
    state_dir: Path = STATE_DIR

    # What is allowed.
    accept_claimed_actors: bool = False

    # Where approved budgets are dropped, and by whose right they are loaded.
    budget_drop: str | None = None
    budget_drop_actor: Annotated[str | None, Field(max_length=PERSON_REFERENCE_CHARS_MAX, validate_default=True)] = None
    budget_drop_minutes: Annotated[int, Field(ge=1, le=1440)] = 5

    # AWS Organizations: by which role it is read, and where its events arrive.
    organizations_role_arn: str = ""
    organizations_external_id: SecretStr | None = None
    account_events_queue_url: str = ""
    account_events_dead_letter_url: str = ""

    # Cost reports: where they lie (as TOML, or the path of a TOML file; a secret, for it holds external ids), how often
    # they are looked at, where S3 tells of them, and what of them may lie on this machine's disk at once.
    cost_sources: SecretStr | None = None
    cost_poll_minutes: Annotated[int, Field(ge=5, le=10_080)] = 360
    cost_events_queue_url: str = ""
    cost_events_dead_letter_url: str = ""
    cost_scratch: Path | None = None
    cost_versions_kept_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    cost_scratch_mb: Annotated[int, Field(ge=64, le=10_000_000)] = 4096

    # Which engine adds up cost reports, and from which size of a report on Athena does.
    cost_engine: Literal["auto", "duckdb", "athena"] = "auto"
    cost_athena_database: str = ""
    cost_athena_workgroup: str = "primary"
    cost_athena_output: str = ""
    cost_athena_from_gb: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    cost_athena_scan_gb_max: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000

    # Who is told of events: channels as TOML, or the path of a TOML file. A secret, for it holds passwords and tokens.
    notifications: SecretStr | None = None

    # How the worker works.
    activity_slots: Annotated[int, Field(ge=1, le=200)] = 20
    cost_slots: Annotated[int, Field(ge=1, le=16)] = 1
    cost_memory_mb: Annotated[int, Field(ge=64, le=65536)] = 200
    graceful_shutdown_s: Annotated[int, Field(ge=1, le=105)] = 90
    view_poll_ms: Annotated[int, Field(ge=5, le=5000)] = 50
    organization_sync_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Puts the two files behind the environment; where the first of them is depends on ALLOT_STATE_DIR."""
        state_dir = Path(os.environ.get("ALLOT_STATE_DIR", STATE_DIR))
        files = (state_dir / EMBEDDED_FILE, LOCAL_FILE)  # the later one wins
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=files)

    @field_validator("payer_account_id")
    @classmethod
    def _listed_payers(cls, text: str | None) -> str | None:
        """One account id or several, with commas between."""
        payers = payers_listed(text or "")
        if wrong := [payer for payer in payers if not is_account_id(payer)]:
            raise ValueError(f"{wrong[0]!r} is no account id: 12 digits, or several of them with commas between")
        return ",".join(payers) or None

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @field_validator("holidays", mode="before")
    @classmethod
    def _listed_days(cls, value: object) -> object:
        """Written as `2026-12-25,2026-12-26`."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("budget_drop")
    @classmethod
    def _place(cls, location: str | None) -> str | None:
        location = (location or "").strip()
        if location.startswith(S3_SCHEME) and not location.removeprefix(S3_SCHEME).partition("/")[0]:
            raise ValueError("it names no bucket: write s3://bucket/prefix")
        return location or None

    @field_validator("budget_drop_actor")
    @classmethod
    def _somebody(cls, actor: str | None, others: ValidationInfo) -> str | None:
        """Nobody drops files as Allot itself, and no drop is without somebody who answers for it."""
        actor = (actor or "").strip()
        if actor and "@" not in actor:
            raise ValueError("it is the e-mail address of a person")
        if others.data.get("budget_drop") and not actor:
            raise ValueError("ALLOT_BUDGET_DROP needs the e-mail address of whoever answers for what is dropped there")
        return actor or None

    @field_validator("organizations_external_id")
    @classmethod
    def _for_a_role(cls, external_id: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        """An external id that nobody asks for would be believed to protect something."""
        if external_id and external_id.get_secret_value() and not others.data.get("organizations_role_arn"):
            raise ValueError("it belongs to a role: set ALLOT_ORGANIZATIONS_ROLE_ARN, too")
        return external_id

    @field_validator(
        "account_events_queue_url",
        "account_events_dead_letter_url",
        "cost_events_queue_url",
        "cost_events_dead_letter_url",
    )
    @classmethod
    def _without_blanks(cls, url: str) -> str:
        return url.strip()

    @field_validator("account_events_dead_letter_url", "cost_events_dead_letter_url")
    @classmethod
    def _another_queue(cls, url: str, others: ValidationInfo) -> str:
        queue = str(others.field_name).replace("_dead_letter_url", "_queue_url")
        if url and url == others.data.get(queue):
            raise ValueError("messages that cannot be understood would come back for ever: name another queue")
        return url

    def organization(self) -> Organization:
        """What decisions need to know of the company."""
        return Organization(
            currency=self.currency,
            calendar=FiscalCalendar(self.fiscal_year_first_month),
            payer_account_id=self.payer_account_id,
            business=BusinessCalendar(
                time_zone=ZoneInfo(self.time_zone),
                holidays=frozenset(self.holidays),
                reminder_days=self.reminder_business_days,
                escalation_days=self.escalation_business_days,
                year_grace_days=self.year_grace_days,
            ),
        )

    @property
    def graceful_shutdown(self) -> timedelta:
        return timedelta(seconds=self.graceful_shutdown_s)
