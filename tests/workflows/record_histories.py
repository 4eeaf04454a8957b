"""Records the histories that `test_replay.py` replays: `python -m tests.workflows.record_histories [NAME …]`.

A recorded history stands for a process that is under way while a new version is deployed. Without names, those are
recorded that have no history yet. Name one to record it anew: only when no process of the old kind can be left; until
then, change a workflow as `docs/changing-workflows.md` says, and add a scenario for what is new.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from embedded.postgres import Postgres
from embedded.process import ROOT
from embedded.temporal_server import find_program
from ledger.migrate import migrate
from temporal_connection import run
from tests.workflows.round_scenarios import SUGGESTED_AT_EVENTS
from tests.workflows.scenarios import ON_AN_IMPATIENT_SERVER, SCENARIOS, staging
from tests.workflows.stage import on_stage
from workflows.search_attributes import ALL

HISTORIES = Path(__file__).parent / "histories"
IDENTITY = "recorder"
OF_THE_MACHINE = frozenset({"stackTrace", "binaryChecksum", "workerVersion"})
"""Fields that say where it was recorded, and that no replay looks at."""
PATIENT_EVENTS = 4_096


def cleaned(value: Any) -> Any:
    match value:
        case dict():
            return {key: cleaned(item) for key, item in value.items() if key not in OF_THE_MACHINE}
        case list():
            return [cleaned(item) for item in value]
    return value


async def record(names: Sequence[str], folder: Path) -> None:
    postgres = Postgres(folder / "postgres", folder / "postgres.log")
    try:
        postgres.start()
        for impatient in (False, True):
            some = [name for name in names if (name in ON_AN_IMPATIENT_SERVER) == impatient]
            if some:
                await _record_on(postgres, some, SUGGESTED_AT_EVENTS if impatient else PATIENT_EVENTS)
    finally:
        postgres.stop()
        postgres.remove()


async def _record_on(postgres: Postgres, names: Sequence[str], suggested_at: int) -> None:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(find_program(ROOT / ".allot")),
        dev_server_extra_args=["--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={suggested_at}"],
        data_converter=pydantic_data_converter,
        search_attributes=ALL,
        identity=IDENTITY,
    ) as environment:
        for name in names:
            events = await _record_one(environment.client, postgres, name)
            sys.stdout.write(f"{name}: {events} events\n")


async def _record_one(client: Client, postgres: Postgres, name: str) -> int:
    database = f"scenario_{name.replace('-', '_')}"
    postgres.create_database(database)
    migrate(postgres.url(database))
    async with on_stage(client, postgres.url(database), **staging(name)) as stage:
        played = await SCENARIOS[name](stage)
        process_id, run_id = (played, None) if isinstance(played, str) else played
        history = await client.get_workflow_handle(process_id, run_id=run_id).fetch_history()
    text = json.dumps(cleaned(json.loads(history.to_json())), indent=1)
    (HISTORIES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return len(history.events)


if __name__ == "__main__":
    missing = [name for name in SCENARIOS if not (HISTORIES / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as made:
        run(record(sys.argv[1:] or missing, Path(made)))
