"""The import of one report version, step by step and without Temporal.

    manifest → imported already? → parts, all and sound → added up → ours? → rows stored → same totals? → one event

What was there stays in force until the event is recorded, whatever happens before. All of it may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid5

from activities.contracts import Progress
from activities.cost_aggregate import Aggregate, aggregated
from activities.cost_athena import aggregated_by_athena
from activities.cost_bucket import Bucket
from activities.cost_control import LINE_ROUNDING, Control, without_unblended
from activities.cost_delivery import accept, fetched, read_manifest, require_current, require_unchanged
from activities.cost_engines import LOCAL, Engines
from activities.cost_fetching import Accepted
from activities.cost_files import Files, Report
from activities.cost_keeping import Keeping
from activities.cost_manifest import Manifest
from activities.cost_scratch import scratch_folder
from activities.cost_sources import ANYWHERE, CostPlaces
from activities.cost_store import CostStore, Stored
from domain.account import ORGANIZATION_STREAM, AwsOrganization
from domain.cost import (
    ImportPeriod,
    PeriodImported,
    ReportVersion,
    check_currency,
    check_payer,
    period_stream,
    require_importer,
)
from domain.cost_metric import CostMetric
from domain.decision import NAMESPACE, Organization, Origin, Refused
from domain.errors import DamagedReport, Refusal
from domain.money import plain
from domain.process import CostDelivery, CostImportResult
from ledger.ledger import Ledger

TYPES_NAMED_MAX = 5
"""In the message about an import; its event has all of them."""


def unheard(_: Progress) -> None:
    """For callers that do not ask how far the work has come."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was read: the request, what its manifest says, what its lines add up to, who records it."""

    delivery: CostDelivery
    manifest: Manifest
    aggregate: Aggregate
    origin: Origin

    @property
    def control(self) -> Control:
        return self.aggregate.control

    def command(self, stored: Stored | None) -> ImportPeriod:
        """What is put to the ledger; without stored rows nothing but a refusal can come of it.

        The id differs with the process's run: a refusal is final for a command, but not for a report, which may be ours
        once a setting has been corrected. That no version is imported twice is up to the decision.
        """
        report, control = self.delivery.report, self.control
        stage = "refuse" if stored is None else "import"
        name = f"cost-import/{report.source}/{report.billing_period}/{report.version}/{self.manifest.content_hash}"
        return ImportPeriod(
            command_id=uuid5(NAMESPACE, f"{name}/{self.origin.workflow_run_id}/{stage}"),
            actor=self.delivery.actor,
            channel=self.delivery.channel,
            report=report,
            manifest_hash=self.manifest.content_hash,
            currencies=control.currencies,
            payers=control.payers,
            lines=control.lines,
            rows=stored.rows if stored else 0,
            totals_in=dict(control.totals),
            totals_out=dict(stored.totals[CostMetric.UNBLENDED]) if stored else {},
            rounding=LINE_ROUNDING,
            format=self.manifest.format,
            metric_totals=without_unblended(control.metric_totals),
            metric_totals_out=without_unblended(stored.totals) if stored else {},
            upfront=control.upfront,
            true_up=control.true_up,
            rows_hash=stored.rows_hash if stored else "",
            unclassified=control.unclassified,
            split_lines=control.split_lines,
            invoices=control.invoices,
            engine=self.aggregate.engine,
            detail=stored.detail if stored else "",
        )


