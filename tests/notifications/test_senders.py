"""The channels, against a mail server, a catcher of HTTP requests and a stand-in for AWS on loopback."""

from __future__ import annotations

import logging
from collections.abc import Callable

import boto3
import pytest
from pydantic import SecretStr

from domain.errors import BadInput
from notifications import senders
from notifications.config import AppriseChannel, SesChannel
from notifications.masking import masked, secrets_of
from notifications.senders import EVENT_HEADER, Message, NotSentError, is_one_address, sender_of
from tests.notifications.sinks import HttpCatcher, MailSink

EVENT_ID = "0b5e4f0e-8a57-5c53-9f0b-1c4f2b1d7a10"
COMMAND = "    allot schedule approve 'Retail/A B/Web/Checkout' --year 2026 --version 1"
MESSAGE = Message(EVENT_ID, "To approve: schedule of Café", f"Grüße <b>&\n\n{COMMAND}", "ann@example.com")


def apprise(url: str) -> AppriseChannel:
    return AppriseChannel(kind="apprise", url=SecretStr(url))


def test_a_mail_arrives_as_plain_text_and_can_be_recognised(mail_sink: MailSink) -> None:
    sender = sender_of("mail", apprise(mail_sink.url))
    assert sender.per_person
    sender.send(MESSAGE)
    (mail,) = mail_sink.mails
    assert mail.to == ["ann@example.com"]
    assert mail.message[EVENT_HEADER] == EVENT_ID
    assert COMMAND in mail.text
    assert "Grüße <b>&" in mail.text
    assert mail.message.get_content_type() == "text/plain" or "text/html" not in str(mail.message)


def test_a_post_arrives_with_the_event_in_its_header(catcher: HttpCatcher) -> None:
    sender = sender_of("room", apprise(catcher.url))
    assert not sender.per_person
    sender.send(MESSAGE._replace(to=""))
    ((path, headers, body),) = catcher.posts
    assert path == "/t0ken-of-the-room"
    assert headers[EVENT_HEADER] == EVENT_ID
    assert body["title"] == MESSAGE.subject
    assert COMMAND in body["message"]


def test_a_refusal_says_why_without_secrets_and_addresses(
    catcher: HttpCatcher, mail_sink: MailSink, our_log: Callable[[], str]
) -> None:
    catcher.status = 401
    mail_sink.refused.add("ann@example.com")
    with pytest.raises(NotSentError) as refused:
        sender_of("room", apprise(catcher.url)).send(MESSAGE._replace(to=""))
    with pytest.raises(NotSentError) as no_mailbox:
        sender_of("mail", apprise(mail_sink.url)).send(MESSAGE)
    assert "401" in str(refused.value)
    assert "(address)" in str(no_mailbox.value)
    for text in (str(refused.value), str(no_mailbox.value), our_log()):
        assert "s3cr3t" not in text
        assert "t0ken" not in text
        assert "ann@" not in text


def test_the_log_of_apprise_would_have_named_the_address(mail_sink: MailSink, our_log: Callable[[], str]) -> None:
    mail_sink.refused.add("ann@example.com")
    sender, logger = sender_of("mail", apprise(mail_sink.url)), logging.getLogger("apprise")
    logger.propagate = True
    try:
        with pytest.raises(NotSentError):
            sender.send(MESSAGE)
    finally:
        logger.propagate = False
    assert "ann@" in our_log()


def test_a_service_that_does_not_answer_is_given_up_in_time(
    catcher: HttpCatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    catcher.hangs = True
    monkeypatch.setattr(senders, "READ_TIMEOUT_S", 0.2)
    with pytest.raises(NotSentError, match="onnection error"):
        sender_of("room", apprise(catcher.url)).send(MESSAGE)


def test_nobody_there_is_an_error_like_any_other() -> None:
    with pytest.raises(NotSentError):
        sender_of("mail", apprise("mailto://127.0.0.1:1?from=a@example.com&to={email}")).send(MESSAGE)


def test_an_address_that_apprise_does_not_understand_is_refused_at_the_start() -> None:
    with pytest.raises(BadInput, match="the channel chat is not one that apprise") as error:
        sender_of("chat", apprise("slakc://s3cr3t-token"))
    assert "s3cr3t" not in error.value.message


@pytest.mark.parametrize("text", ["ann@example.com", "o'neil@example.com", "ann+x@ex-ample.com"])
def test_a_plain_address_is_one(text: str) -> None:
    assert is_one_address(text) is ("'" not in text)


@pytest.mark.parametrize("text", ["a@b,c@d", "a@b;c@d", "a@b c@d", "a@b@c", "<a@b>", "a@b\nbcc:c@d", "a", "@b", ""])
def test_what_could_be_more_than_one_address_is_none(text: str) -> None:
    assert not is_one_address(text)


@pytest.fixture
def ses(aws_endpoint: str) -> SesChannel:
    boto3.client("sesv2").create_email_identity(EmailIdentity="allot@example.com")
    return SesChannel.model_validate({"kind": "ses", "from": "allot@example.com", "region": "us-east-1"})


def sent_by_ses(endpoint: str) -> list[dict[str, object]]:
    import json
    import urllib.request

    with urllib.request.urlopen(f"{endpoint}/moto-api/data.json") as answer:  # noqa: S310 - on loopback
        found: list[dict[str, object]] = json.load(answer)["ses"]["Message"]
    return found


def test_amazon_ses_takes_a_mail(ses: SesChannel, aws_endpoint: str) -> None:
    sender_of("ses", ses).send(MESSAGE)
    (message,) = sent_by_ses(aws_endpoint)
    assert "ann@example.com" in str(message)
    assert MESSAGE.subject in str(message)


def test_amazon_ses_refuses_a_sender_that_is_not_verified(ses: SesChannel) -> None:
    stranger = ses.model_copy(update={"sender": "stranger@example.org"})
    with pytest.raises(NotSentError, match="SES: ") as error:
        sender_of("ses", stranger).send(MESSAGE)
    assert "@example" not in str(error.value)


def test_amazon_ses_out_of_reach_fails_the_message_and_not_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t-key",
    }.items():
        monkeypatch.setenv(name, value)
    channel = SesChannel.model_validate({"kind": "ses", "from": "allot@example.com", "region": "us-east-1"})
    with pytest.raises(NotSentError, match="EndpointConnectionError"):
        sender_of("ses", channel).send(MESSAGE)


URLS = {
    "slack://T0KENAAAA/T0KENBBBB/T0KENCCCC/#finance": ("T0KENAAAA", "T0KENBBBB", "T0KENCCCC"),
    "mailtos://us%40er:p%21ssword@smtp.example.com?to={email}&pass=other-secret": (
        "p!ssword",
        "p%21ssword",
        "other-secret",
    ),
    "json://h.example/deep/t0ken?key=k3y-of-it": ("t0ken", "k3y-of-it"),
}


@pytest.mark.parametrize("url", URLS)
def test_no_part_of_an_address_that_could_be_a_secret_is_shown(url: str) -> None:
    text = masked(f"could not reach {url}: {' '.join(URLS[url])} ann@example.com", secrets_of(url))
    assert not [secret for secret in URLS[url] if secret in text]
    assert "ann" not in text
    assert text.startswith("could not reach ")
    assert URLS[url][0] in masked(f"could not reach {url}: {' '.join(URLS[url])}", ())


def test_the_name_of_a_host_is_no_secret() -> None:
    assert "smtp.example.com" in masked(
        "no answer from smtp.example.com", secrets_of("mailto://u:pass@smtp.example.com")
    )
