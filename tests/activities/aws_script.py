"""AWS Organizations as a script: answers played to the real client of boto3, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from activities.aws_organizations import aws_client

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

MANAGEMENT = f"{1:012}"
JOINED = 1_762_160_400.123
ANSWERED = 200
type Answer = dict[str, Any] | tuple[int, str, str]
"""A body; or a status, a code and a message."""
type Answering = Callable[[dict[str, Any]], Answer]
"""The answer to a request."""


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
"""Without any, the real client would not even ask."""


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def account(number: int, **fields: object) -> dict[str, object]:
    usual = {
        "Id": f"{number:012}",
        "Name": f"account {number}",
        "Email": f"aws+{number}@example.com",
        "State": "ACTIVE",
        "Status": "ACTIVE",
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": JOINED,
        "Paths": [f"o-exampleorg/r-root/{number:012}/"],
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


class Script:
    """Answers by operation: what a function says to the request, or the next of a list, of which the last one stays."""

    def __init__(self, **answers: Answer | list[Answer] | Answering) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, list[Answer] | Answering] = {
            "DescribeOrganization": [{"Organization": {"Id": "o-exampleorg", "MasterAccountId": MANAGEMENT}}],
            "ListTagsForResource": [{"Tags": []}],
            "ListAccounts": [{"Accounts": [account(1)]}],
        }
        for operation, given in answers.items():
            self._answers[operation] = given if isinstance(given, list) or callable(given) else [given]

    def client(self) -> OrganizationsClient:
        """The real one, but for the network."""
        client = aws_client()
        play: Any = self.play  # the stubs know of no hooks that answer
        client.meta.events.register("before-send.organizations", play)
        return client

    def play(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        operation = request.headers["X-Amz-Target"]
        name = (operation.decode() if isinstance(operation, bytes) else operation).partition(".")[2]
        assert isinstance(request.body, bytes)
        self.asked.append((name, json.loads(request.body)))
        answer = self._answer(name, self.asked[-1][1])
        status, body = (ANSWERED, answer) if isinstance(answer, dict) else (answer[0], failure(answer))
        headers = HTTPHeaders.from_dict({"Content-Type": "application/x-amz-json-1.1"})
        return AWSResponse(request.url, status, headers, _Raw(json.dumps(body).encode()))

    def _answer(self, name: str, request: dict[str, Any]) -> Answer:
        answers = self._answers[name]
        if callable(answers):
            return answers(request)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk


def failure(answer: tuple[int, str, str]) -> dict[str, Any]:
    return {"__type": answer[1], "message": answer[2]}
