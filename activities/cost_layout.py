"""Where AWS puts manifests and parts, in every layout that it has.

    legacy CUR, CREATE_NEW_REPORT   …/<report>/20260501-20260601/<report>-Manifest.json     names the current assembly
                                    …/<report>/20260501-20260601/<assembly id>/<report>-00001.csv.gz   and a copy of it
    legacy CUR, OVERWRITE_REPORT    …/<report>/20260501-20260601/<report>-Manifest.json
                                    …/<report>/20260501-20260601/<report>-00001.csv.gz
    legacy CUR, Parquet             …/<report>/<report>/year=2026/month=5/<report>-Manifest.json
                                    …/<report>/<report>/year=2026/month=5/<report>-00001.snappy.parquet
    Data Exports, OVERWRITE_REPORT  …/<export>/metadata/BILLING_PERIOD=2026-05/<export>-Manifest.json
                                    …/<export>/data/BILLING_PERIOD=2026-05/<export>-00001.snappy.parquet
    Data Exports, CREATE_NEW_REPORT …/<export>/metadata/BILLING_PERIOD=2026-05/<execution>/<export>-Manifest.json
                                    …/<export>/data/BILLING_PERIOD=2026-05/<execution>/<export>-00001.snappy.parquet

Only the files that a manifest names are read. A folder is never listed for them, because older versions stay beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NewType

from activities.cost_damage import bad_manifest, shown
from domain.calendar import Month

Address = NewType("Address", str)
"""A path, or `s3://bucket/key`."""

_LEGACY = re.compile(r"(?:^|/)(?:\d{8}-\d{8}|month=\d{1,2})/[^/]+-Manifest\.json$")
_EXPORT = re.compile(
    r"(?:^|/)metadata/(?P<period>billing_period=\d{4}-\d{2})/(?:(?P<execution>[^/]+)/)?[^/]+-Manifest\.json$",
    re.IGNORECASE,
)
_FOLDER_PERIOD = re.compile(
    r"(?:(\d{4})(\d{2})\d{2}-\d{8}|year=(\d{4})/month=(\d{1,2})|billing_period=(\d{4})-(\d{2})(?:/[^/]+)?)/[^/]+$",
    re.IGNORECASE,
)
_EXECUTION_ID = re.compile(r"-?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


def is_pointer(address: str) -> bool:
    """Whether this is the manifest of a billing period, and not the copy that stays beside each legacy assembly.

    Exports that keep every execution have a manifest for each: all of them are one, see `current_manifests`.
    """
    return _LEGACY.search(address) is not None or _EXPORT.search(address) is not None


def current_manifests(addresses: Iterable[Address]) -> list[Address]:
    """Of each report and period the newest manifest, in order of their addresses.

    An execution is as new as the time at the beginning of its folder's name; of two with the same time, or without
    one, the greater name counts. A manifest that is overwritten in place is older than any of an execution: it comes
    from before the export was set to keep them.
    """
    newest: dict[str, tuple[tuple[str, str], Address]] = {}
    for address in addresses:
        match = _EXPORT.search(address)
        execution = (match["execution"] or "") if match else ""
        # Legacy manifests are overwritten, so that each is the only one of its folder.
        group = address[: match.end("period")].lower() if match else address
        age = (_time_of(execution), execution)
        if group not in newest or age > newest[group][0]:
            newest[group] = (age, address)
    return sorted(address for _, address in newest.values())


def executions_folder(address: Address) -> Address | None:
    """Of an export that keeps every execution: the folder with the manifests of all of one period."""
    match = _EXPORT.search(address)
    return Address(address[: match.end("period")]) if match and match["execution"] else None


def folder_period(address: str) -> Month | None:
    """The billing period that the manifest's folder is named after, for one that cannot say so itself."""
    match = _FOLDER_PERIOD.search(address)
    if not match:
        return None
    year, month = (value for value in match.groups() if value)
    try:
        return Month(int(year), int(month))
    except ValueError:
        return None


def part_address(manifest: Address, key: str) -> Address:
    """Where a part is, given where its manifest is.

    Parts lie below the folder of their manifest (exports: below the folder `data` of the same period and execution),
    and a key holds the path from that folder on: what comes before, such as the prefix in the bucket that AWS wrote
    to, may be another one here. So a replica in another bucket, a copy below another prefix and a local folder are all
    read alike, and a missing part is never taken from somewhere else.
    """
    if match := _EXPORT.search(manifest):
        return _export_part(manifest, match, key)
    folder, _, _ = manifest.rpartition("/")
    names = folder.split("/")
    # A month's folder alone would also be that of another year.
    depth = 2 if names[-1].startswith("month=") and len(names) > 1 else 1
    below = _below(key, names[-depth:], manifest)
    return Address("/".join((folder, *below)))


def _export_part(manifest: Address, match: re.Match[str], key: str) -> Address:
    root = manifest[: match.start("period")].rstrip("/").removesuffix("metadata").removesuffix("METADATA")
    folder = ["data", match["period"], *([match["execution"]] if match["execution"] else [])]
    below = _below(key, folder, manifest)
    steps = PurePosixPath(key).parts
    place = len(steps) - len(below) - len(folder)
    # As the key spells it: S3 tells capitals apart.
    return Address(root + "/".join(steps[place:]))


def _below(key: str, folder: list[str], manifest: Address) -> tuple[str, ...]:
    """The key's path from the last occurrence of the folder on. Raises DamagedReport where it is not in the folder."""
    steps = PurePosixPath(key).parts
    wanted = [name.lower() for name in folder]
    for start in range(len(steps) - len(folder) - 1, -1, -1):
        if [step.lower() for step in steps[start : start + len(folder)]] == wanted:
            return steps[start + len(folder) :]
    raise bad_manifest(manifest, f"it names {shown(key)}, which is not in its own folder {'/'.join(folder)}")


def _time_of(execution: str) -> str:
    """Digits of the time before the execution's id, to be compared as text; empty where there is none."""
    return re.sub(r"\D", "", _EXECUTION_ID.sub("", execution))
