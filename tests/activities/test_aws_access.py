"""How clients get their credentials: a role is assumed at an STS of our own over HTTP, and a stand-in does the rest."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from pydantic import SecretStr
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import aws_access, aws_organizations
from activities.aws_access import AwsAccess
from activities.aws_organizations import OrganizationReader, aws_errors
from activities.ledger_commands import reported
from domain.errors import AllotError, BadInput, Unavailable
from tests.activities.aws_script import Script

ROLE = "arn:aws:iam::123456789012:role/AllotOrganizationsReader"
SECRET = "external+id/of=4,chars@home"
ANSWERED = 200
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def session(number: int = 1) -> tuple[int, str]:
    return ANSWERED, (
        f'<AssumeRoleResponse xmlns="{NAMESPACE}"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>ASIAEXAMPLE{number:09}</AccessKeyId><SecretAccessKey>key-{number}</SecretAccessKey>"
        f"<SessionToken>token-{number}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )


def refusal(status: int, code: str) -> tuple[int, str]:
    """In its words AWS repeats all that it was sent."""
    words = f"1 validation error detected: Value '{SECRET}' at 'externalId' of {ROLE}"
    return status, (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Code>{code}</Code><Message>{words}</Message></Error>'
        "</ErrorResponse>"
    )


class Sts:
    """Answers with the next of a list, of which the last one stays."""

    def __init__(self) -> None:
        self.answers = [session()]
        self.asked: list[dict[str, str]] = []

    def take(self, body: bytes) -> tuple[int, str]:
        self.asked.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def sts(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    """In place of the stand-in's, which lets in everybody."""
    script = Sts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, text = script.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(aws_access, "STS_ATTEMPTS_MAX", 1)
        yield script
        server.shutdown()
        thread.join()


def access(external_id: str | None = SECRET) -> AwsAccess:
    return AwsAccess(ROLE, SecretStr(external_id) if external_id is not None else None)


def failed(ways: AwsAccess) -> AllotError:
    with pytest.raises(AllotError) as failed:
        ways.organizations()
    return failed.value


def signed(client: Any) -> list[tuple[str, str | None]]:
    """The access key and the session token of each request from now on."""
    seen = []

    def look(request: AWSPreparedRequest, **_: object) -> None:
        values = {name.lower(): _text(value) for name, value in request.headers.items()}
        key = values["authorization"].partition("Credential=")[2].partition("/")[0]
        seen.append((key, values.get("x-amz-security-token")))

    client.meta.events.register("before-send", look)
    return seen


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_a_role_is_assumed_with_its_external_id_and_its_credentials_are_used(sts: Sts) -> None:
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    client = access().organizations()
    (asked,) = sts.asked
    assert asked.pop("Version")
    assert asked == {
        "Action": "AssumeRole",
        "RoleArn": ROLE,
        "RoleSessionName": "allot",
        "DurationSeconds": "3600",
        "ExternalId": SECRET,
    }
    requests = signed(client)
    assert OrganizationReader(client).organization().management_account_id == "123456789012"
    assert requests == [("ASIAEXAMPLE000000001", "token-1")]


@pytest.mark.parametrize("external_id", [None, ""])
def test_a_role_without_an_external_id_is_assumed_without(sts: Sts, external_id: str | None) -> None:
    access(external_id).organizations()
    assert "ExternalId" not in sts.asked[0]


def test_each_call_assumes_the_role_anew(sts: Sts) -> None:
    sts.answers = [session(1), session(2)]
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    ways = access()
    keys = []
    for client in (ways.organizations(), ways.organizations()):
        requests = signed(client)
        client.describe_organization()
        keys += [key for key, _ in requests]
    assert keys == ["ASIAEXAMPLE000000001", "ASIAEXAMPLE000000002"]


def test_without_a_role_the_environment_is_used(sts: Sts) -> None:
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    client = AwsAccess().organizations()
    requests = signed(client)
    client.describe_organization()
    assert (requests, sts.asked) == ([("testing", None)], [])


def test_the_stand_in_takes_a_role_too(aws_endpoint: str) -> None:
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    client = access().organizations()
    assert OrganizationReader(client).organization().management_account_id == "123456789012"


def test_a_client_of_a_role_is_as_patient(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_organizations, "ATTEMPTS_MAX", 3)
    config: Any = access().organizations().meta.config
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("adaptive", 3)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_role_that_may_not_be_assumed(sts: Sts, code: str) -> None:
    sts.answers = [refusal(403, code)]
    error = failed(access())
    assert error.message == (
        f"The role {ROLE} cannot be assumed: check its trust policy, the external id (ALLOT_ORGANIZATIONS_EXTERNAL_ID) "
        "and that the worker's role may sts:AssumeRole it."
    )
    assert (type(error), error.code) == (BadInput, "RoleNotAssumable")


def test_what_is_no_role(sts: Sts) -> None:
    sts.answers = [refusal(400, "ValidationError")]
    for role in (f"{ROLE}/?", "short"):  # AWS refuses the first, and the client itself the other
        error = failed(AwsAccess(role, SecretStr(SECRET)))
        assert error.message.startswith(f"AWS STS takes {role} for no role that can be assumed: check that ALLOT_ORG")
        assert (type(error), error.code) == (BadInput, "RoleNotAssumable")
    assert len(sts.asked) == 1


