"""Who is told of which event: once, from the moment on at which a channel begins."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from pydantic import SecretStr

from domain.account_allocating import ProposeAllocation
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.account_proposals import DeclineProposal
from domain.alignment import AlignAccount
from domain.allocation import AccountType, Share
from domain.decision import SYSTEM, Persona
from domain.expected_account import ExpectAccounts, ExpectedAccount
from domain.people_commands import GrantPersona, WithdrawGrant
from domain.schedule_commands import RequestReschedule
from domain.schedule_decisions import GrantReschedule
from notifications import collect
from notifications.config import AppriseChannel
from notifications.outbox import ROOM
from tests.notifications.company import (
    ADMIN,
    DEPUTY,
    HEAD,
    LEAD,
    MONTHS,
    OTHER_LEAD,
    OWNER,
    PRODUCT,
    YEAR,
    Company,
)

MAIL = AppriseChannel(kind="apprise", url=SecretStr("mailto://127.0.0.1?from=a@example.com&to={email}"))
CHAT = AppriseChannel(kind="apprise", url=SecretStr("json://127.0.0.1/"))


@pytest.fixture
def mail(company: Company) -> Company:
    """The channel `mail` has begun."""
    company.collect("mail", MAIL)
    return company


def test_a_new_channel_begins_at_the_end_of_the_log(company: Company) -> None:
    company.submit()
    assert company.collect("mail", MAIL) == 0
    assert company.collect("mail", MAIL) == 0
    company.approve()
    assert company.collect("mail", MAIL) == 1
    assert company.told() == [("schedule.Approved", OWNER)]


def test_a_submission_is_told_to_whoever_may_decide(mail: Company) -> None:
    mail.submit()
    mail.collect("mail", MAIL)
    assert mail.told() == [("schedule.Submitted", LEAD), ("schedule.Submitted", OTHER_LEAD)]


def test_looking_again_or_both_at_once_tells_nobody_twice(mail: Company) -> None:
    mail.submit()
    mail.project()
    after = mail.outbox.position("mail")
    assert after is not None
    assert mail.collector.collect("mail", MAIL) == 2
    assert mail.collector.collect("mail", MAIL) == 0
    mail.rows("UPDATE notification_channels SET position = %s", after)  # as another that had read it before
    assert mail.collector.collect("mail", MAIL) == 0
    assert len(mail.told()) == 2


def test_rows_and_position_go_together_or_not_at_all(mail: Company) -> None:
    mail.submit()
    mail.project()
    before = mail.outbox.position("mail")
    mail.rows("ALTER TABLE notification_outbox ADD CONSTRAINT broken CHECK (kind <> 'schedule.Submitted')")
    with pytest.raises(Exception, match="broken"):
        mail.collector.collect("mail", MAIL)
    assert mail.outbox.position("mail") == before
    mail.rows("ALTER TABLE notification_outbox DROP CONSTRAINT broken")
    assert mail.collector.collect("mail", MAIL) == 2


def test_events_wait_for_the_views_that_say_who_holds_what(mail: Company) -> None:
    mail.submit()
    assert mail.collector.collect("mail", MAIL) == 0
    assert mail.collect("mail", MAIL) == 2


def test_a_rebuild_of_the_views_tells_nobody_again(mail: Company) -> None:
    from views.rebuild import rebuild

    mail.submit()
    mail.collect("mail", MAIL)
    rebuild(mail.ledger, mail.database_url, mail.organization)
    assert mail.collect("mail", MAIL) == 0


def test_owner_and_submitter_hear_of_a_decision_and_whoever_took_it_does_not(mail: Company) -> None:
    mail.submit()
    mail.reject("Too much in May")
    mail.collect("mail", MAIL)
    assert ("schedule.Rejected", OWNER) in mail.told()
    assert ("schedule.Rejected", LEAD) not in mail.told()
    ((body,),) = mail.rows("SELECT body FROM notification_outbox WHERE kind = 'schedule.Rejected'")
    assert "Too much in May" in body
    assert f"allot schedule submit {PRODUCT} --year {YEAR}" in body


def test_a_delegate_is_told_while_the_delegation_is_in_force(mail: Company) -> None:
    today = mail.organization.business.day_of(mail.collector._clock())
    mail.delegate(LEAD, DEPUTY, today, today)
    mail.submit()
    mail.collect("mail", MAIL)
    assert ("person.Delegated", DEPUTY) in mail.told()
    assert ("schedule.Submitted", DEPUTY) in mail.told()


def test_a_delegate_is_not_told_on_other_days(mail: Company) -> None:
    tomorrow = mail.organization.business.day_of(mail.collector._clock()) + timedelta(days=1)
    mail.delegate(LEAD, DEPUTY, tomorrow, tomorrow + timedelta(days=1))
    mail.submit()
    mail.collect("mail", MAIL)
    assert ("schedule.Submitted", DEPUTY) not in mail.told()


def test_whoever_submitted_is_not_asked_to_decide(mail: Company) -> None:
    mail.do(GrantPersona, SYSTEM, person=LEAD, persona=Persona.PRODUCT_OWNER, node=PRODUCT)
    mail.submit(LEAD)
    mail.collect("mail", MAIL)
    assert [who for kind, who in mail.told() if kind == "schedule.Submitted"] == [OTHER_LEAD]


def test_people_who_have_left_are_told_nothing(mail: Company) -> None:
    mail.submit()
    mail.deactivate(OTHER_LEAD)
    mail.deactivate(OWNER)
    mail.approve()
    mail.collect("mail", MAIL)
    assert mail.told() == [("schedule.Submitted", LEAD)]


def test_grants_are_told_to_the_person(mail: Company) -> None:
    mail.do(GrantPersona, ADMIN, person=DEPUTY, persona=Persona.VENDOR_MANAGER, node=PRODUCT.portfolio.ROOT)
    mail.do(WithdrawGrant, ADMIN, person=DEPUTY, persona=Persona.VENDOR_MANAGER, node=PRODUCT.portfolio.ROOT)
    mail.collect("mail", MAIL)
    assert mail.told() == [("person.GrantWithdrawn", DEPUTY), ("person.Granted", DEPUTY)]


def test_over_budget_is_told_to_the_owner(mail: Company) -> None:
    mail.submit()
    mail.approve()
    mail.load("600.00", is_new=False, content_hash="1" * 64)
    mail.collect("mail", MAIL)
    assert ("schedule.WentOverBudget", OWNER) in mail.told()
    ((body,),) = mail.rows("SELECT body FROM notification_outbox WHERE kind = 'schedule.WentOverBudget'")
    assert "USD 1,200.00" in body
    assert "USD 600.00" in body
    assert "allot schedule request" in body


def test_a_request_granted_with_its_schedule_is_told_once(mail: Company) -> None:
    mail.submit()
    mail.approve()
    amounts = dict.fromkeys(MONTHS, 90)
    known = {"fiscal_year": YEAR, "product": PRODUCT}
    mail.do(RequestReschedule, OWNER, reason="Less", amounts=amounts, **known)
    mail.do(GrantReschedule, LEAD, version=3, **known)
    mail.collect("mail", MAIL)
    kinds = [kind for kind, who in mail.told() if who == OWNER]
    assert kinds == ["schedule.Approved", "schedule.Approved"]
    assert ("schedule.RescheduleRequested", OTHER_LEAD) in mail.told()


def _accounts(count: int) -> tuple[AccountSeen, ...]:
    return tuple(
        AccountSeen.model_validate(
            {
                "account_id": f"{number:012}",
                "name": "shop",
                "email": "aws@example.com",
                "state": "ACTIVE",
                "joined_method": "CREATED",
                "joined_at": "2026-01-01T00:00:00Z",
                "ou_path": "/Workloads",
                "tags": {},
            }
        )
        for number in range(1, count + 1)
    )


@pytest.mark.parametrize(("accounts", "messages"), [(1, 1), (5, 5), (6, 1), (20, 1)])
def test_many_events_of_one_kind_at_once_are_one_message(mail: Company, accounts: int, messages: int) -> None:
    given = {"organization_id": "o-1", "management_account_id": "1" * 12, "accounts": _accounts(accounts)}
    mail.do(ObserveAccounts, SYSTEM, **given)
    assert mail.collect("mail", MAIL) == messages
    assert set(mail.told()) == {("account.AlignmentOpened", ADMIN)}
    if messages < accounts:
        ((subject, body),) = mail.rows("SELECT subject, body FROM notification_outbox")
        assert subject.startswith(f"{accounts} at once")
        assert all(f"{number:012}" in body for number in range(1, accounts + 1))


def test_an_account_that_found_its_budget_at_once_is_nobodys_task(mail: Company) -> None:
    share = Share(product=PRODUCT, percent=Decimal(100))
    expected = ExpectedAccount(name="shop", account_type=AccountType.SANDBOX, shares=(share,))
    mail.do(ExpectAccounts, ADMIN, accounts=(expected,))
    given = {"organization_id": "o-1", "management_account_id": "1" * 12, "accounts": _accounts(1)}
    mail.do(ObserveAccounts, SYSTEM, **given)
    mail.do(AlignAccount, SYSTEM, account_id="1".zfill(12), occasion=1)
    mail.collect("mail", MAIL)
    assert mail.told() == [("account.Allocated", OWNER)]


def test_whoever_proposed_an_allocation_hears_that_it_was_declined(mail: Company) -> None:
    given = {"organization_id": "o-1", "management_account_id": "1" * 12, "accounts": _accounts(1)}
    mail.do(ObserveAccounts, SYSTEM, **given)
    mail.do(GrantPersona, SYSTEM, person=DEPUTY, persona=Persona.CLOUD_ENGINEER, node=PRODUCT.ROOT)
    account_id, share = "1".zfill(12), Share(product=PRODUCT, percent=Decimal(100))
    terms = {"account_id": account_id, "account_type": AccountType.SANDBOX, "shares": (share,)}
    mail.do(ProposeAllocation, DEPUTY, **terms)
    mail.do(DeclineProposal, ADMIN, account_id=account_id, proposal=1, reason="Another product")
    mail.collect("mail", MAIL)
    of_proposals = [(kind, who) for kind, who in mail.told() if "ropos" in kind]
    assert of_proposals == [("account.AllocationProposed", ADMIN), ("account.ProposalDeclined", DEPUTY)]


def test_a_room_is_told_once_for_all_and_only_what_it_asked_for(company: Company) -> None:
    only = CHAT.model_copy(update={"events": ("schedule.Approved",)})
    company.collect("room", only)
    company.submit()
    company.approve()
    company.collect("room", only)
    assert company.told("room") == [("schedule.Approved", ROOM)]


def test_what_is_older_than_a_week_is_no_news(mail: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    mail.submit()
    monkeypatch.setattr(collect, "NEWS_FOR", -timedelta(minutes=1))
    assert mail.collect("mail", MAIL) == 0
    monkeypatch.undo()
    mail.approve()
    assert mail.collect("mail", MAIL) == 1


def test_neither_names_nor_addresses_are_in_the_outbox(mail: Company) -> None:
    mail.submit(note="As agreed")
    mail.approve()
    mail.collect("mail", MAIL)
    text = str(mail.rows("SELECT * FROM notification_outbox"))
    assert "owner@" not in text
    assert "lead@" not in text
    assert "As agreed" in text
    assert str(uuid4()) not in text
    assert HEAD not in text
