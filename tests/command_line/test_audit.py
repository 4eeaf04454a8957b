"""The audit trail leads to the very run that recorded an event."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from domain.decision import SYSTEM, Channel, Organization, Origin
from domain.people_commands import RegisterPerson
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.command_line.conftest import Allot
from views.projector import Projector

EMAIL = "ann@example.com"
ORIGIN = Origin(workflow_id="a/b c", workflow_run_id="run", activity_id="1")


@pytest.mark.parametrize("namespace", ["default", "allot.a2dd6"])
def test_the_address_of_a_run_is_in_the_namespace_where_it_ran(
    allot: Allot, database_url: str, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_UI_URL", "http://ui.example/")
    if namespace != "default":
        monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=2) as ledger:
        ledger.people.ensure(EMAIL, "Ann")
        ledger.record(RegisterPerson(command_id=uuid4(), actor=SYSTEM, channel=Channel.SETUP, person=EMAIL), ORIGIN)
        Projector(ledger, database_url, Organization()).catch_up()
    address = f"http://ui.example/namespaces/{namespace}/workflows/a%2Fb%20c/run/history"
    (event,) = json.loads(allot("audit", EMAIL, "--json").out)["events"]
    assert event["run_url"] == address
    assert address in allot("audit", EMAIL).out
