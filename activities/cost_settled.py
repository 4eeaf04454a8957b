"""Whether a delivery that looks complete is one: AWS and replication write its files one after the other.

What is in doubt counts as not there yet (`MissingPart`), and is looked at again.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from activities.cost_files import Files, Pin
from activities.cost_manifest import Address, Manifest, damaged
from domain.errors import BadInput

APART_S = 3 * 3600
"""Deliveries are farther apart (AWS makes up to three a day), and the files of one are closer together."""
STATUS_FILES_MAX = 20
UPDATING = "UPDATING"

_STATUS_BESIDE = re.compile(r"^(.+)/[^/]+/year=\d{4}/month=\d{1,2}/[^/]+$")


def of_before(files: Files, manifest: Manifest, pins: Sequence[Pin], now: Callable[[], float] = time.time) -> set[Pin]:
    """Parts that are overwritten in place and are still those of the delivery before: this one's are on their way.

    Only while the manifest is young: a part that was really left as it was must not be waited for for ever. In folders
    the times of files say nothing.
    """
    if not files.copies or (written := files.pin(manifest.address)) is None:
        return set()
    if now() - written.changed_at > APART_S:
        return set()
    return {pin for pin in pins if written.changed_at - pin.changed_at > APART_S}


def require_not_updating(files: Files, manifest: Manifest) -> None:
    """Of a legacy Parquet report, beside which AWS says whether it is being written. Where nobody can read what it
    says, the look at the parts after reading has to do."""
    match = _STATUS_BESIDE.match(manifest.address)
    if match and _says_updating(files, Address(f"{match[1]}/cost_and_usage_data_status")):
        raise damaged(
            f"AWS is writing the report of {manifest.address} (its cost_and_usage_data_status is {UPDATING}): import "
            "it again in some minutes",
            "MissingPart",
        )


def _says_updating(files: Files, folder: Address) -> bool:
    try:
        for number, address in enumerate(files.below(folder)):
            if number == STATUS_FILES_MAX:
                break
            if address.endswith(".parquet"):
                table = pq.read_table(io.BytesIO(files.read(address)))
                if any(UPDATING in column.to_pylist() for column in table.columns):
                    return True
    except (BadInput, pa.ArrowException, OSError):
        return False
    return False


def shown_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
