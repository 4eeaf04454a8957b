-- Appends that hold only while everything that their decision read is still so.
--
-- The unique key over stream and version keeps two decisions from writing the same version of one stream. It does not
-- see two that each read what the other one writes. For that, whoever writes to a stream locks its bucket alone, whoever
-- only read it shares that lock, and then looks again: whichever of the two comes second sees what the first has done.

-- Whether one of these streams ends elsewhere than where it was seen to end: last version, place in the log, SHA-256 of
-- the state. Version 0 stands for a stream without events. VOLATILE, so that it sees what is committed now.
CREATE FUNCTION ledger_moved(ids uuid[], versions bigint[], positions bigint[], digests bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- LATERAL with LIMIT: by key for each stream, whatever the planner believes about the size of the table.
    RETURN EXISTS (
        SELECT FROM unnest(ids, versions, positions, digests) AS seen (id, version, place, digest)
        LEFT JOIN LATERAL (
            SELECT originator_version, notification_id, state FROM ledger_events
            WHERE originator_id = seen.id ORDER BY originator_version DESC LIMIT 1
        ) AS latest ON true
        WHERE originator_version IS DISTINCT FROM nullif(seen.version, 0)
            OR notification_id <> seen.place OR sha256(state) <> seen.digest
    );
END $$;

-- Locks the buckets of these streams until the end of the transaction: alone for those that are written, shared for those
-- that are only read; in the order of their numbers, so that no two wait for one another. There are few buckets because
-- the server's table of locks is small. A bucket's number is the second half of the lock's key, the table's the first.
CREATE FUNCTION ledger_lock_streams(written uuid[], seen uuid[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    buckets CONSTANT int := 1024;
BEGIN
    PERFORM CASE
        WHEN alone THEN pg_advisory_xact_lock('ledger_events'::regclass::oid::int, bucket)
        ELSE pg_advisory_xact_lock_shared('ledger_events'::regclass::oid::int, bucket)
    END FROM (
        SELECT bucket, bool_or(is_written) AS alone FROM (
            SELECT uuid_hash(id) & (buckets - 1) AS bucket, true AS is_written FROM unnest(written) AS id
            UNION ALL SELECT uuid_hash(id) & (buckets - 1), false FROM unnest(seen) AS id
        ) AS streams GROUP BY bucket ORDER BY bucket
    ) AS in_order;
END $$;

-- As before, whole or not at all and in one statement, and only if every stream that the decision has seen still ends
-- where it was seen to end; else positions are NULL, and nothing is recorded.
--
-- Locks are taken in one order by all: that of the log, shared (whoever takes it alone takes no other); the buckets; the
-- keys of the receipt and of the events. Numbers are drawn with the buckets locked, so of two decisions where one relies
-- on what the other changes, the log has that one first which was taken first.
CREATE FUNCTION ledger_append(
    IN command uuid, IN hash bytea, IN answer text, IN recorded timestamptz,
    IN ids uuid[], IN versions bigint[], IN topics text[], IN states bytea[],
    IN seen_ids uuid[], IN seen_versions bigint[], IN seen_positions bigint[], IN seen_digests bytea[],
    OUT positions bigint[], OUT known_hash bytea, OUT known_answer text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    size CONSTANT int := cardinality(ids);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1095519311, 'ledger_events'::regclass::oid::int);
    PERFORM ledger_lock_streams(ids, seen_ids);
    IF cardinality(seen_ids) > 0 AND ledger_moved(seen_ids, seen_versions, seen_positions, seen_digests) THEN
        RETURN;
    END IF;
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

-- For workers of the version before, which may still be running: they confirm nothing, but nobody is confirmed against
-- what they write either.
CREATE OR REPLACE FUNCTION ledger_append(
    IN command uuid, IN hash bytea, IN answer text, IN recorded timestamptz,
    IN ids uuid[], IN versions bigint[], IN topics text[], IN states bytea[],
    OUT positions bigint[], OUT known_hash bytea, OUT known_answer text
) LANGUAGE sql VOLATILE AS $$
    SELECT positions, known_hash, known_answer FROM
    ledger_append(command, hash, answer, recorded, ids, versions, topics, states, '{}', '{}', '{}', '{}')
$$;
