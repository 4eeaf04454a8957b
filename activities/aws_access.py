"""How clients of AWS get their credentials: of a role that is assumed for each activity, or of the worker itself.

Credentials of a role live in memory for as long as the activity that asked for them: none is stored, and none enters a
history. The external id is a secret between us and the role's trust policy, so AWS's own words on a refused
assumption, which may repeat what was sent, are never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import boto3
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import ResponseParserError
from botocore.session import Session as CoreSession
from pydantic import SecretStr

from activities.account_event_queue import QUEUE_SETTING, WAIT_S, queue_service
from activities.aws_errors import DENIED, EXPIRED, AwsService, Told, code_of, errors_of
from activities.aws_organizations import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, REGION, aws_client
from domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef, CredentialsTypeDef

SESSION_NAME = "allot"
"""By it CloudTrail in the role's account shows who came."""
SESSION_S = 3600
"""The most that AWS allows where one role assumes another."""
STS_ATTEMPTS_MAX = 5
SQS_ATTEMPTS_MAX = 5
SQS_READ_TIMEOUT_S = WAIT_S + 15
"""An answer may take as long as the queue waits for a message."""
ROLE_SETTING = "ALLOT_ORGANIZATIONS_ROLE_ARN"
EXTERNAL_ID_SETTING = "ALLOT_ORGANIZATIONS_EXTERNAL_ID"
COST_SOURCES_SETTING = "ALLOT_COST_SOURCES"

EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_QUEUE_HOST = re.compile(
    r"https?://(?:(?:[\w.-]+\.)?sqs(?:-fips)?\.(?P<new>[a-z]+(?:-[a-z]+)+-\d+)\."
    r"|(?P<old>[a-z]+(?:-[a-z]+)+-\d+)\.queue\.)"
)
"""Such as sqs.eu-west-1.amazonaws.com, also behind the name of a VPC endpoint; or eu-west-1.queue.amazonaws.com."""
_UNREADABLE = "an answer that cannot be read"
_WITHHELD = "AWS's words are withheld: they may repeat the external id"


class RoleOf(NamedTuple):
    """What a role is for, and where it is set: for messages."""

    setting: str = ROLE_SETTING
    external_id_setting: str = EXTERNAL_ID_SETTING
    granted: str = "on the role that reads AWS Organizations"

    @classmethod
    def cost_source(cls, name: str) -> Self:
        where = f"of the source {name!r} in {COST_SOURCES_SETTING}"
        return cls(f"role_arn {where}", f"external_id {where}", "on the role that reads cost reports")


ORGANIZATIONS_READER = RoleOf()


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """The worker's ways into AWS."""

    role_arn: str = ""
    """Of the role that reads; without it the worker reads with its own credentials."""
    external_id: SecretStr | None = None
    """That the role's trust policy asks for."""
    role_of: RoleOf = ORGANIZATIONS_READER

    def organizations(self) -> OrganizationsClient:
        """Call it once in each activity: the role is assumed anew, for an hour."""
        if not self.role_arn:
            return aws_client()
        client = aws_client(self._assumed())
        client.meta.events.register("after-call.organizations", self._require_session)
        return client

    def sqs(self, queue_url: str, setting: str = QUEUE_SETTING) -> SQSClient:
        """With the worker's own credentials, for the queue is in the worker's account."""
        with errors_of(queue_service(queue_url, setting)):
            session = boto3.Session()
            client: SQSClient = session.client(
                "sqs",
                region_name=queue_region(queue_url) or session.region_name or REGION,
                config=_config(SQS_READ_TIMEOUT_S, SQS_ATTEMPTS_MAX),
            )
            return client

    def s3(self, region: str, config: Config) -> S3Client:
        """Call it once in each activity, too; a reading that takes longer than a session goes on with the next one."""
        session = boto3.Session(botocore_session=self._renewing()) if self.role_arn else boto3.Session()
        return session.client("s3", region_name=region or session.region_name, config=config)

    def _renewing(self) -> CoreSession:
        """A session whose credentials are assumed anew before they expire. The first ones are asked for at once."""
        credentials = RefreshableCredentials.create_from_metadata(self._renewed(), self._renewed, _Assumed.METHOD)
        core = CoreSession()
        core.register_component("credential_provider", CredentialResolver([_Assumed(credentials)]))
        return core

    def _renewed(self) -> dict[str, str]:
        found = self._assumed()
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    def _assumed(self) -> CredentialsTypeDef:
        """Raises BadInput `RoleNotAssumable`, or Unavailable; no error holds the external id, nor leads to one."""
        request = self._request()
        with errors_of(_sts_for(self.role_arn, self.role_of)):
            session = boto3.Session()
            client: STSClient = session.client(
                "sts",
                region_name=session.region_name or REGION,
                config=_config(READ_TIMEOUT_S, STS_ATTEMPTS_MAX),
            )
            try:
                return client.assume_role(**request)["Credentials"]
            except ClientError as error:
                code = code_of(error)
            except ParamValidationError:
                code = "ValidationError"
            except (ResponseParserError, ValueError, KeyError):  # whichever part of the answer could not be read
                code = _UNREADABLE
            # Raised out here, so that the error above, with AWS's words, is not kept as its context.
            raise ClientError({"Error": {"Code": code, "Message": _WITHHELD}}, "AssumeRole")

    def _request(self) -> AssumeRoleRequestTypeDef:
        request: AssumeRoleRequestTypeDef = {
            "RoleArn": self.role_arn,
            "RoleSessionName": SESSION_NAME,
            "DurationSeconds": SESSION_S,
        }
        external_id = self.external_id.get_secret_value() if self.external_id else ""
        if not external_id:
            return request
        if not EXTERNAL_ID.fullmatch(external_id):
            raise BadInput(
                f"{self.role_of.external_id_setting} is no external id: it has 2 to 1,224 letters, digits or any of "
                "+=,.@:/-_ and no space or line break, not even at its end.",
                code="RoleNotAssumable",
            )
        return request | {"ExternalId": external_id}

    def _require_session(self, parsed: Mapping[str, Any], **_: object) -> None:
        """A session that has expired is no matter for a person, unlike credentials that somebody set."""
        if parsed.get("Error", {}).get("Code") in EXPIRED:
            raise Unavailable(f"The session of the role {self.role_arn} has expired; the next try assumes it anew.")


class _Assumed(CredentialProvider):
    """The only one of its session: where the role cannot be assumed, the worker's own credentials do not step in."""

    METHOD = "assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


def queue_region(queue_url: str) -> str | None:
    """None where its host tells no region, as that of a stand-in."""
    host = _QUEUE_HOST.match(queue_url)
    return host and (host["new"] or host["old"])


def _config(read_timeout_s: int, attempts_max: int) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts_max},
    )


def _sts_for(role_arn: str, role_of: RoleOf) -> AwsService:
    refused = Told(
        f"The role {role_arn} cannot be assumed: check its trust policy, the external id "
        f"({role_of.external_id_setting}) and that the worker's role may sts:AssumeRole it.",
        "RoleNotAssumable",
    )
    malformed = Told(
        f"AWS STS takes {role_arn} for no role that can be assumed: check that {role_of.setting} is the ARN of a role, "
        "such as arn:aws:iam::123456789012:role/AllotOrganizationsReader.",
        "RoleNotAssumable",
    )
    return AwsService(
        name="AWS STS",
        permissions="sts",
        granted=role_of.granted,
        how_to_configure=(
            "give the worker credentials of its own (AWS_PROFILE, or a role), or start the stand-in with `allot up`"
        ),
        told=dict.fromkeys(DENIED, refused) | {"ValidationError": malformed},
    )
