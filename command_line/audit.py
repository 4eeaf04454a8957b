"""`allot audit`: every event about a subject, who caused it, and which process run recorded it."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import ConsoleRenderable
from temporalio.envconfig import ClientConfig

from command_line import options
from command_line.output import moment, safe, show
from command_line.session import Session
from domain.decision import CommandRefused
from domain.errors import NotFound
from views.models import AuditEntry
from views.queries import AUDIT_ENTRIES_MAX

DEFAULT_NAMESPACE = "default"
REASONS = ("reason", "note", "message")
"""Fields of facts that say why, in the order in which they are looked for."""
SHOWN_ELSEWHERE = (*REASONS, "fact_name", "fact_version")


def audit(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="A product or another node, an account, a billing period or fiscal year, a person's address, "
            "a command id, a content hash, or a stream such as schedule/2026/…",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Print every event about a subject: who, for whom, what, when, why, by which right, command and process run."""
    session = Session.open(as_json)
    with session.views() as views:
        entries = views.audit(subject)
    if not entries:
        raise NotFound(
            f"Nothing is recorded about {subject!r}: name a product by its whole path, an account by its id, "
            "a person by their address, a period as 2026-05.",
            code="UnknownSubject",
        )
    ui_url = f"{session.settings.temporal_ui_url.rstrip('/')}/namespaces/{quote(namespace(), safe='')}"
    events = [{**dict(entry), "run_url": run_url(ui_url, entry)} for entry in entries]
    data = {"subject": subject, "complete": len(entries) < AUDIT_ENTRIES_MAX, "events": events}
    show(data, as_json, lambda: [part for entry in entries for part in _told(entry, ui_url)])


def run_url(ui_url: str, entry: AuditEntry) -> str:
    """Where the Temporal UI, at the address of our namespace, shows the run; empty for what no process recorded."""
    if not entry.workflow_id:
        return ""
    process, run = quote(entry.workflow_id, safe=""), quote(entry.workflow_run_id, safe="")
    return f"{ui_url}/workflows/{process}/{run}/history"


def namespace() -> str:
    """Where the processes are, from the same place as the connection to Temporal takes it."""
    try:
        return ClientConfig.load_client_connect_config().get("namespace") or DEFAULT_NAMESPACE
    except RuntimeError:  # whoever only reads need not have Temporal configured
        return DEFAULT_NAMESPACE


def _told(entry: AuditEntry, ui_url: str) -> list[ConsoleRenderable | str]:
    """One event, a few lines."""
    behalf = f" on behalf of {entry.on_behalf_of_name or entry.on_behalf_of}" if entry.on_behalf_of else ""
    who = f"{entry.actor_name or entry.actor}{behalf}"
    lines = [f"{entry.position:>8}  {moment(entry.recorded_at)}  {entry.fact_name}  by {who}, through {entry.channel}"]
    if why := next((entry.fact[name] for name in REASONS if entry.fact.get(name)), ""):
        lines.append(f"{'':10}why: {why}")
    lines.append(f"{'':10}what: {_what(entry.fact)}")
    if entry.policies:
        ruled = "forbidden" if entry.fact_name == CommandRefused.fact_name else "allowed"
        lines.append(f"{'':10}{ruled} by {', '.join(entry.policies)} (policies {entry.policy_version})")
    lines.append(f"{'':10}stream {entry.stream}, version {entry.stream_version}; command {entry.command_id}")
    if url := run_url(ui_url, entry):
        lines.append(f"{'':10}run {entry.workflow_id} {entry.workflow_run_id}")
        lines.append(f"{'':10}{url}")
    return [safe(line) for line in lines]


def _what(fact: dict[str, Any]) -> str:
    """The fact's own content on one line."""
    parts = [
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in fact.items()
        if name not in SHOWN_ELSEWHERE and value not in (None, "", [], {})
    ]
    return ", ".join(parts)
