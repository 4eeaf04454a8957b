"""Records the histories that `test_replay.py` replays: `python -m tests.workflows.record_histories [NAME …]`.

A recorded history stands for a process that is under way while a new version is deployed. Record a scenario anew only
when no process of the old kind can be left; until then, change a workflow behind `workflow.patched`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from embedded.postgres import Postgres
from embedded.process import ROOT
from embedded.temporal_server import TemporalServer, find_program
from ledger.migrate import migrate
from temporal_connection import run
from tests.workflows.scenarios import SCENARIOS
from tests.workflows.stage import on_stage
from workflows.search_attributes import register

HISTORIES = Path(__file__).parent / "histories"
IDENTITY = "recorder"
OF_THE_MACHINE = frozenset({"stackTrace", "binaryChecksum", "workerVersion"})
"""Fields that say where it was recorded, and that no replay looks at."""


def cleaned(value: Any) -> Any:
    match value:
        case dict():
            return {key: cleaned(item) for key, item in value.items() if key not in OF_THE_MACHINE}
        case list():
            return [cleaned(item) for item in value]
    return value


async def record(names: list[str], folder: Path) -> None:
    postgres = Postgres(folder / "postgres", folder / "postgres.log")
    temporal = TemporalServer(find_program(ROOT / ".allot"), folder / "temporal.log", ui=False)
    try:
        postgres.start()
        temporal.start()
        client = await Client.connect(temporal.address, data_converter=pydantic_data_converter, identity=IDENTITY)
        await register(client)
        for number, name in enumerate(names):
            database = f"scenario_{number}"
            postgres.create_database(database)
            migrate(postgres.url(database))
            async with on_stage(client, postgres.url(database)) as stage:
                process_id = await SCENARIOS[name](stage)
                history: WorkflowHistory = await client.get_workflow_handle(process_id).fetch_history()
            text = json.dumps(cleaned(json.loads(history.to_json())), indent=1)
            (HISTORIES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            sys.stdout.write(f"{name}: {len(history.events)} events\n")
    finally:
        temporal.stop()
        postgres.stop()
        postgres.remove()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        run(record(sys.argv[1:] or list(SCENARIOS), Path(made)))
