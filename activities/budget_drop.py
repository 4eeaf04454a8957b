"""The activities of BudgetDrop: take what is new in the drop into the file store, and say beside it what became of it.

Where the drop is, and who answers for what lies in it, comes from the worker's settings and never from a message:
whoever may start a process by hand could else have any folder read. May be repeated: a file is new until its result is
final.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from temporalio import activity

from activities.budget_drop_places import RESULT_SUFFIX, Place, Seen, is_budget, open_drop
from activities.contracts import ActivityName, DropAnswer, Dropped, DroppedFile
from activities.heartbeats import Beat, beating
from activities.ledger_commands import reported
from domain.budget_file import FILE_BYTES_MAX
from domain.decision import plain_line
from domain.errors import BadInput, Unavailable
from domain.model import Model
from domain.process import FILE_NAME_CHARS_MAX
from file_store import FileStore

FILES_AT_ONCE_MAX = 100
"""Taken by one look; the others wait for the next one."""
PROBLEMS_MAX = 50
"""Told of one look; they go into the process's history."""
PROBLEM_CHARS_MAX = 500
LOADING = "loading"
FINAL = frozenset({"loaded", "unchanged", "invalid", "refused", "failed"})
"""A file whose bytes have such a result is not tried again."""
_ELSEWHERE = {"status", "message", "problems", "report"}


class Told(Model):
    """What a result says of the file that it is about; more of it is for people."""

    status: str
    version: str
    content_hash: str = ""


class BudgetDrops:
    """The drop of this installation, if it has one."""

    def __init__(self, store: FileStore, location: str, actor: str) -> None:
        self._store, self._location, self._actor = store, location, actor

    @activity.defn(name=ActivityName.TAKE_DROPPED)
    def take(self) -> Dropped:
        """What is new, in the order in which it was written. A bad file stops no other."""
        with reported(), beating() as beat:
            beat.report("looking")
            return _Look(self._place(), self._store, beat).run(self._actor)

    @activity.defn(name=ActivityName.ANSWER_DROPPED)
    def answer(self, answer: DropAnswer) -> None:
        with reported(), beating():
            _write(self._place(), answer.file, self._result(answer))

    def _place(self) -> Place:
        if not self._location:
            raise BadInput("This worker has no drop: set ALLOT_BUDGET_DROP, or run `allot setup`.", code="NoDrop")
        return open_drop(self._location)

    def _result(self, answer: DropAnswer) -> dict[str, Any]:
        result = answer.result
        if result is None:
            return {"status": "failed", "message": answer.failure, "process": answer.process_id}
        problems = json.loads(self._store.get(result.report)) if result.report else []
        return {
            "status": result.status,
            "message": result.message,
            "process": answer.process_id,
            **{name: value for name, value in result.model_dump(mode="json").items() if name not in _ELSEWHERE},
            "problems_total": result.problems,
            "problems": problems,
        }


class _Look:
    """One look into the drop."""

    def __init__(self, place: Place, store: FileStore, beat: Beat) -> None:
        self._place, self._store, self._beat = place, store, beat
        self._names: frozenset[str] = frozenset()

    def run(self, actor: str) -> Dropped:
        listing = self._place.look()
        self._names = listing.names
        taken: list[DroppedFile] = []
        problems: list[str] = []
        done = 0
        for done, seen in enumerate(listing.files):
            self._beat.report("taking", done, len(listing.files))
            try:
                file = self._taken(seen)
            except Unavailable as error:  # files are loaded in order, so the later ones wait, too
                problems.append(error.message)
                break
            except BadInput as error:
                problems.append(error.message)
                continue
            if file:
                taken.append(file)
            if len(taken) == FILES_AT_ONCE_MAX:
                done += 1
                break
        else:
            done = len(listing.files)
        return Dropped(
            actor=actor,
            files=tuple(taken),
            seen=len(listing.files),
            not_looked_at=len(listing.files) - done,
            problems=tuple(problem[:PROBLEM_CHARS_MAX] for problem in problems[:PROBLEMS_MAX]),
            problems_total=len(problems),
        )

    def _taken(self, seen: Seen) -> DroppedFile | None:
        """None where there is nothing to load, or not yet."""
        told = self._told(seen.name)
        final = told if told and told.status in FINAL else None
        if final and final.version == seen.version:
            return None
        file = DroppedFile(name=seen.name, version=seen.version)
        if problem := _problem_of(seen):
            _write(self._place, file, {"status": "refused", "message": problem})
            return None
        data = self._place.read(seen)
        if data is None:
            return None
        file = file.model_copy(update={"content_hash": self._store.put(data)})
        if final and final.content_hash == file.content_hash:
            self._confirm(file)
            return None
        # Written before the load: where it cannot be, nobody would learn what became of the file, so it is not loaded.
        _write(self._place, file, {"status": LOADING, "message": "The file was seen and is being loaded."})
        return file

    def _told(self, name: str) -> Told | None:
        """What is no result of ours counts as none."""
        if name + RESULT_SUFFIX not in self._names:
            return None
        try:
            return Told.model_validate_json(self._place.read_result(name + RESULT_SUFFIX))
        except (BadInput, ValidationError):
            return None

    def _confirm(self, file: DroppedFile) -> None:
        """The same bytes were written again: their result stays, and the next look need not read them."""
        name = file.name + RESULT_SUFFIX
        result = json.loads(self._place.read_result(name))
        self._place.write_result(name, _as_json({**result, "version": file.version}))


def _problem_of(seen: Seen) -> str:
    """Why a file is not even read."""
    try:
        plain_line(seen.name)
    except ValueError:
        return "Its name holds control characters: give it another one."
    if len(seen.name) > FILE_NAME_CHARS_MAX:
        return f"Its name has more than {FILE_NAME_CHARS_MAX} characters: give it a shorter one."
    if seen.size > FILE_BYTES_MAX:
        return f"It has {seen.size:,} bytes; at most {FILE_BYTES_MAX:,} are read: is it the right one?"
    return ""


def _write(place: Place, file: DroppedFile, result: Mapping[str, Any]) -> None:
    if "/" in file.name or not is_budget(file.name):  # the look names no such file, so the message is not ours
        raise BadInput(f"{file.name[:200]!r} is no budget file in the drop.", code="WrongFileName")
    about = {"file": file.name, "version": file.version, "content_hash": file.content_hash}
    told = {"status": result["status"], "message": result["message"], **about, "at": datetime.now(UTC).isoformat()}
    place.write_result(file.name + RESULT_SUFFIX, _as_json({**told, **result}))


def _as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode(errors="replace")
