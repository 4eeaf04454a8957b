"""What has been delivered, and a delivery's parts brought here: all of them, sound, or none."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from activities.contracts import Deliveries, Progress
from activities.cost_files import PART_BYTES_MAX, Files, Report, check_gzip, open_place
from activities.cost_lines import Part
from activities.cost_manifest import Address, Manifest, damaged, folder_period, parse_manifest, part_address, shown
from domain.errors import BadInput, DamagedReport, Unavailable
from domain.process import CostDelivery, CostSource, ManifestProblem

DELIVERIES_MAX = 1_000
"""Manifests below one source: 80 years of months."""
PROBLEM_CHARS_MAX = 1_000
"""Of the message about one manifest: those of all of them go into one payload."""
CHECKS_AT_ONCE_MAX = 4
REPORT_INTERVAL_S = 1.0


def find_deliveries(source: CostSource, report: Report) -> Deliveries:
    """By billing period. A damaged manifest is told beside the sound ones, so that nobody takes its month for up to
    date, and no other month has to wait for it."""
    files = open_place(source.source)
    addresses = files.manifests()
    if len(addresses) > DELIVERIES_MAX:
        raise BadInput(
            f"There are {len(addresses):,} manifests below {source.source}, and at most {DELIVERIES_MAX:,} are read: "
            "name the folder of one report.",
            code="SourceTooLarge",
        )
    found, problems = [], []
    for done, address in enumerate(addresses):
        report(Progress(step="reading manifests", done=done, whole=len(addresses)))
        try:
            found.append(parse_manifest(files.read(address), address))
        except DamagedReport as error:
            if source.billing_period in (None, folder_period(address)):
                problems.append(_problem(address, error))
    _require_one_report(found, source.source)
    wanted = [each for each in found if source.billing_period in (None, each.report.billing_period)]
    deliveries = tuple(
        CostDelivery(
            report=manifest.report,
            manifest=manifest.address,
            source=source.source,
            actor=source.actor,
            channel=source.channel,
            wait_for_parts=source.wait_for_parts,
        )
        for manifest in sorted(wanted, key=lambda manifest: manifest.report.billing_period)
    )
    return Deliveries(deliveries=deliveries, problems=tuple(problems))


def read_manifest(files: Files, delivery: CostDelivery) -> Manifest:
    """The manifest of this very delivery: the file is overwritten by the next one."""
    address = Address(delivery.manifest)
    manifest = parse_manifest(files.read(address), address)
    if manifest.report != delivery.report:
        raise damaged(
            f"The manifest {address} now names version {manifest.report.version} and not {delivery.report.version}, "
            "which was to be imported: look for deliveries again",
            "Superseded",
        )
    return manifest


def require_current(files: Files, manifest: Manifest, delivery: CostDelivery) -> None:
    """Raises DamagedReport where the manifest is another one by now."""
    if read_manifest(files, delivery) != manifest:
        raise damaged(f"The manifest {manifest.address} changed while its parts were read", "Superseded")


def fetch_parts(files: Files, manifest: Manifest, folder: Path, report: Report) -> list[Part]:
    """Copies all parts into the folder and checks them; nothing is copied while one is missing."""
    sizes = [_size(files, manifest, key) for key in manifest.keys]
    whole = sum(sizes)
    before = 0
    parts = []

    def progress(done: int) -> None:
        report(Progress(step="downloading", done=before + done, whole=whole))

    for number, (key, size) in enumerate(zip(manifest.keys, sizes, strict=True)):
        part = Part(key, folder / f"part-{number:05d}.csv.gz")
        files.fetch(part_address(manifest.address, key), part.path, progress)
        if part.path.stat().st_size != size:
            raise Unavailable(f"The part {key} changed while it was copied: it will be tried again.")
        parts.append(part)
        before += size
    _check_all(parts, whole, report)
    return parts


def _problem(address: Address, error: DamagedReport) -> ManifestProblem:
    return ManifestProblem(
        manifest=address,
        message=error.message[:PROBLEM_CHARS_MAX],
        error=type(error).__name__,
        code=error.code,
    )


def _check_all(parts: list[Part], whole: int, report: Report) -> None:
    """Several at a time, because unpacking leaves the other processors free. The first that is damaged is the error."""
    done = [0] * len(parts)
    stop = Event()

    def check(number: int, part: Part) -> None:
        def progress(read: int) -> None:
            done[number] = read
            if stop.is_set():
                raise _StoppedError

        check_gzip(part.path, part.name, progress)

    with ThreadPoolExecutor(min(CHECKS_AT_ONCE_MAX, os.cpu_count() or 1)) as pool:
        checks = [pool.submit(check, number, part) for number, part in enumerate(parts)]
        try:
            for finished in checks:
                while wait([finished], REPORT_INTERVAL_S).not_done:
                    report(Progress(step="checking", done=sum(done), whole=whole))
                finished.result()
            report(Progress(step="checking", done=whole, whole=whole))
        finally:
            stop.set()  # where one is damaged or the work is cancelled, nobody waits for the rest


class _StoppedError(Exception):
    """Ends a check whose answer is not wanted any more; it never leaves this module."""


def _size(files: Files, manifest: Manifest, key: str) -> int:
    address = part_address(manifest.address, key)
    size = files.size(address)
    if size is None:
        raise damaged(
            f"The manifest {manifest.address} names the part {shown(key)}, which is not there (as {address})",
            "MissingPart",
        )
    if size > PART_BYTES_MAX:
        raise damaged(f"The part {key} has {size:,} bytes, and at most {PART_BYTES_MAX:,} are read", "BadPart")
    return size


def _require_one_report(found: list[Manifest], source: str) -> None:
    """Each month has one report's figures, so several reports side by side would replace each other's."""
    if len(names := sorted({manifest.report.source for manifest in found})) > 1:
        raise BadInput(
            f"There are several reports below {source} ({', '.join(names)}): name one.", code="SeveralReports"
        )
    periods = [manifest.report.billing_period for manifest in found]
    if twice := sorted({str(period) for period in periods if periods.count(period) > 1}):
        raise BadInput(
            f"There are several manifests for {', '.join(twice)} below {source}: name the folder of the current one.",
            code="SeveralReports",
        )
