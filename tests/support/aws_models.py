"""boto3's descriptions of AWS's services, read once a process instead of once a session."""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader

_read: dict[Any, Any] = {}
_make = Loader.__init__


def _sharing(self: Loader, *args: Any, **kwargs: Any) -> None:
    _make(self, *args, **kwargs)
    setattr(self, "_cache", _read)  # noqa: B010 - botocore's own cache, which clients of one session share


def read_once() -> None:
    """A session of its own for each activity, as in the product, costs 50 ms for each client otherwise."""
    setattr(Loader, "__init__", _sharing)  # noqa: B010 - for all sessions