@pytest.mark.parametrize("external_id", ["x", "a" * 1_225, f"{SECRET}\n", "with space", "käse", f"{SECRET}\udcff"])
def test_what_is_no_external_id_is_not_sent(sts: Sts, external_id: str) -> None:
    error = failed(access(external_id))
    assert error.message.startswith("ALLOT_ORGANIZATIONS_EXTERNAL_ID is no external id: it has 2 to 1,224 letters")
    assert (type(error), error.code, sts.asked) == (BadInput, "RoleNotAssumable", [])
    assert external_id not in error.message or external_id == "x"


@pytest.mark.parametrize("external_id", ["xy", "a" * 1_224])
def test_an_external_id_at_its_limits_is_sent(sts: Sts, external_id: str) -> None:
    access(external_id).organizations()
    assert sts.asked[0]["ExternalId"] == external_id


def test_credentials_of_the_worker_that_aws_does_not_accept(sts: Sts) -> None:
    sts.answers = [refusal(403, "InvalidClientTokenId")]
    error = failed(access())
    assert error.message.startswith("AWS does not accept the credentials (InvalidClientTokenId): renew them, or give")
    assert (type(error), error.code) == (BadInput, "AwsCredentials")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refusal(500, "InternalFailure"), "AWS STS answers AssumeRole with InternalFailure (AWS's words are withheld"),
        ((ANSWERED, f"<{SECRET}"), "AWS STS answers AssumeRole with an answer that cannot be read (AWS's words are"),
        ((ANSWERED, f'<AssumeRoleResponse xmlns="{NAMESPACE}"/>'), "AWS STS answers AssumeRole with an answer that "),
    ],
)
def test_an_sts_that_fails_is_tried_again(sts: Sts, answer: tuple[int, str], told: str) -> None:
    sts.answers = [answer]
    error = failed(access())
    assert error.message.startswith(told)
    assert isinstance(error, Unavailable)


def test_an_sts_out_of_reach_is_tried_again(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    error = failed(access())
    assert error.message.startswith("AWS STS cannot be reached (Could not connect")
    assert isinstance(error, Unavailable)


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
def test_a_session_that_has_expired_is_assumed_anew_by_the_next_try(sts: Sts, code: str) -> None:
    script: Any = Script(DescribeOrganization=(400, code, "The security token included in the request is expired"))
    client = access().organizations()
    client.meta.events.register("before-send.organizations", script.play)
    with pytest.raises(Unavailable) as expired, aws_errors():
        OrganizationReader(client).organization()
    assert expired.value.message == f"The session of the role {ROLE} has expired; the next try assumes it anew."


def test_other_refusals_of_a_session_are_told_as_without_a_role(sts: Sts) -> None:
    script: Any = Script(DescribeOrganization=(400, "AccessDeniedException", "no"))
    client = access().organizations()
    client.meta.events.register("before-send.organizations", script.play)
    with pytest.raises(BadInput, match="the permission organizations:DescribeOrganization"), aws_errors():
        OrganizationReader(client).organization()


def test_the_secret_is_not_shown(sts: Sts) -> None:
    ways = access()
    assert SECRET not in f"{ways!r} {ways}"
    assert ways == access()


ANSWERS: list[tuple[int, str]] = [
    session(),
    refusal(403, "AccessDenied"),
    refusal(400, "ValidationError"),
    refusal(400, "RegionDisabledException"),
    refusal(500, "InternalFailure"),
    (ANSWERED, f"<{SECRET}"),
    (ANSWERED, session()[1].replace("<Expiration>", f"<Expiration>{SECRET}")),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_that_is_told_of_an_assumption_holds_a_secret(
    sts: Sts, answer: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Of all ways out of an activity: logs, the error with those that led to it, and the failure for the history."""
    caplog.set_level(logging.INFO)
    sts.answers = [answer]
    told = _told_of(lambda: access().organizations())
    assert sts.asked[0]["ExternalId"] == SECRET
    assert _secrets(told + caplog.text) == []


def test_control_a_plain_call_of_sts_tells_the_secret(sts: Sts) -> None:
    sts.answers = [refusal(400, "ValidationError")]
    client = boto3.client("sts")
    told = _told_of(lambda: client.assume_role(RoleArn=ROLE, RoleSessionName="allot", ExternalId=SECRET))
    assert _secrets(told) == [SECRET]


def _secrets(text: str) -> list[str]:
    return [secret for secret in (SECRET, "key-1", "token-1") if secret in text]


def _told_of(call: Callable[[], object]) -> str:
    """Of the call in an activity; nothing where it succeeds."""

    def activity() -> None:
        with reported():
            call()

    try:
        ActivityEnvironment().run(activity)
    except Exception as error:
        failure = Failure()
        converter = DataConverter.default
        converter.failure_converter.to_failure(error, converter.payload_converter, failure)
        return "\n".join([str(failure), *traceback.format_exception(error), *_chain(error)])
    return ""


def _chain(error: BaseException | None) -> Iterator[str]:
    """All that led to it, what `from None` hides among it."""
    while error is not None:
        yield f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_a_refused_role_ends_the_activity_with_its_code(sts: Sts) -> None:
    sts.answers = [refusal(403, "AccessDenied")]

    def activity() -> None:
        with reported(), aws_errors():
            access().organizations()

    with pytest.raises(ApplicationError, match=f"The role {ROLE} cannot be assumed") as refused:
        ActivityEnvironment().run(activity)
    assert (refused.value.type, refused.value.non_retryable) == ("BadInput", True)
    assert refused.value.details == ("RoleNotAssumable",)
