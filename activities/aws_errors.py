"""Errors of AWS's services and of the way to them, as errors of ours: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

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
from botocore.parsers import ResponseParserError

from domain.errors import AllotError, BadInput, Unavailable

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
EXPIRED = ("ExpiredToken", "ExpiredTokenException")
NOT_AUTHENTICATED = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    *EXPIRED,
)
NOT_CONFIGURED = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoRegionError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)


class Told(NamedTuple):
    """What a person is told of an error that trying again does not mend."""

    message: str
    code: str


class AwsService(NamedTuple):
    """A service, and the words for its errors."""

    name: str
    permissions: str
    """Prefix of their names."""
    granted: str
    """Where: it ends the sentence that asks for a permission."""
    how_to_configure: str
    told: Mapping[str, Told] = MappingProxyType({})
    """By AWS's error code; these go before what holds for all services."""


@contextmanager
def errors_of(service: AwsService) -> Iterator[None]:
    """BadInput where a person must act, Unavailable where the next try may succeed."""
    try:
        yield
    except ClientError as error:
        raise _refusal_of(service, error) from error
    except NOT_CONFIGURED as error:
        raise BadInput(
            f"AWS is not configured ({error}): {service.how_to_configure}.", code="AwsNotConfigured"
        ) from error
    except (ConnectionError, HTTPClientError) as error:
        raise Unavailable(
            f"{service.name} cannot be reached ({error}): check the network, and AWS_ENDPOINT_URL if it is set."
        ) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Unavailable(f"{service.name} could not be read ({error}); it will be tried again.") from error


def code_of(error: ClientError) -> str:
    """AWS's own; empty where the answer has none."""
    return error.response.get("Error", {}).get("Code", "")


def text_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "")


def _refusal_of(service: AwsService, error: ClientError) -> AllotError:
    code, operation, text = code_of(error), error.operation_name, text_of(error)
    if told := service.told.get(code):
        return BadInput(told.message, code=told.code)
    if code in DENIED:
        return BadInput(
            f"AWS does not allow {operation}: give the worker's role the permission {service.permissions}:{operation}, "
            f"{service.granted}. AWS says: {text}",
            code="AwsPermissionMissing",
        )
    if code in NOT_AUTHENTICATED:
        return BadInput(
            f"AWS does not accept the credentials ({code}): renew them, or {service.how_to_configure}.",
            code="AwsCredentials",
        )
    return Unavailable(
        f"{service.name} answers {operation} with {code or 'an error'} ({text}); it will be tried again."
    )
