"""Files about accounts into the real ledger: whole, once, or not at all; and a look at what they would do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.account_files import AccountFiles
from domain.account import Account, account_stream
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.account_process import AccountFile, AccountFileKind, AccountImportResult
from domain.allocation import AccountType, Share
from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.decision import SYSTEM, Accepted, Channel, Command, CommandRefused, Organization, Persona
from domain.expectation import Expectation, expectation_stream
from domain.hierarchy import NodePath
from domain.people_commands import DeactivatePerson, GrantPersona, RegisterPerson
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights

ADMIN, ENGINEER, OWNER = "fin@example.com", "ops@example.com", "owner@example.com"
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))
SEARCH = NodePath(("Retail", "Digital", "Web", "Search"))
NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
SHOP, LAB = "100000000001", "100000000002"
ALLOCATIONS = "account,type,product,percent,from,note\n"
EXPECTED = "email,name,type,product\n"
BOTH = ALLOCATIONS + (
    f"{SHOP},Production,{CHECKOUT},60,,\n{SHOP},Production,{SEARCH},40,,\n{LAB},Sandbox,{SEARCH},,2026-05-20,trial\n"
)
REMAP = f"{ALLOCATIONS}{SHOP},Shared,{SEARCH},,2026-06-01,\n{LAB},Sandbox,{SEARCH},,2026-05-20,trial\n"
REQUESTS = (Path(__file__).parent / "aft" / "account-requests.tf").read_text(encoding="utf-8")
SETUP: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP}


class Importing:
    """The activity as a worker runs it."""

    def __init__(self, ledger: Ledger, store: FileStore) -> None:
        self.ledger, self.store = ledger, store
        self.codes: dict[str, tuple[NodePath, ...]] = {"P-102": (SEARCH,)}
        """What the views show."""
        self.named: dict[str, str] = {}
        self.files = AccountFiles(ledger, store, lambda code: self.codes.get(code, ()), self._known)
        self.environment = ActivityEnvironment()

    def _known(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: self.named[key] for key in keys if key in self.named}

    def request(self, content: str, kind: AccountFileKind, actor: str = ADMIN, **fields: Any) -> AccountFile:
        content_hash = self.store.put(content.encode())
        known = {"command_id": uuid4(), "actor": actor, "channel": Channel.CLI, "file_name": "accounts.csv"}
        return AccountFile.model_validate({**known, "kind": kind, "content_hash": content_hash, **fields})

    def run(self, request: AccountFile) -> AccountImportResult:
        return self.environment.run(self.files.import_accounts, request)

    def allocate(self, content: str, **fields: Any) -> AccountImportResult:
        return self.run(self.request(content, AccountFileKind.ALLOCATIONS, **fields))

    def expect(self, content: str, **fields: Any) -> AccountImportResult:
        return self.run(self.request(content, AccountFileKind.EXPECTED, **fields))

    def expect_requests(self, content: str = REQUESTS, **fields: Any) -> AccountImportResult:
        return self.expect(content, file_name="accounts.tf", **fields)

    def account(self, account_id: str) -> Account:
        found: Account = self.ledger.states([account_stream(account_id)])[account_stream(account_id)]
        return found

    def expectation(self, key: str) -> Expectation:
        found: Expectation = self.ledger.states([expectation_stream(key)])[expectation_stream(key)]
        return found

    def problems(self, result: AccountImportResult) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.store.get(result.report))
        return found

    def events(self) -> int:
        return len(self.ledger.follow(0, 10_000))


@pytest.fixture
def importing(database_url: str, tmp_path: Path) -> Iterator[Importing]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4, clock=lambda: NOW) as ledger:
        people = ((ADMIN, Persona.FINANCIAL_ADMIN), (ENGINEER, Persona.CLOUD_ENGINEER), (OWNER, None))
        for email, persona in people:
            ledger.people.ensure(email, "")
            must(ledger, RegisterPerson(command_id=uuid4(), person=email, **SETUP))
            if persona:
                must(ledger, GrantPersona(command_id=uuid4(), persona=persona, person=email, **SETUP))
        must(ledger, budget())
        must(ledger, seen())
        yield Importing(ledger, FileStore(str(tmp_path)))


def must(ledger: Ledger, command: Command) -> None:
    outcome = ledger.record(command)
    assert isinstance(outcome, Accepted), outcome


def budget() -> LoadBudget:
    return LoadBudget(
        command_id=uuid4(),
        fiscal_year=2026,
        content_hash="0" * 64,
        customer="Example",
        option="Budget",
        file_version="v1",
        is_new=True,
        is_override=False,
        effective_on=date(2026, 1, 1),
        labels=("Unit", "Department", "Portfolio", "Product"),
        rows=(
            BudgetRow(product=CHECKOUT, annual=Decimal(1200)),
            BudgetRow(product=SEARCH, annual=Decimal(600), code="P-102"),
        ),
        **SETUP,
    )


def seen() -> ObserveAccounts:
    accounts = tuple(
        AccountSeen(
            account_id=account_id,
            name=name,
            email=f"aws+{name}@example.com",
            state="ACTIVE",
            joined_at=datetime(2026, 3, 10, 12, tzinfo=UTC),
        )
        for account_id, name in ((SHOP, "shop"), (LAB, "lab"))
    )
    known = {"organization_id": "o-1", "management_account_id": "999999999999"}
    return ObserveAccounts(command_id=uuid4(), actor=SYSTEM, channel=Channel.WORKFLOW, accounts=accounts, **known)


def test_allocations_are_recorded_in_one_decision(importing: Importing) -> None:
    request = importing.request(BOTH, AccountFileKind.ALLOCATIONS)
    result = importing.run(request)
    assert (result.status, result.rows, result.recorded) == ("imported", 2, 2)
    assert result.message == "2 allocations recorded."
    (shop,), (lab,) = importing.account(SHOP).allocations, importing.account(LAB).allocations
    assert shop.shares == (
        Share(product=CHECKOUT, percent=Decimal(60)),
        Share(product=SEARCH, percent=Decimal(40)),
    )
    assert (lab.effective_on, lab.account_type) == (date(2026, 5, 20), AccountType.SANDBOX)
    recorded = [event for event in importing.ledger.follow(0, 1_000) if event.command_id == request.command_id]
    assert {event.channel for event in recorded} == {Channel.CLI}
    assert result.position == recorded[-1].position
    assert importing.run(request) == result, "a repetition gets the first answer"


def test_the_same_bytes_twice_change_nothing(importing: Importing) -> None:
    importing.allocate(BOTH)
    before = importing.events()
    again = importing.allocate(f"{ALLOCATIONS}{LAB},Sandbox,{SEARCH},,2026-05-20,trial\n")
    assert (again.status, again.recorded, importing.events()) == ("unchanged", 0, before)


def test_every_bad_row_is_listed_and_nothing_is_recorded(importing: Importing) -> None:
    importing.allocate(BOTH)
    before = importing.events()
    result = importing.allocate(
        f"{ALLOCATIONS}{SHOP},Production,{SEARCH},,2026-06-01,\n"
        f"999999999998,Shared,{SEARCH},,,\n"
        f"12,Shared,{SEARCH},,,\n"
        f"{LAB},Shared,Retail/Digital/Web/Basket,,2026-06-01,\n"
        f"{LAB},Shared,{SEARCH},,2026-06-03,\n"
        f"{LAB},Shared,{SEARCH},,2026-02-01,\n"
    )
    assert (result.status, result.code, result.problems) == ("invalid", "InvalidAccountFile", 5)
    listed = importing.problems(result)
    assert [(problem["row"], problem["column"]) for problem in listed] == [
        (3, "account"),
        (4, "account"),
        (5, "account"),
        (6, "account"),
        (7, "account"),
    ]
    assert [str(problem["remedy"]).partition(":")[0] for problem in listed] == [
        "Account 999999999998 is not known from AWS Organizations",
        "format the column as text in the spreadsheet, and write all 12 digits, such as 001234567890",
        "There is no product Retail/Digital/Web/Basket in the budget",
        "A remap takes effect at the start of a spend period, the 1st of a month or a Sunday; 2026-06-03 is Wednesday",
        f"Account {LAB} exists since 2026-03-10; it cannot be allocated from 2026-02-01",
    ]
    assert result.message.startswith("The file has 5 problems; nothing was recorded. Row 3, account: '999999999998'")
    assert result.message.endswith("And 2 more; the report lists all of them.")
    assert importing.events() == before


def test_a_first_allocation_needs_one_right_and_a_remap_another(importing: Importing) -> None:
    assert importing.allocate(BOTH, actor=ENGINEER).status == "imported"
    for content in (REMAP, f"{REMAP}12,,,,,\n"):
        refused = importing.allocate(content, actor=ENGINEER)
        assert (refused.status, refused.error, refused.problems) == ("refused", "Forbidden", 0)
        assert "remap account" in refused.message
        (event,) = importing.ledger.follow(refused.position - 1, 1)
        assert isinstance(event.fact, CommandRefused)
        assert (event.fact.command, event.fact.code) == ("account.AllocateAll", "NotGranted")
    assert len(importing.account(SHOP).allocations) == 1
    assert importing.allocate(REMAP).message == "1 allocation recorded, 1 was there already."


@pytest.mark.parametrize("content", [BOTH, "nonsense", f"{BOTH}12,,,,,\n"])
def test_whoever_may_not_is_told_so_and_nothing_of_the_file(importing: Importing, content: str) -> None:
    for actor in (OWNER, "nobody@example.com"):
        refused = importing.allocate(content, actor=actor)
        assert (refused.status, refused.problems, refused.report) == ("refused", 0, "")
        (event,) = importing.ledger.follow(refused.position - 1, 1)
        assert isinstance(event.fact, CommandRefused)
    before = importing.events()
    looked = importing.allocate(content, actor=OWNER, dry_run=True)
    assert (looked.status, looked.error, importing.events()) == ("refused", "Forbidden", before)
    assert importing.account(SHOP).allocations == ()


def test_a_look_ahead_tells_what_would_be_and_records_nothing(importing: Importing) -> None:
    before = importing.events()
    looked = importing.allocate(BOTH, dry_run=True)
    assert (looked.status, looked.rows, looked.recorded, looked.position) == ("checked", 2, 2, 0)
    assert looked.message == "Nothing was recorded. 2 allocations would be."
    assert importing.events() == before
    importing.allocate(BOTH)
    looked = importing.allocate(REMAP, dry_run=True)
    assert (looked.status, looked.recorded) == ("checked", 1)
    assert looked.message == "Nothing was recorded. 1 allocation would be, and 1 of the file is there already."
    assert importing.allocate("nonsense", dry_run=True).status == "invalid"


def test_expected_accounts_are_registered_in_one_decision(importing: Importing) -> None:
    content = f"{EXPECTED}aws+new@example.com,new,Production,{CHECKOUT}\n,other,Sandbox,{SEARCH}\n"
    looked = importing.expect(content, dry_run=True)
    assert looked.message == "Nothing was recorded. 2 expected accounts would be."
    assert importing.expectation("name:other").waiting is None
    result = importing.expect(content)
    assert (result.status, result.rows, result.recorded) == ("imported", 2, 2)
    waiting = importing.expectation("email:aws+new@example.com").waiting
    assert waiting is not None
    assert (waiting.name, waiting.account_type, waiting.shares[0].product) == ("new", AccountType.PRODUCTION, CHECKOUT)
    assert importing.expectation("name:other").waiting is not None
    assert importing.expect(content).status == "unchanged"
    assert importing.expect(content, dry_run=True).message == (
        "Nothing was recorded. All of the file is there already."
    )


def test_an_account_that_is_there_and_allocated_is_not_expected_again(importing: Importing) -> None:
    importing.allocate(BOTH)
    importing.named = {"email:aws+shop@example.com": SHOP}
    content = f"{EXPECTED}aws+shop@example.com,shop,Production,{CHECKOUT}\n"
    assert importing.expect(content).status == "unchanged"
    importing.named = {}
    assert importing.expect(content).status == "imported", "the control: nobody knew that it is there"


def test_every_bad_expected_account_is_listed_without_its_address_in_the_message(importing: Importing) -> None:
    before = importing.events()
    result = importing.expect(
        f"{EXPECTED}secret person,,Shared,{SEARCH}\naws+a@example.com,,Shared,Retail/Digital/Web/Basket\n"
    )
    assert (result.status, result.problems) == ("invalid", 2)
    assert "secret" not in result.message, "the message ends in a history"
    assert [(problem["row"], problem["column"]) for problem in importing.problems(result)] == [
        (2, "email"),
        (3, "product"),
    ]
    assert importing.events() == before


def test_account_requests_are_expected_with_their_products_by_path_or_code(importing: Importing) -> None:
    looked = importing.expect_requests(dry_run=True)
    assert looked.message == (
        "Nothing was recorded. 2 expected accounts would be. 1 module is no account request and was left aside."
    )
    result = importing.expect_requests()
    assert (result.status, result.rows, result.recorded) == ("imported", 2, 2)
    assert result.message.endswith("1 module is no account request and was left aside.")
    waiting = importing.expectation("email:aws+search@example.com").waiting
    assert waiting is not None
    assert (waiting.name, waiting.account_type) == ("search-prod", AccountType.PRODUCTION)
    assert waiting.shares == (Share(product=SEARCH, percent=Decimal(100)),)


@pytest.mark.parametrize("shown", [(), (CHECKOUT,), (NodePath(("A", "B", "C", "D")),)])
def test_a_code_counts_only_where_the_ledger_confirms_it(importing: Importing, shown: tuple[NodePath, ...]) -> None:
    importing.codes = {"P-102": shown}
    result = importing.expect_requests()
    (problem,) = importing.problems(result)
    assert (result.status, problem["row"], problem["value"]) == ("invalid", 59, "P-102")
    assert importing.expectation("email:aws+shop-dev@example.com").waiting is None


def test_tags_of_the_message_say_where_the_product_stands(importing: Importing) -> None:
    content = REQUESTS.replace("allot:product", "team:budget").replace("allot:type", "team:stage")
    assert importing.expect_requests(content).problems == 4
    assert importing.expect_requests(content, product_tag="team:budget", type_tag="team:stage").status == "imported"


def test_a_file_that_is_read_as_another_kind_is_invalid(importing: Importing) -> None:
    assert importing.expect(REQUESTS).status == "invalid"
    assert importing.expect_requests(f"{EXPECTED}a@example.com,,Shared,{SEARCH}\n").status == "invalid"
    assert importing.allocate(f"{EXPECTED}a@example.com,,Shared,{SEARCH}\n").status == "invalid"


def test_somebody_deactivated_is_refused_before_anything_is_looked_up(importing: Importing) -> None:
    must(importing.ledger, DeactivatePerson(command_id=uuid4(), actor=ADMIN, person=ENGINEER))
    refused = importing.expect_requests(actor=ENGINEER)
    assert (refused.status, refused.code) == ("refused", "Deactivated")


def test_a_file_that_is_not_in_the_store_is_a_result_and_no_error(importing: Importing) -> None:
    request = importing.request(BOTH, AccountFileKind.ALLOCATIONS, content_hash="0" * 64)
    result = importing.run(request)
    assert (result.status, result.code) == ("refused", "FileNotFound")


def test_a_message_that_claims_to_be_allot_itself_is_refused(importing: Importing) -> None:
    refused = importing.allocate(BOTH, actor=SYSTEM, channel=Channel.WORKFLOW)
    assert (refused.status, refused.code) == ("refused", "SystemActor")
