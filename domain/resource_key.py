"""The name by which a resource is claimed (product rules, section 6): an id where there is one, else what it does.

    arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc   the resource id, as the cost report has it
    principal:arn:aws:iam::111122223333:role/batch       services without resource ids: who used them
    usage:AmazonS3/EUW1-Requests-Tier1/PutObject         and where that is not known: service, usage type, operation

A key names a resource within its account.
"""

from __future__ import annotations

PRINCIPAL_PREFIX = "principal:"
USAGE_PREFIX = "usage:"
RESOURCE_KEY_CHARS_MAX = 2_048
"""An ARN has at most 2,048 characters."""


def resource_key(resource_id: str, principal: str, service: str, usage_type: str, operation: str) -> str:
    """The same as `RESOURCE_KEY_SQL`, which is how reports are read."""
    if resource_id:
        return resource_id
    if principal:
        return PRINCIPAL_PREFIX + principal
    return f"{USAGE_PREFIX}{service}/{usage_type}/{operation}"


RESOURCE_KEY_SQL = (
    f"CASE WHEN resource_id <> '' THEN resource_id WHEN principal <> '' THEN '{PRINCIPAL_PREFIX}' || principal "
    f"ELSE '{USAGE_PREFIX}' || service || '/' || usage_type || '/' || operation END"
)
"""Over columns that are empty, and not NULL, where a line has no such value."""
