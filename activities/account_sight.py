"""An account as AWS Organizations answers, in our words; the same for the full read and for a look at one account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from domain.account_facts import AccountSeen

if TYPE_CHECKING:
    from mypy_boto3_organizations.type_defs import AccountTypeDef

STATE_UNKNOWN = "UNKNOWN"
"""Of an account for which AWS gives neither State nor Status."""


def seen_as(
    account: AccountTypeDef, ou_path: str, tags: dict[str, str] | None, joined_at: datetime | None = None
) -> AccountSeen | None:
    """None for one that has not joined yet, as far as AWS and whoever asks know (`joined_at`)."""
    joined = account.get("JoinedTimestamp") or joined_at
    if joined is None:
        return None
    return AccountSeen(
        account_id=account["Id"],
        name=account.get("Name", ""),
        email=account.get("Email", ""),
        # AWS retires Status in favour of State, which tells more apart.
        state=account.get("State") or account.get("Status") or STATE_UNKNOWN,
        joined_method=account.get("JoinedMethod", ""),
        joined_at=joined.astimezone(UTC),
        ou_path=ou_path,
        tags=tags,
    )
