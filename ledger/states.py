"""Folded states of streams, remembered: only what happened since is read and folded again.

States are immutable, so the threads of a process share them. A decision never relies on memory alone: the last event
that a remembered state has seen is read again with the newer ones, or the append confirms that it is the last one
still. If it is not there (a database was restored from a backup under a running process), everything is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.decision import Event, Fold, States, Stream
from ledger.mapper import stream_id
from ledger.recorder import Known, LedgerRecorder, StreamEnd

STATES_REMEMBERED_MAX = 5_000
"""A decision on more streams than that is not remembered at all, so that it does not drive out what others need."""


class Folded(NamedTuple):
    """A state, the version it has seen, and its last event: place in the log, SHA-256 of what is stored."""

    state: Any
    version: int = 0
    position: int = 0
    digest: bytes = b""
    """After a restore, another event may come to the same version and place."""


class Situation(NamedTuple):
    """What a decision is taken on."""

    folded: Mapping[Stream, Folded]
    known: Known | None = None
    """The receipt, if the decision has been taken before; nothing is folded then."""

    @property
    def states(self) -> States:
        return States({stream: (folded.state, folded.version) for stream, folded in self.folded.items()})

    @property
    def versions(self) -> dict[Stream, int]:
        return {stream: folded.version for stream, folded in self.folded.items()}

    @property
    def ends(self) -> list[StreamEnd]:
        """What must still be so when the decision is recorded."""
        return [StreamEnd(stream_id(stream), *seen[1:]) for stream, seen in self.folded.items()]

    def position(self, stream: Stream) -> int:
        return self.folded[stream].position if stream in self.folded else 0


class StateReader:
    """Reads and folds several streams in one round trip. Thread-safe."""

    def __init__(
        self, recorder: LedgerRecorder, folds: Mapping[str, Fold], to_fact: Callable[[str, bytes], Any]
    ) -> None:
        self._recorder = recorder
        self._folds = folds
        self._to_fact = to_fact
        self._remembered: dict[UUID, Folded] = {}
        self._lock = Lock()

    def read(self, streams: Sequence[Stream], command_id: UUID | None = None) -> Situation:
        """The states now, and the receipt of the command."""
        ids = {stream: stream_id(stream) for stream in streams}
        # That there were no events needs no confirmation: all of them are read.
        remembered = {i: seen for i in ids.values() if (seen := self._remembered.get(i)) and seen.version}
        while True:
            known, folded = self._fold(ids, remembered, command_id)
            if known:
                return Situation({}, known)
            if folded is not None:
                self._remember(ids, folded)
                return Situation(folded)
            remembered = {}

    def recall(self, streams: Sequence[Stream]) -> Situation | None:
        """The states as remembered, which the append must confirm; None where not all of them are."""
        folded = {stream: seen for stream in streams if (seen := self._remembered.get(stream_id(stream)))}
        return Situation(folded) if len(folded) == len(streams) else None

    def advance(self, events: Sequence[Event], stored: Sequence[StoredEvent], positions: Sequence[int]) -> None:
        """Remembered states see what was just recorded, as it will be read."""
        for (stream, _), event, position in zip(events, stored, positions, strict=True):
            i = stream_id(stream)
            seen = self._remembered.get(i)
            if seen is None or seen.version + 1 != event.originator_version:
                continue
            grown = self._folds[stream.category].evolve(seen.state, self._to_fact(event.topic, event.state))
            with self._lock:
                if self._remembered.get(i) is seen:  # no other thread knows better
                    del self._remembered[i]  # so that it becomes the youngest
                    digest = sha256(event.state).digest()
                    self._remembered[i] = Folded(grown, event.originator_version, position, digest)

    def _fold(
        self, ids: Mapping[Stream, UUID], remembered: Mapping[UUID, Folded], command_id: UUID | None
    ) -> tuple[Known | None, dict[Stream, Folded] | None]:
        """None where a remembered state is not one of this database."""
        versions = [remembered[i].version if i in remembered else 0 for i in ids.values()]
        rows, known = self._recorder.select_situation(list(ids.values()), versions, command_id)
        if known:
            return known, None
        folds = {ids[stream]: self._folds[stream.category] for stream in ids}
        folded = {i: Folded(fold.initial) for i, fold in folds.items()}
        unconfirmed = dict(remembered)
        for position, i, version, topic, state in rows:
            if (seen := unconfirmed.get(i)) is None:
                grown = folds[i].evolve(folded[i].state, self._to_fact(topic, state))
                folded[i] = Folded(grown, version, position, sha256(state).digest())
            elif seen[1:] == (version, position, sha256(state).digest()):
                folded[i] = unconfirmed.pop(i)
            else:
                return None, None
        return None, None if unconfirmed else {stream: folded[i] for stream, i in ids.items()}

    def _remember(self, ids: Mapping[Stream, UUID], folded: Mapping[Stream, Folded]) -> None:
        if len(folded) > STATES_REMEMBERED_MAX:
            return
        with self._lock:
            for stream, state in folded.items():
                self._remembered.pop(ids[stream], None)  # so that it becomes the youngest
                self._remembered[ids[stream]] = state
            while len(self._remembered) > STATES_REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
