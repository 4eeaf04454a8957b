"""A server that speaks AWS's APIs (moto), for when no AWS account is configured.

The code that calls AWS is the same either way: boto3 is led here by its own variable AWS_ENDPOINT_URL. Started as

    python -m embedded.aws_server --port 5000 --joined 2025-11-03T09:00:00Z --joined-accounts 13

`--joined` belongs to the stand-in: in moto every account has joined the organization this very moment, while
a company has had its accounts for years; with it, the first accounts that are created joined at that time.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from embedded.errors import StartFailed
from embedded.ports import LOOPBACK, accepts, free_port
from embedded.process import ROOT, Child, launch

START_WITHIN_S = 60.0
PROBE_WITHIN_S = 5.0
REGION = "us-east-1"
ACCESS_KEY = "testing"
"""Id and secret; the stand-in takes any."""
PAYER_ACCOUNT_ID = "123456789012"
"""The account that moto takes every caller to be, and so the management account of its organization."""

OWN_AWS_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Any of these says that the user has an AWS of their own."""


class AwsServer:
    """One server; what it holds is in memory."""

    def __init__(self, log: Path, joined: datetime | None = None, joined_accounts: int | None = None) -> None:
        """`joined_accounts`: how many accounts joined at that time, in the order of their creation; None: all."""
        self.log, self._joined, self._joined_accounts = log, joined, joined_accounts
        self.port = 0
        self.child: Child | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What boto3 reads."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def launch(self) -> Child:
        """Starts the server; `wait` returns when it answers."""
        self.port = free_port()
        command = [sys.executable, "-m", "embedded.aws_server", "--port", str(self.port)]
        if self._joined is not None:
            command += ["--joined", self._joined.isoformat()]
        if self._joined_accounts is not None:
            command += ["--joined-accounts", str(self._joined_accounts)]
        self.child = launch("AWS stand-in", command, self.log, cwd=ROOT)
        return self.child

    def wait(self) -> None:
        if self.child is None:
            raise StartFailed("The AWS stand-in was not launched")
        self.child.wait_until(lambda: accepts(self.port), START_WITHIN_S)

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()


def reset(endpoint_url: str) -> None:
    """Forgets all accounts, buckets and so on of a running stand-in."""
    place = urlsplit(endpoint_url)
    # Straight to it: the machine's proxy cannot reach our loopback interface. Nor is anything of TLS loaded for it.
    connection = HTTPConnection(place.hostname or LOOPBACK, place.port, timeout=PROBE_WITHIN_S)
    try:
        connection.request("POST", "/moto-api/reset")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise StartFailed(f"The AWS stand-in at {endpoint_url} does not answer: {error}") from error
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        raise StartFailed(f"The AWS stand-in at {endpoint_url} does not forget what it holds: it answers {status}")


def _joined_at(moment: datetime, accounts: int | None) -> None:
    """From now on, every account that is created joined at that moment, or so many of them."""
    from moto.organizations.models import FakeAccount  # noqa: PLC0415 - heavy, and only the server process needs it

    original, made = FakeAccount.__init__, count(1)

    def created(self: FakeAccount, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]  # passed on untouched
        if accounts is None or next(made) <= accounts:
            self.create_time = moment.astimezone(UTC).replace(tzinfo=None)  # moto counts in UTC without a zone

    FakeAccount.__init__ = created  # type: ignore[method-assign]  # there is no other door


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded.aws_server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--joined", type=datetime.fromisoformat, help="such as 2025-11-03T09:00:00Z")
    parser.add_argument("--joined-accounts", type=int, help="how many of them; default: all")
    options = parser.parse_args(arguments)
    if options.joined is not None:
        _joined_at(options.joined, options.joined_accounts)
    from moto.server import main as serve  # noqa: PLC0415 - heavy, and only the server process needs it

    serve(["--host", LOOPBACK, "--port", str(options.port)])


if __name__ == "__main__":
    main(sys.argv[1:])