class CostImport:
    """Imports deliveries, any number at once; two of the same version take turns."""

    def __init__(
        self,
        ledger: Ledger,
        store: CostStore,
        organization: Organization,
        memory_mb: int,
        places: CostPlaces = ANYWHERE,
        keeping: Keeping = Keeping(),
        engines: Engines = LOCAL,
    ) -> None:
        self._engines = engines
        self._ledger = ledger
        self._keeping = keeping
        self._store = store
        self._places = places
        self._organization = organization
        self._memory_mb = memory_mb

    def import_report(
        self, delivery: CostDelivery, origin: Origin = Origin(), report: Report = unheard
    ) -> CostImportResult:
        """Raises DamagedReport for what cannot be read; a rule's no is a result."""
        if refusal := self._ledger.may(delivery.actor, delivery.channel, require_importer):
            return self._refused(delivery, refusal, origin)
        self._places.require_below(delivery.source, delivery.manifest)
        files = self._places.open(delivery.source)
        manifest = read_manifest(files, delivery)
        if earlier := self._earlier(delivery, origin):
            return earlier
        accepted = accept(files, manifest, report)
        with (
            scratch_folder(self._places.scratch) as scratch,
            self._aggregated(delivery, files, accepted, scratch, report, origin) as aggregate,
        ):
            require_current(files, manifest, delivery)
            require_unchanged(files, accepted, report)  # parts may be overwritten in place, the manifest last
            delivered = Delivered(delivery, manifest, aggregate, origin)
            if self._is_foreign(delivered.command(None)):
                return self._record(delivered, None)
            return self._keep(delivered, files, aggregate, scratch, report)

    @contextmanager
    def _aggregated(
        self,
        delivery: CostDelivery,
        files: Files,
        accepted: Accepted,
        scratch: Path,
        report: Report,
        origin: Origin,
    ) -> Iterator[Aggregate]:
        """By the engine that is chosen for such a report."""
        source = self._places.at(delivery.source)
        limits = self._engines.athena_for(accepted, files, own_role=bool(source and source.role_arn))
        if limits and isinstance(files, Bucket):
            room, run = self._places.room, origin.workflow_run_id
            with aggregated_by_athena(
                files, accepted, scratch, self._memory_mb, report, limits, room, run
            ) as aggregate:
                yield aggregate
            return
        parts = fetched(files, accepted, scratch, report, self._places.room)
        said = accepted.manifest
        with (
            closing(parts),
            aggregated(parts, scratch, self._memory_mb, report, said.format, said.columns) as aggregate,
        ):
            yield aggregate

    def _keep(
        self, delivered: Delivered, files: Files, aggregate: Aggregate, scratch: Path, report: Report
    ) -> CostImportResult:
        with self._store.hold(delivered.delivery.report) as held:
            # A later version of this period may have been imported while we read: it is in force, and this one is past.
            # One that is delivered from here on is imported after us.
            require_current(files, delivered.manifest, delivered.delivery)
            # By whoever held it before: never touch rows in force.
            if earlier := self._earlier(delivered.delivery, delivered.origin):
                return earlier
            stored = self._keeping.keep(held, aggregate, delivered.delivery.report, scratch, report)
            try:
                result = self._record(delivered, stored)
            except DamagedReport:  # other errors leave the outcome open, and so the rows where they are
                self._keeping.discard(held, stored)
                raise
            if result.status == "refused":
                self._keeping.discard(held, stored)
            return result

    def _record(self, delivered: Delivered, stored: Stored | None) -> CostImportResult:
        outcome = self._ledger.record(delivered.command(stored), delivered.origin)
        report, control = delivered.delivery.report, delivered.control
        if isinstance(outcome, Refused):
            return _refusal_result(report, outcome)
        return CostImportResult(
            billing_period=report.billing_period,
            report_version=report.version,
            status="imported" if outcome.events else "unchanged",
            message=_with_notes(outcome.message, control),
            position=outcome.position,
            lines=control.lines,
            rows=control.rows,
            totals={charge_type: plain(amount) for charge_type, amount in control.totals.items()},
            engine=delivered.aggregate.engine,
            scanned_bytes=delivered.aggregate.scanned_bytes,
        )

    def _refused(self, delivery: CostDelivery, refusal: Refusal, origin: Origin) -> CostImportResult:
        """Recorded as the refused command would be, before anything is read."""
        report = delivery.report
        name = f"cost-import/{report.source}/{report.billing_period}/{report.version}"
        outcome = self._ledger.record_refusal(
            uuid5(NAMESPACE, f"{name}/{origin.workflow_run_id}/forbid"),
            period_stream(report.billing_period),
            ImportPeriod.model_fields["kind"].default,
            refusal,
            delivery.actor,
            delivery.channel,
            origin,
        )
        return _refusal_result(report, outcome)

    def _earlier(self, delivery: CostDelivery, origin: Origin) -> CostImportResult | None:
        """The import of this version, if there is one: by this very process, whose worker died before it could tell
        Temporal, or by another one."""
        for event in self._ledger.read(period_stream(delivery.report.billing_period)):
            fact = event.fact
            if isinstance(fact, PeriodImported) and fact.report_version == delivery.report.version:
                ours = bool(origin.workflow_run_id) and event.workflow_run_id == origin.workflow_run_id
                return CostImportResult(
                    billing_period=fact.billing_period,
                    report_version=fact.report_version,
                    status="imported" if ours else "unchanged",
                    message=f"Version {fact.report_version} was imported already; nothing changed.",
                    position=event.position,
                    lines=fact.lines,
                    rows=fact.rows,
                    totals={charge_type: plain(amount) for charge_type, amount in fact.totals.items()},
                )
        return None

    def _is_foreign(self, command: ImportPeriod) -> bool:
        """Whether the decision will refuse it whatever is stored; asked before anything is."""
        aws: AwsOrganization = self._ledger.states([ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
        try:
            check_currency(command.currencies, self._organization.currency)
            check_payer(command, self._organization.payer_account_id or aws.management_account_id)
        except Refusal:
            return True
        return False


def _with_notes(message: str, control: Control) -> str:
    """What a person should know of a report that was imported all the same."""
    notes = [message]
    if control.unclassified:
        lines, types = sum(control.unclassified.values()), list(control.unclassified)
        more = " and others" if len(types) > TYPES_NAMED_MAX else ""
        notes.append(f"{lines:,} lines are unclassified: {', '.join(types[:TYPES_NAMED_MAX])}{more}.")
    if control.split_lines:
        notes.append(f"{control.split_lines:,} lines of split cost allocation repeat others and were left out.")
    if control.identity_gap:
        notes.append(
            f"Amortized cost, upfront fees and true-up differ from unblended cost by {plain(control.identity_gap)}: "
            "the report does not say of all commitments how they are spread."
        )
    return " ".join(notes)


def _refusal_result(report: ReportVersion, refused: Refused) -> CostImportResult:
    return CostImportResult(
        billing_period=report.billing_period,
        report_version=report.version,
        status="refused",
        message=refused.message,
        position=refused.position,
        error=refused.error,
        code=refused.code,
    )
