"""The catalogue of facts and commands, and the error tree, hold together."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from pydantic import ValidationError

from domain.decision import CommandRefused, Stream, refusal_stream
from domain.errors import ERRORS, NEVER_RETRIED, AllotError, Contention, Unavailable, error_named
from domain.registry import COMMANDS, FACTS, FOLDS, RULES


def test_facts_have_names_of_their_own_in_the_past_tense() -> None:
    past = r"[a-z_]+\.([A-Z][A-Za-z]*(ed|een|drawn|osen)|Went[A-Z][A-Za-z]*|Came[A-Z][A-Za-z]*)"
    assert [name for name in FACTS if not re.fullmatch(past, name)] == []
    assert all(fact.fact_version >= 1 for fact in FACTS.values())


def test_every_fact_survives_its_stored_form() -> None:
    refused = CommandRefused(subject="a/b", command="x", error="Refusal", code="c", message="m")
    assert CommandRefused.model_validate_json(refused.model_dump_json()) == refused


def test_commands_are_told_apart_by_their_kind() -> None:
    kinds = [command.model_fields["kind"].default for command in RULES]
    assert len(set(kinds)) == len(kinds)
    with pytest.raises(ValidationError) as wrong:
        COMMANDS.validate_python({"kind": "nope", "secret": "hunter2"})
    assert "hunter2" not in str(wrong.value)


def test_streams_have_ids_from_their_natural_keys() -> None:
    assert Stream("schedule", "2026/a").id == Stream("schedule", "2026/a").id != Stream("schedule", "2026/b").id
    assert str(refusal_stream(UUID(int=1))).startswith("refusal/")
    assert "refusal" in FOLDS


def test_the_error_tree_maps_names_to_exit_codes() -> None:
    codes = [error.exit_code for error in ERRORS.values()]
    assert len(set(codes)) == len(codes)
    assert set(NEVER_RETRIED) == set(ERRORS) - {"Contention", "Unavailable"}
    assert isinstance(error_named("Contention", "m"), Contention)
    assert type(error_named("SomethingElse", "m")) is AllotError
    assert error_named("Refusal", "m", "NotWhole").code == "NotWhole"
    assert Unavailable("m").code == "Unavailable"
