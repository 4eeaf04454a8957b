"""AWS Organizations as it answers: accounts, the organizational units above them, and tags.

Read with patience: the service limits its callers without saying how, so calls go one at a time, and a client waits
and tries again (adaptively).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from domain.errors import AllotError, BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS_MAX = 10
"""At one call, before the activity's own retry takes over."""
PAGE_SIZE = 20
"""The most that ListAccounts gives at a time."""
UNITS_MAX = 10_000
"""Organizational units in one walk; AWS allows 2,000."""
REGION = "us-east-1"
"""Where neither the environment nor the profile names one; Organizations has one endpoint a partition."""

ClientFactory = Callable[[], "OrganizationsClient"]

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_NOT_AUTHENTICATED = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "ExpiredToken",
    "ExpiredTokenException",
)
_NOT_CONFIGURED = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoRegionError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_GONE = ("TargetNotFoundException", "ParentNotFoundException", "OrganizationalUnitNotFoundException")
_HOW_TO_CONFIGURE = (
    "give the worker credentials of the management account or of a delegated administrator (AWS_PROFILE, or a role), "
    "or start the stand-in with `allot up`"
)


class OrganizationIds(NamedTuple):
    organization_id: str
    management_account_id: str


def aws_client() -> OrganizationsClient:
    """Of the environment's AWS account, or of whatever AWS_ENDPOINT_URL leads to."""
    session = boto3.Session()
    return session.client(
        "organizations",
        region_name=session.region_name or REGION,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS_MAX},
        ),
    )


class OrganizationReader:
    """One pass: what was learned of organizational units holds for it, and its calls are counted."""

    def __init__(self, client: OrganizationsClient) -> None:
        self._client = client
        self._paths = _OuPaths(client)
        self.calls = 0
        # Each request is created anew when it is tried again, so this counts what AWS sees.
        client.meta.events.register("request-created.organizations", self._count)

    def organization(self) -> OrganizationIds:
        found = self._client.describe_organization()["Organization"]
        return OrganizationIds(found["Id"], found["MasterAccountId"])

    def accounts(self) -> Iterator[AccountTypeDef]:
        """All of them; a page may be empty and still not be the last."""
        for page in self._client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": PAGE_SIZE}):
            yield from page["Accounts"]

    def ou_path(self, account: AccountTypeDef) -> str | None:
        """Names from the root down, such as `/Workloads/Production`; None where the tree does not have the account."""
        return self._paths.of(account)

    def tags(self, account_id: str) -> dict[str, str] | None:
        """None for an account that is gone meanwhile."""
        try:
            pages = self._client.get_paginator("list_tags_for_resource").paginate(ResourceId=account_id)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise

    def _count(self, **_: object) -> None:
        self.calls += 1


class _OuPaths:
    """Where accounts stand, by names. The tree is walked only for accounts that do not come with their path."""

    def __init__(self, client: OrganizationsClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._walked: dict[str, str] | None = None

    def of(self, account: AccountTypeDef) -> str | None:
        if paths := account.get("Paths"):
            # o-exampleorgid/r-root/ou-root-one/ou-root-two/111111111111/
            return _joined(self._name(part) for part in paths[0].split("/") if part.startswith("ou-"))
        if self._walked is None:
            self._walked = dict(self._walk())
        return self._walked.get(account["Id"])

    def _name(self, unit_id: str) -> str:
        if unit_id not in self._names:
            try:
                answer = self._client.describe_organizational_unit(OrganizationalUnitId=unit_id)
            except ClientError as error:
                if _code(error) not in _GONE:
                    raise
                self._names[unit_id] = unit_id  # removed meanwhile; the next pass sees where its accounts went
            else:
                self._names[unit_id] = answer["OrganizationalUnit"]["Name"]
        return self._names[unit_id]

    def _walk(self) -> Iterator[tuple[str, str]]:
        """Account id and path, for all accounts."""
        roots = self._client.get_paginator("list_roots").paginate()
        parents: list[tuple[str, tuple[str, ...]]] = [(root["Id"], ()) for page in roots for root in page["Roots"]]
        for parent_id, names in parents:  # grows while it is read: breadth first
            try:
                for account_id in self._accounts_in(parent_id):
                    yield account_id, _joined(names)
                parents += [(unit_id, (*names, name)) for unit_id, name in self._units_in(parent_id)]
            except ClientError as error:
                if _code(error) not in _GONE:
                    raise  # a unit that was removed meanwhile holds nothing any more
            if len(parents) > UNITS_MAX:
                raise BadInput(
                    f"The organization has more than {UNITS_MAX:,} organizational units.", code="TooManyUnits"
                )

    def _accounts_in(self, parent_id: str) -> list[str]:
        pages = self._client.get_paginator("list_accounts_for_parent").paginate(ParentId=parent_id)
        return [account["Id"] for page in pages for account in page["Accounts"]]

    def _units_in(self, parent_id: str) -> list[tuple[str, str]]:
        pages = self._client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent_id)
        return [(unit["Id"], unit["Name"]) for page in pages for unit in page["OrganizationalUnits"]]


def _joined(names: Iterable[str]) -> str:
    """A unit's name may hold `/` itself: it is written as in the paths of our own hierarchy."""
    return "/" + "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Errors of AWS and of the way to it, as errors of ours: what is wrong, and what to do."""
    try:
        yield
    except ClientError as error:
        raise _refusal_of_aws(error) from error
    except _NOT_CONFIGURED as error:
        raise BadInput(f"AWS is not configured ({error}): {_HOW_TO_CONFIGURE}.", code="AwsNotConfigured") from error
    except (ConnectionError, HTTPClientError) as error:
        raise Unavailable(
            f"AWS Organizations cannot be reached ({error}): check the network, and AWS_ENDPOINT_URL if it is set."
        ) from error
    except BotoCoreError as error:
        raise Unavailable(f"AWS Organizations could not be read ({error}); it will be tried again.") from error


def _refusal_of_aws(error: ClientError) -> AllotError:
    code, operation = _code(error), error.operation_name
    text = error.response.get("Error", {}).get("Message", "")
    if code in _DENIED:
        return BadInput(
            f"AWS does not allow {operation}: give the worker's role the permission organizations:{operation}, in the "
            f"management account or by a delegation policy. AWS says: {text}",
            code="AwsPermissionMissing",
        )
    if code == "AWSOrganizationsNotInUseException":
        return BadInput(
            f"The AWS account of these credentials is in no organization: {_HOW_TO_CONFIGURE}.", code="NoOrganization"
        )
    if code in _NOT_AUTHENTICATED:
        return BadInput(
            f"AWS does not accept the credentials ({code}): renew them, or {_HOW_TO_CONFIGURE}.", code="AwsCredentials"
        )
    return Unavailable(
        f"AWS Organizations answers {operation} with {code or 'an error'} ({text}); it will be tried again."
    )


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
