"""What has been delivered, and a delivery's parts brought here: all of them, sound, or none."""

from __future__ import annotations

from activities.contracts import Deliveries, Progress
from activities.cost_fetching import accept, fetched, require_unchanged
from activities.cost_files import Files, Report
from activities.cost_manifest import (
    Address,
    Manifest,
    current_manifests,
    damaged,
    executions_folder,
    folder_period,
    is_pointer,
    parse_manifest,
)
from activities.cost_sources import ANYWHERE, SETTING, ConfiguredSource, CostPlaces
from domain.errors import BadInput, DamagedReport
from domain.process import CostDelivery, CostSource, ManifestProblem

DELIVERIES_MAX = 1_000
"""Manifests below one source: 80 years of months."""
PROBLEM_CHARS_MAX = 1_000
"""Of the message about one manifest: those of all of them go into one payload."""

__all__ = [
    "accept",
    "fetched",
    "find_deliveries",
    "read_manifest",
    "require_current",
    "require_unchanged",
]


def find_deliveries(source: CostSource, report: Report, places: CostPlaces = ANYWHERE) -> Deliveries:
    """By billing period. A damaged manifest is told beside the sound ones, so that nobody takes its month for up to
    date, and no other month has to wait for it."""
    files = places.open(source.source)
    listed = files.manifests(lambda seen: report(Progress(step="looking for manifests", done=seen)))
    # Of another month is what lies in another month's folder, so that one look need not read all of them.
    addresses = [one for one in listed if source.billing_period in (None, folder_period(one) or source.billing_period)]
    if len(addresses) > DELIVERIES_MAX:
        raise BadInput(
            f"There are {len(addresses):,} manifests below {source.source}, and at most {DELIVERIES_MAX:,} are read: "
            "name the folder of one report.",
            code="SourceTooLarge",
        )
    found, problems, known = [], [], places.at(source.source)
    for done, address in enumerate(addresses):
        report(Progress(step="reading manifests", done=done, whole=len(addresses)))
        try:
            manifest = parse_manifest(files.read(address), address)
            _require_payer(manifest, known)
            found.append(manifest)
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
            scheduled=source.scheduled,
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
    _require_newest(files, address)
    return manifest


def _require_newest(files: Files, address: Address) -> None:
    """Where each execution has a manifest of its own, which stays: an older one that is complete at last is past."""
    folder = executions_folder(address)
    if folder is None:
        return
    for newest in current_manifests(filter(is_pointer, files.below(folder))):
        if newest != address:
            raise damaged(f"The manifest {address} is past: {newest} is newer. Look for deliveries again", "Superseded")


def require_current(files: Files, manifest: Manifest, delivery: CostDelivery) -> None:
    """Raises DamagedReport where the manifest is another one by now."""
    if read_manifest(files, delivery) != manifest:
        raise damaged(f"The manifest {manifest.address} changed while its parts were read", "Superseded")


def _problem(address: Address, error: DamagedReport) -> ManifestProblem:
    return ManifestProblem(
        manifest=address,
        message=error.message[:PROBLEM_CHARS_MAX],
        error=type(error).__name__,
        code=error.code,
    )


def _require_payer(manifest: Manifest, known: ConfiguredSource | None) -> None:
    payer = manifest.report.payer_account_id
    if known and known.payer and payer and payer != known.payer:
        raise DamagedReport(
            f"The manifest {manifest.address} is of payer {payer}, and the source {known.name!r} is of {known.payer}: "
            f"check its place, or payer in {SETTING}. Nothing was imported.",
            code="OtherPayer",
        )


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
