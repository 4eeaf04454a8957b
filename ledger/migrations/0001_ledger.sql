-- The event log, the receipts of commands, and the two functions that keep the log without gaps.

CREATE TABLE ledger_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigserial NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Nothing is ever updated, so only inserts count; statistics must follow a log that grows by bulk loads.
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
CREATE UNIQUE INDEX ledger_events_notification_id_idx ON ledger_events (notification_id);
COMMENT ON TABLE ledger_events IS 'One row an event; columns as the eventsourcing library reads them. Append-only.';
COMMENT ON COLUMN ledger_events.originator_id IS 'UUIDv5 of the stream''s natural key';
COMMENT ON COLUMN ledger_events.topic IS 'Name of the fact, such as schedule.Approved';
COMMENT ON COLUMN ledger_events.state IS 'UTF-8 JSON: the envelope, with the fact in it';
COMMENT ON COLUMN ledger_events.notification_id IS 'Place in the log: grows in reading order, may have holes';

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the event log is append-only', tg_op, tg_table_name
        USING ERRCODE = 'insufficient_privilege', HINT = 'Correct what is wrong by recording another event.';
END $$;
CREATE TRIGGER ledger_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE TABLE ledger_receipts (
    command_id uuid PRIMARY KEY,
    command_hash bytea NOT NULL,
    outcome jsonb NOT NULL,
    notification_ids bigint[] NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger_receipts IS 'What each command was answered; written in the transaction of its events';
COMMENT ON COLUMN ledger_receipts.notification_ids IS 'First and last place in the log of its events; empty for none';

-- Appends events and their receipt, whole or not at all, in one statement: a client that is frozen or killed can never
-- hold the lock inside an open transaction.
--
-- Writers share the lock, so they do not wait for one another; ledger_settled_head takes it alone. The lock is taken
-- before the first number is drawn, so whoever holds it alone knows that no number drawn so far is still under way.
-- A command that is known already changes nothing: its receipt is returned, and the numbers drawn stay a hole.
CREATE FUNCTION ledger_append(
    IN command uuid, IN hash bytea, IN answer text, IN recorded timestamptz,
    IN ids uuid[], IN versions bigint[], IN topics text[], IN states bytea[],
    OUT positions bigint[], OUT known_hash bytea, OUT known_answer text
) LANGUAGE plpgsql AS $$
DECLARE
    size CONSTANT int := cardinality(ids);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1095519311, 'ledger_events'::regclass::oid::int);
    IF size = 1 THEN
        positions := ARRAY[nextval('ledger_events_notification_id_seq')];
    ELSE
        positions := ARRAY(SELECT nextval('ledger_events_notification_id_seq') FROM generate_series(1, size));
    END IF;
    IF command IS NOT NULL THEN
        INSERT INTO ledger_receipts (command_id, command_hash, outcome, notification_ids, recorded_at)
        VALUES (
            command, hash,
            CASE WHEN size = 0 THEN answer::jsonb ELSE answer::jsonb || jsonb_build_object('position', positions[size]) END,
            CASE WHEN size = 0 THEN '{}' ELSE ARRAY[positions[1], positions[size]] END,
            recorded
        )
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            positions := '{}';
            SELECT command_hash, outcome::text INTO STRICT known_hash, known_answer
            FROM ledger_receipts WHERE command_id = command;
            RETURN;
        END IF;
    END IF;
    IF size = 1 THEN
        INSERT INTO ledger_events (originator_id, originator_version, topic, state, notification_id)
        VALUES (ids[1], versions[1], topics[1], states[1], positions[1]);
    ELSE
        INSERT INTO ledger_events (originator_id, originator_version, topic, state, notification_id)
        SELECT * FROM unnest(ids, versions, topics, states, positions);
    END IF;
END $$;

-- The highest place below which nothing can appear any more, or NULL where a writer stayed in the way for the whole of
-- the reader's patience. The patience is short because new writers queue behind a waiting reader.
CREATE FUNCTION ledger_settled_head(patience_ms int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    PERFORM pg_advisory_xact_lock(1095519311, 'ledger_events'::regclass::oid::int);
    -- A statement of its own, so that its snapshot is taken after the lock.
    RETURN (SELECT coalesce(max(notification_id), 0) FROM ledger_events);
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;
