"""AWS Organizations as it answers: accounts, the organizational units above them, and tags.

Read with patience: the service limits its callers without saying how, so calls go one at a time, and a client waits
and tries again (adaptively).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from activities.aws_errors import AwsService, Told, code_of, errors_of
from domain.account_facts import TAGS_MAX
from domain.errors import BadInput

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef, ParentTypeDef
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS_MAX = 10
"""At one call, before the activity's own retry takes over."""
PAGE_SIZE = 20
"""The most that ListAccounts gives at a time."""
UNITS_MAX = 10_000
"""Organizational units in one walk; AWS allows 2,000."""
MAX_DEPTH = 10
"""Organizational units above one account; AWS allows 5."""
TAG_OF_AWS = "aws:"
"""How keys of tags begin that AWS's services set by themselves."""
REGION = "us-east-1"
"""Where neither the environment nor the profile names one; Organizations has one endpoint a partition."""

log = logging.getLogger(__name__)

ClientFactory = Callable[[], "OrganizationsClient"]

_GONE = (
    "TargetNotFoundException",
    "ParentNotFoundException",
    "OrganizationalUnitNotFoundException",
    "AccountNotFoundException",
    "ChildNotFoundException",
)
_THROTTLED = ("TooManyRequestsException", "ThrottlingException")
_HOW_TO_CONFIGURE = (
    "give the worker credentials of the management account or of a delegated administrator (AWS_PROFILE, or a role), "
    "or start the stand-in with `allot up`"
)
ORGANIZATIONS = AwsService(
    name="AWS Organizations",
    permissions="organizations",
    granted="in the management account or by a delegation policy",
    how_to_configure=_HOW_TO_CONFIGURE,
    told={
        "AWSOrganizationsNotInUseException": Told(
            f"The AWS account of these credentials is in no organization: {_HOW_TO_CONFIGURE}.", "NoOrganization"
        )
    },
)


class OrganizationIds(NamedTuple):
    organization_id: str
    management_account_id: str


def aws_client(credentials: CredentialsTypeDef | None = None) -> OrganizationsClient:
    """Of an assumed role or else of the environment's AWS account, or of whatever AWS_ENDPOINT_URL leads to."""
    session = boto3.Session() if credentials is None else _session_of(credentials)
    return session.client(
        "organizations",
        region_name=session.region_name or REGION,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS_MAX},
        ),
    )


def _session_of(credentials: CredentialsTypeDef) -> boto3.Session:
    """In memory only: nothing of it goes to a file or to the environment."""
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


class OrganizationReader:
    """One pass: what was learned of organizational units holds for it, and its calls are counted."""

    def __init__(self, client: OrganizationsClient) -> None:
        self._client = client
        self._paths = _OuPaths(client)
        self.calls_by_operation: Counter[str] = Counter()
        self.throttled = 0
        """Answers by which AWS asked for patience, those that the client has tried again among them."""
        # Each request is created anew when it is tried again, so this counts what AWS sees.
        client.meta.events.register("request-created.organizations", self._count)
        client.meta.events.register("response-received.organizations", self._count_throttled)

    @property
    def calls(self) -> int:
        return self.calls_by_operation.total()

    def organization(self) -> OrganizationIds:
        found = self._client.describe_organization()["Organization"]
        return OrganizationIds(found["Id"], found["MasterAccountId"])

    def accounts(self) -> Iterator[AccountTypeDef]:
        """All of them; a page may be empty and still not be the last."""
        for page in self._client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": PAGE_SIZE}):
            yield from page["Accounts"]

    def account(self, account_id: str) -> AccountTypeDef | None:
        """That one, for one call; None where the organization has it no more."""
        try:
            return self._client.describe_account(AccountId=account_id)["Account"]
        except ClientError as error:
            if code_of(error) in _GONE:
                return None
            raise

    def ou_path(self, account: AccountTypeDef) -> str | None:
        """Names from the root down, such as `/Workloads/Production`; None where the tree does not have the account.

        For a pass over all accounts: where AWS does not give their paths, the whole tree is walked once.
        """
        return self._paths.of(account)

    def path_of(self, account: AccountTypeDef) -> str | None:
        """The same for one account alone, by a call for each level above it; None where it has gone meanwhile."""
        return self._paths.upwards(account)

    def tags(self, account_id: str) -> dict[str, str] | None:
        """None for an account that is gone meanwhile. At most TAGS_MAX, those of AWS's own services last."""
        try:
            pages = self._client.get_paginator("list_tags_for_resource").paginate(ResourceId=account_id)
            tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if code_of(error) in _GONE:
                return None
            raise
        if len(tags) > TAGS_MAX:
            log.warning("Account %s has %d tags; %d of them are kept", account_id, len(tags), TAGS_MAX)
        # In an order of ours, so that the same ones are kept in the next pass.
        kept = sorted(tags, key=lambda key: (key.startswith(TAG_OF_AWS), key))[:TAGS_MAX]
        return {key: tags[key] for key in kept}

    def _count(self, operation_name: str, **_: object) -> None:
        self.calls_by_operation[operation_name] += 1

    def _count_throttled(self, parsed_response: Mapping[str, Any] | None, **_: object) -> None:
        """The answer is None where there was none, such as after a timeout."""
        if parsed_response and parsed_response.get("Error", {}).get("Code") in _THROTTLED:
            self.throttled += 1


class _OuPaths:
    """Where accounts stand, by names. The tree is walked only for accounts that do not come with their path."""

    def __init__(self, client: OrganizationsClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._walked: dict[str, str] | None = None

    def of(self, account: AccountTypeDef) -> str | None:
        if paths := account.get("Paths"):
            return self._named(paths[0])
        if self._walked is None:
            self._walked = dict(self._walk())
        return self._walked.get(account["Id"])

    def upwards(self, account: AccountTypeDef) -> str | None:
        """Without the walk, which costs more than one account is worth."""
        if paths := account.get("Paths"):
            return self._named(paths[0])
        names, child_id = list[str](), account["Id"]
        while parent := self._parent(child_id):
            if parent["Type"] == "ROOT":
                return _joined(reversed(names))
            if len(names) == MAX_DEPTH:
                raise BadInput(
                    f"Account {account['Id']} stands below more than {MAX_DEPTH} organizational units.", code="TooDeep"
                )
            child_id = parent["Id"]
            names.append(self._name(child_id))
        return None  # the account or a unit above it was removed meanwhile

    def _parent(self, child_id: str) -> ParentTypeDef | None:
        """An account and a unit have exactly one."""
        pages = self._client.get_paginator("list_parents").paginate(ChildId=child_id)
        try:
            return next((parent for page in pages for parent in page["Parents"]), None)
        except ClientError as error:
            if code_of(error) in _GONE:
                return None
            raise

    def _named(self, path: str) -> str:
        # o-exampleorgid/r-root/ou-root-one/ou-root-two/111111111111/
        return _joined(self._name(part) for part in path.split("/") if part.startswith("ou-"))

    def _name(self, unit_id: str) -> str:
        if unit_id not in self._names:
            try:
                answer = self._client.describe_organizational_unit(OrganizationalUnitId=unit_id)
            except ClientError as error:
                if code_of(error) not in _GONE:
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
                if code_of(error) not in _GONE:
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


def aws_errors() -> AbstractContextManager[None]:
    """Errors of AWS Organizations and of the way to it, as errors of ours."""
    return errors_of(ORGANIZATIONS)
