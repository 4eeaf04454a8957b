"""A command is decided once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.decision import (
    SYSTEM_ID,
    Accepted,
    Channel,
    Command,
    CommandRefused,
    Decision,
    Origin,
    Refused,
    Rule,
    refusal_stream,
)
from domain.errors import BadInput, CommandConflict, Contention, Refusal
from ledger import ledger as module
from ledger.ledger import Ledger, command_hash
from ledger.people import UNKNOWN_ID
from ledger.texts import EXCERPT_CHARS_MAX, excerpt_of, has_nul
from tests.ledger.jars import (
    ANN,
    JARS,
    RULES,
    Fill,
    Filled,
    Jar,
    Pour,
    Stock,
    deliver,
    events_in,
    fill,
    jar,
    open_ledger,
    scalar,
    seal,
    sql,
)

DELIVERIES = 4


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with open_ledger(database_url) as opened:
        yield opened


@pytest.mark.parametrize("jars", [1, 50])
def test_fifty_commands_delivered_four_times_at_once_have_fifty_outcomes(database_url: str, jars: int) -> None:
    commands = [fill(f"jar {n % jars}", 1, 2, 3) for n in range(50)]
    with open_ledger(database_url, pool_size=16) as ledger, ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(lambda command: deliver(ledger, command), commands * DELIVERIES))
        assert sum(ledger.states([jar(f"jar {n}")])[jar(f"jar {n}")].beans for n in range(jars)) == 50 * 6
    for n in range(50):
        assert len(set(outcomes[n::50])) == 1
    assert len({outcome.position for outcome in outcomes}) == 50
    assert events_in(database_url) == 150
    assert scalar(database_url, "SELECT count(*) FROM ledger_receipts") == 50


def test_the_outcome_tells_where_the_decision_can_be_seen(ledger: Ledger) -> None:
    first = ledger.record(fill("a", 1, 2))
    other = ledger.record(fill("b"))
    assert first == Accepted(message="Filled.", events=2, position=2, version=2)
    assert other == Accepted(message="Filled.", events=1, position=3, version=1)
    sealed = ledger.record(seal("a"))
    assert sealed == Accepted(message="Sealed.", events=1, position=4, version=3)
    assert ledger.record(seal("a")) == Accepted(message="It was sealed already.", position=4, version=3)


def test_an_id_belongs_to_one_command(ledger: Ledger, database_url: str) -> None:
    command = fill("a")
    outcome = ledger.record(command)
    for other in (command.model_copy(update={"beans": (2,)}), command.model_copy(update={"jar": "b"})):
        with pytest.raises(CommandConflict, match=str(command.command_id)):
            ledger.record(other)
    assert ledger.record(command) == outcome
    assert events_in(database_url) == 1


def test_a_repetition_may_come_through_another_door_or_spell_out_a_default(ledger: Ledger) -> None:
    command = fill("a")
    outcome = ledger.record(command)
    assert ledger.record(command.model_copy(update={"channel": Channel.CLI, "label": ""})) == outcome
    assert command_hash(command) != command_hash(command.model_copy(update={"actor": "ben@example.com"}))


def test_eight_commands_that_race_for_one_id_have_one_winner(ledger: Ledger, database_url: str) -> None:
    def attempt(command: Command) -> str:
        try:
            return ledger.record(command).kind
        except CommandConflict:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            command_id = uuid4()
            racing = [fill(f"{command_id} {n}", command_id=command_id) for n in range(8)]
            assert sorted(pool.map(attempt, racing)) == ["accepted"] + ["conflict"] * 7
    assert events_in(database_url) == 20


def test_a_refusal_is_remembered_and_recorded_as_an_event(ledger: Ledger) -> None:
    command = seal("a")
    refused = ledger.record(command)
    assert refused == Refused(error="Refusal", code="Empty", message="An empty jar is not sealed.", position=1)
    ledger.record(fill("a"))
    assert ledger.record(command) == refused
    assert ledger.record(seal("a")).kind == "accepted"
    (event,) = ledger.read(refusal_stream(command.command_id))
    assert event.fact == CommandRefused(
        subject="jar/a", command="jar.Seal", error="Refusal", code="Empty", message="An empty jar is not sealed."
    )
    assert event.command_id == command.command_id
    assert event.position == 1
    assert ledger.states([jar("a")]).version(jar("a")) == 2  # the refusal did not move the jar


def test_bad_input_found_by_a_rule_is_not_recorded(ledger: Ledger, database_url: str) -> None:
    command = fill("a").model_copy(update={"beans": ()})
    with pytest.raises(BadInput):
        ledger.record(command)
    assert events_in(database_url) == 0
    assert scalar(database_url, "SELECT count(*) FROM ledger_receipts") == 0


def test_an_event_keeps_who_when_through_which_door_and_by_which_process(ledger: Ledger) -> None:
    command = fill("a", 1, 2)
    before = datetime.now(UTC)
    ledger.record(command, Origin(workflow_id="w", workflow_run_id="r", activity_id="7"))
    first, second = ledger.follow(0, 10)
    assert first == ledger.read(jar("a"))[0]
    assert (first.position, first.stream, first.stream_version, first.fact) == (1, "jar/a", 1, Filled(beans=1))
    assert (first.workflow_id, first.workflow_run_id, first.activity_id) == ("w", "r", "7")
    assert (first.channel, first.command_id, first.actor) == (
        Channel.UPDATE,
        command.command_id,
        ledger.people.find(ANN),
    )
    assert before <= first.recorded_at <= datetime.now(UTC)
    assert first.recorded_at.utcoffset() is not None
    assert first.event_id != second.event_id
    assert ledger.follow(1, 10) == [second]


def test_events_of_two_streams_are_recorded_together_or_not_at_all(ledger: Ledger, database_url: str) -> None:
    ledger.record(fill("a", 100))
    pours = [Pour(command_id=uuid4(), actor=ANN, jar=a, into=b, beans=1) for a, b in [("a", "b"), ("b", "a")] * 20]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda command: deliver(ledger, command), pours))
    states = ledger.states([jar("a"), jar("b")])
    assert states[jar("a")].beans + states[jar("b")].beans == 100
    accepted = sum(outcome.kind == "accepted" for outcome in outcomes)
    filled = scalar(database_url, "SELECT count(*) FROM ledger_events WHERE topic = 'jar.Filled'")
    assert filled == 1 + 2 * accepted


def test_fifty_thousand_events_are_one_transaction(ledger: Ledger, database_url: str) -> None:
    stock = Stock(command_id=uuid4(), actor=ANN, shelf="s", jars=50_000)
    outcome = ledger.record(stock)
    assert outcome == Accepted(events=50_000, position=50_000, version=0)
    assert scalar(database_url, "SELECT count(DISTINCT xmin::text) FROM ledger_events") == 1
    in_order = (
        "SELECT count(*) FROM ledger_events WHERE (convert_from(state, 'UTF8')::jsonb #>> '{fact,beans}')::int = "
    )
    assert scalar(database_url, in_order + "notification_id - 1") == 50_000
    assert ledger.record(stock) == outcome


def test_a_bulk_that_meets_one_existing_stream_changes_nothing(ledger: Ledger, database_url: str) -> None:
    ledger.record(fill("s-2999"))
    outcome = ledger.record(Stock(command_id=uuid4(), actor=ANN, shelf="s", jars=3_000))
    assert isinstance(outcome, Refused)
    assert outcome.code == "AlreadyExists"
    assert "jar/s-2999" in outcome.message
    assert events_in(database_url) == 2  # the jar and the refusal


def test_contention_ends_after_a_limited_number_of_attempts(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    monkeypatch.setattr(module, "ATTEMPTS_MAX", 3)
    with sql(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = 'deadlock_detected'; END $$"
        )
        connection.execute("CREATE TRIGGER busy BEFORE INSERT ON ledger_events EXECUTE FUNCTION busy()")
        with pytest.raises(Contention, match="jar/a"):
            ledger.record(command := fill("a"))
        connection.execute("DROP TRIGGER busy ON ledger_events")
    assert ledger.record(command).kind == "accepted"


# Who may


def test_nobody_outside_acts_as_the_system(ledger: Ledger) -> None:
    for actor in ("system", str(SYSTEM_ID)):
        command = fill("a", actor=actor)
        outcome = ledger.record(command)
        assert isinstance(outcome, Refused)
        assert (outcome.error, outcome.code) == ("Forbidden", "SystemActor")
        assert ledger.read(refusal_stream(command.command_id))[0].actor == UNKNOWN_ID
    outcome = ledger.record(fill("a", actor="system", channel=Channel.WORKFLOW))
    assert outcome.kind == "accepted"
    assert ledger.read(jar("a"))[0].actor == SYSTEM_ID


def test_a_signal_is_accepted_only_where_claimed_actors_are(ledger: Ledger, database_url: str) -> None:
    outcome = ledger.record(fill("a", channel=Channel.SIGNAL))
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.code) == ("Forbidden", "ClaimedActor")
    assert "ALLOT_ACCEPT_CLAIMED_ACTORS" in outcome.message
    with open_ledger(database_url, accept_claimed_actors=True) as trusting:
        assert trusting.record(fill("a", channel=Channel.SIGNAL)).kind == "accepted"
        assert trusting.record(fill("a", channel=Channel.SIGNAL, actor="system")).kind == "refused"


def test_an_unknown_person_is_refused_until_added(ledger: Ledger) -> None:
    command = fill("a", actor="ben@example.com")
    outcome = ledger.record(command)
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.code) == ("NotFound", "UnknownPerson")
    assert ledger.read(refusal_stream(command.command_id))[0].actor == UNKNOWN_ID
    ledger.people.ensure("ben@example.com", "Ben")
    assert ledger.record(command) == outcome  # the same command keeps its answer
    assert ledger.record(command.model_copy(update={"command_id": uuid4()})).kind == "accepted"


def test_no_address_gets_into_events_or_receipts(ledger: Ledger, database_url: str) -> None:
    ledger.record(fill("a"))
    ledger.record(fill("a", actor="nobody@example.com"))
    ledger.record(seal("a"))
    refused = ledger.record(fill("a"))  # this rule repeats the address of the actor
    assert isinstance(refused, Refused)
    assert refused.message == "(address) cannot fill a: it is sealed."
    ledger.record_refusal(
        uuid4(),
        jar("a"),
        "jar.Fill",
        BadInput(f"no such jar for {ANN}"),
        ANN,
        Channel.SIGNAL,
        excerpt=f"{{'by': '{ANN}'}}",
    )
    assert events_in(database_url) == 5
    for text in ("convert_from(state, 'UTF8') FROM ledger_events", "outcome::text FROM ledger_receipts"):
        with sql(database_url) as connection:
            rows = connection.execute(f"SELECT {text}").fetchall()
        assert rows
        assert not any("example.com" in row[0] for row in rows)


# What cannot be read or stored


def test_a_message_that_is_no_command_is_recorded_once_as_a_refusal(ledger: Ledger) -> None:
    command_id, sent = uuid4(), "\x00\x1b[31m" + "x" * 1_000_000
    outcomes = {
        ledger.record_refusal(
            command_id, jar("a"), "appr\x00ve", BadInput("Not a command\x00."), "b\x00b", Channel.SIGNAL, excerpt=sent
        )
        for _ in range(3)
    }
    assert outcomes == {Refused(error="BadInput", code="BadInput", message="Not a command\\x00.", position=1)}
    (event,) = ledger.follow(0, 10)
    assert isinstance(event.fact, CommandRefused)
    assert event.actor == UNKNOWN_ID
    assert event.channel is Channel.SIGNAL
    assert event.fact.command == "appr\\x00ve"
    assert event.fact.excerpt.startswith("\\x00\\x1b[31mxxx")
    assert len(event.fact.excerpt) == EXCERPT_CHARS_MAX


def test_an_excerpt_has_its_limit_and_no_addresses() -> None:
    assert excerpt_of("x" * EXCERPT_CHARS_MAX) == "x" * EXCERPT_CHARS_MAX
    assert excerpt_of("x" * (EXCERPT_CHARS_MAX + 1)) == "x" * EXCERPT_CHARS_MAX
    assert excerpt_of('{"a": "ann@example.com"}\n\ud800') == '{"a": "(address)"} \\ud800'


def test_a_text_with_nul_is_refused_because_no_view_could_show_it(ledger: Ledger) -> None:
    outcome = ledger.record(fill("a", label="a\x00b"))
    assert isinstance(outcome, Refused)
    assert outcome.code == "UnstorableText"
    assert ledger.record(fill("a", label="a\\u0000b")).kind == "accepted"  # these are six harmless characters
    assert has_nul(b'"\\u0000"')
    assert has_nul(b'"\\\\\\u0000"')
    assert not has_nul(b'"\\\\u0000"')


def test_a_remembered_state_is_not_trusted_when_the_database_was_restored(ledger: Ledger, database_url: str) -> None:
    for beans in (1, 2, 3):
        ledger.record(fill("a", beans))
    assert ledger.states([jar("a")])[jar("a")] == Jar(beans=6)
    with sql(database_url) as connection:
        connection.execute("ALTER TABLE ledger_events DISABLE TRIGGER ledger_events_append_only")
        connection.execute("DELETE FROM ledger_events WHERE notification_id > 1")
    assert ledger.states([jar("a")])[jar("a")] == Jar(beans=1)
    assert ledger.record(fill("a", 5)) == Accepted(message="Filled.", events=1, position=4, version=2)
    assert ledger.states([jar("a")])[jar("a")] == Jar(beans=6)


def test_a_rule_is_not_asked_again_about_a_command_that_is_known(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = fill("a")
    outcome = ledger.record(command)

    def fail(*_: object) -> Decision:
        raise Refusal("asked again")

    known: dict[type[Command], Rule] = {**RULES, Fill: RULES[Fill]._replace(decide=fail)}
    monkeypatch.setattr(ledger, "_registry", JARS._replace(rules=known))
    assert ledger.record(command) == outcome
