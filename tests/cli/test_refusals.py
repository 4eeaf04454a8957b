"""What people in a hurry get wrong, with a real worker: each refusal says what is wrong and what to do next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from domain.decision import Organization
from domain.people_commands import DeactivatePerson
from tests.cli.company import CHECKOUT, Company, address
from tests.cli.conftest import Allot
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment
from views.queries import Views

THIS_YEAR = datetime.now(UTC).year
LAST_YEAR = THIS_YEAR - 1
PRODUCT = str(CHECKOUT)
EVENLY = ("--even", "--as", address("Ann"))


@pytest.fixture
async def namespace(temporal: str, database_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """With a worker in it."""
    client = await own_namespace(temporal, f"refusals-{uuid4().hex[:8]}")
    worker = start_worker(worker_environment(client, database_url, tmp_path / "worker"), tmp_path / "worker")
    try:
        yield client.namespace
    finally:
        stop_worker(worker)


@pytest.fixture
def company(
    allot: Allot, namespace: str, temporal: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Company]:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", temporal)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)
    made = Company(database_url, datetime.now(UTC), Organization())
    made.found(THIS_YEAR)
    made.load(LAST_YEAR, "1200.00")
    made.show()
    yield made
    made.ledger.close()


def test_what_cannot_be_done_is_refused_with_what_to_do_instead(
    allot: Allot, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    this, last = ("--year", str(THIS_YEAR)), ("--year", str(LAST_YEAR))
    ann, pat = ("--as", address("Ann")), ("--as", address("Pat"))

    def done(*arguments: str) -> None:
        answer = allot("schedule", *arguments)
        assert answer.status == 0, answer.err

    def refused(status: int, *said: str, arguments: tuple[str, ...]) -> None:
        answer = allot(*arguments)
        assert (answer.status, answer.out) == (status, ""), answer
        for part in said:
            assert part in answer.err

    refused(3, "YearEnded", "not decided on any more", arguments=("schedule", "submit", PRODUCT, *last, *EVENLY))
    stranger = ("schedule", "submit", PRODUCT, *this, "--even", "--as", "anne@example.com")
    refused(5, "UnknownPerson", "Did you mean 'ann@example.com'", arguments=stranger)
    refused(4, "NotGranted", "product_owner", arguments=("schedule", "submit", PRODUCT, *this, "--even", *pat))
    done("submit", PRODUCT, *this, *EVENLY)
    refused(3, "NotSubmittable", "Withdraw it first", arguments=("schedule", "submit", PRODUCT, *this, *EVENLY))
    refused(3, "NotApproved", arguments=("schedule", "request", PRODUCT, *this, "--reason", "x", *ann))
    done("withdraw", PRODUCT, *this, *ann)
    refused(3, "NothingToWithdraw", arguments=("schedule", "withdraw", PRODUCT, *this, *ann))
    done("submit", PRODUCT, *this, "--amounts", ",".join(["90"] * 12), *ann)
    stale = ("schedule", "approve", PRODUCT, *this, "--version", "1", *pat)
    refused(6, "StaleVersion", "version 2 withdrawn; version 3 submitted", "differ", arguments=stale)
    refused(4, "OwnSubmission", arguments=("schedule", "approve", PRODUCT, *this, "--version", "3", *ann))
    done("approve", PRODUCT, *this, *pat)
    done("request", PRODUCT, *this, "--reason", "More.", *ann)
    # As when the views are behind: the message goes to the process of a round that is over.
    with monkeypatch.context() as behind:
        behind.setattr(Views, "current_round", lambda *_, **__: 1)
        refused(3, "OtherRound", "give the command again", arguments=("schedule", "grant", PRODUCT, *this, *pat))
    done("grant", PRODUCT, *this, *pat)
    ended = ("person", "delegate", "--to", address("Bea"), "--until", "2020-01-01", "--from", "2020-01-01", *pat)
    refused(3, "WrongDays", "before today", arguments=ended)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    admin = ("person", "delegate", "--to", address("Bea"), "--until", str(tomorrow), "--as", address("Fin"))
    refused(4, arguments=admin)
    refused(3, "MonthOpen", arguments=("month", "close", f"{THIS_YEAR}-12", "--as", address("Fin")))
    refused(4, "OwnGrant", arguments=("person", "deactivate", address("Fin"), "--as", address("Fin")))
    company.record(DeactivatePerson(command_id=uuid4(), actor=address("Fin"), person=address("Ann")))
    refused(4, "Deactivated", arguments=("schedule", "submit", PRODUCT, *this, *EVENLY))
