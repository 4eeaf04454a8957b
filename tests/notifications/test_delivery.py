"""Sending: at least once, put off where it fails, given up in the end, and never anybody else's trouble."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from domain.people_commands import DeactivatePerson
from notifications.config import AppriseChannel, ChannelConfig
from notifications.delivery import Delivery, Sent
from notifications.outbox import ATTEMPTS_MAX, BACKOFF_MAX_S, FAILURES_IN_A_ROW_MAX, KEPT_DAYS, pause_after
from notifications.senders import EVENT_HEADER, Message, NotSentError, sender_of
from tests.notifications.company import ADMIN, LEAD, OTHER_LEAD, OWNER, Company
from tests.notifications.sinks import HttpCatcher, MailSink

ALWAYS = lambda: True  # noqa: E731


class Recorder:
    """A channel that fails as often as it is told to."""

    per_person = True

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise NotSentError("the service is down")
        self.sent.append(message)


def mail_channel(url: str) -> AppriseChannel:
    return AppriseChannel(kind="apprise", url=SecretStr(url))


MAIL = mail_channel("mailto://127.0.0.1?from=a@example.com&to={email}")


@pytest.fixture
def waiting(company: Company) -> Company:
    """Two mails wait, for those who may approve."""
    company.collect("mail", MAIL)
    company.submit()
    company.collect("mail", MAIL)
    return company


def through(company: Company, sender: Recorder, channel: str = "mail") -> Sent:
    return Delivery(channel, sender, company.outbox, company.ledger).send(ALWAYS)


def real(company: Company, name: str, config: ChannelConfig) -> Sent:
    return Delivery(name, sender_of(name, config), company.outbox, company.ledger).send(ALWAYS)


def test_from_the_event_to_the_mailboxes(company: Company, mail_sink: MailSink) -> None:
    config = mail_channel(mail_sink.url)
    company.collect("mail", config)
    company.submit(note="As agreed")
    company.collect("mail", config)
    assert real(company, "mail", config) == Sent(sent=2)
    assert sorted(mail.to[0] for mail in mail_sink.mails) == [LEAD, OTHER_LEAD]
    mail = mail_sink.mails[0]
    assert mail.message[EVENT_HEADER] == str(company.event_id())
    assert "allot schedule approve Retail/Digital/Web/Checkout --year 2026 --version 1" in mail.text
    assert "As agreed" in mail.text
    assert real(company, "mail", config) == Sent()


def test_what_was_sent_and_not_marked_is_sent_again_and_recognised(waiting: Company) -> None:
    killed = waiting.outbox.claim("mail")
    assert killed
    first = Recorder()
    assert through(waiting, first) == Sent(sent=1)
    assert through(waiting, first) == Sent()  # the claim has not run out
    waiting.later()
    assert through(waiting, first) == Sent(sent=1)
    assert first.sent[1].event_id == str(killed.event_id)
    assert waiting.statuses("mail") == ["sent", "sent"]


def test_two_senders_never_get_the_same_row(waiting: Company) -> None:
    first, second = waiting.outbox.claim("mail"), waiting.outbox.claim("mail")
    assert first
    assert second
    assert first.id != second.id
    assert waiting.outbox.claim("mail") is None


def test_a_failure_is_put_off_and_shown(waiting: Company, caplog: pytest.LogCaptureFixture) -> None:
    sender = Recorder(failures=1)
    with caplog.at_level(logging.WARNING):
        assert through(waiting, sender) == Sent(sent=1, not_sent=1)
    assert "Channel mail" in caplog.text
    assert "the service is down" in caplog.text
    assert through(waiting, sender) == Sent()
    waiting.later()
    assert through(waiting, sender) == Sent(sent=1)
    (state,) = waiting.outbox.status("mail")
    assert (state.waiting, state.sent, state.failing_since, state.last_error) == (0, 2, None, "")


def test_a_channel_that_is_down_rests(waiting: Company) -> None:
    waiting.approve()
    waiting.collect("mail", MAIL)
    waiting.rows("UPDATE notification_outbox SET next_try_at = now() - interval '1 day'")
    sender = Recorder(failures=100)
    assert through(waiting, sender).not_sent == FAILURES_IN_A_ROW_MAX
    waiting.rows("UPDATE notification_outbox SET next_try_at = now() - interval '1 day'")
    assert through(waiting, sender) == Sent()
    (state,) = waiting.outbox.status("mail")
    assert state.failing_since
    assert (state.due, state.waiting, state.last_error) == (0, 3, "the service is down")
    assert not waiting.outbox.is_due("mail")
    waiting.later()
    sender.failures = 0
    assert waiting.outbox.is_due("mail")
    assert through(waiting, sender).sent == 3


def test_a_failing_channel_keeps_nothing_from_the_others(waiting: Company, catcher: HttpCatcher) -> None:
    room = mail_channel(catcher.url)
    waiting.collect("room", room)
    waiting.approve()
    waiting.collect("room", room)
    through(waiting, Recorder(failures=100))
    assert real(waiting, "room", room) == Sent(sent=1)
    assert [body["title"][:8] for _, _, body in catcher.posts] == ["Approved"]
    states = {state.channel: state.failing_since is None for state in waiting.outbox.status()}
    assert states == {"mail": False, "room": True}


def test_after_many_tries_it_is_given_up_and_an_operator_can_have_it_tried_again(waiting: Company) -> None:
    sender = Recorder(failures=2 * ATTEMPTS_MAX)
    for _ in range(2 * ATTEMPTS_MAX):
        waiting.later()
        through(waiting, sender)
    assert waiting.statuses("mail") == ["failed", "failed"]
    waiting.later()
    assert through(waiting, sender) == Sent()
    assert waiting.outbox.retry("mail") == (1, 2)
    assert through(waiting, sender) == Sent(sent=2)
    assert waiting.outbox.retry("mail") == (1, 0)
    assert waiting.outbox.retry("other") == (0, 0)


def test_a_message_that_kills_its_sender_is_given_up_too(waiting: Company) -> None:
    for _ in range(ATTEMPTS_MAX):
        waiting.later()
        assert waiting.outbox.claim("mail")
        assert waiting.outbox.claim("mail")
    waiting.later()
    assert waiting.outbox.claim("mail") is None
    assert waiting.outbox.tidy("mail") == 2
    assert waiting.statuses("mail") == ["failed", "failed"]


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause_after(attempt) for attempt in (1, 2, 3, 7, 8, ATTEMPTS_MAX)] == [
        30,
        60,
        120,
        1_920,
        BACKOFF_MAX_S,
        BACKOFF_MAX_S,
    ]


def test_whoever_left_after_the_event_gets_nothing(waiting: Company) -> None:
    waiting.do(DeactivatePerson, ADMIN, person=OTHER_LEAD, reason="Left")
    sender = Recorder()
    assert through(waiting, sender) == Sent(sent=1, skipped=1)
    assert [message.to for message in sender.sent] == [LEAD]
    assert sorted(waiting.statuses("mail")) == ["sent", "skipped"]


@pytest.mark.parametrize("address", ["x@y,z@example.org", "nobody@"])
def test_without_one_usable_address_nothing_is_sent(waiting: Company, address: str) -> None:
    waiting.rows("UPDATE people SET email = %s WHERE email = %s", address, LEAD)
    sender = Recorder()
    assert through(waiting, sender) == Sent(sent=1, skipped=1)
    assert [message.to for message in sender.sent] == [OTHER_LEAD]


def test_somebody_who_is_not_in_the_directory_any_more_keeps_nobody_waiting(waiting: Company) -> None:
    waiting.rows("DELETE FROM people WHERE email = %s", LEAD)
    assert through(waiting, Recorder()) == Sent(sent=1, skipped=1)


def test_what_is_long_done_is_forgotten_and_what_waits_is_not(waiting: Company) -> None:
    through(waiting, Recorder(failures=1))
    waiting.rows("UPDATE notification_outbox SET created_at = now() - make_interval(days => %s)", KEPT_DAYS + 1)
    waiting.outbox.tidy("mail")
    assert waiting.statuses("mail") == ["pending"]


def test_addresses_and_secrets_are_in_no_row_and_no_log(
    company: Company, catcher: HttpCatcher, our_log: Callable[[], str]
) -> None:
    room = mail_channel(catcher.url)
    catcher.status = 500
    company.collect("room", room)
    company.submit()
    company.collect("room", room)
    assert real(company, "room", room) == Sent(not_sent=1)
    stored = str(company.rows("SELECT * FROM notification_outbox")) + str(company.rows("TABLE notification_channels"))
    for text in (stored, our_log()):
        assert "s3cr3t" not in text
        assert "t0ken" not in text
        assert OWNER not in text
    assert "500" in stored
    assert "Channel room" in our_log()
