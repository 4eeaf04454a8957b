-- The outbox of notifications: what is to be told to whom through which channel, and what became of it. Not a view: a
-- rebuild leaves it alone, so that nobody is told twice.

CREATE TABLE notification_channels (
    channel text PRIMARY KEY,
    position bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    failures int NOT NULL DEFAULT 0,
    failing_since timestamptz,
    last_error text NOT NULL DEFAULT '',
    last_sent_at timestamptz,
    resume_at timestamptz
);
COMMENT ON TABLE notification_channels IS 'How far each channel has followed the log, and whether it works';
COMMENT ON COLUMN notification_channels.position IS 'Log position up to which the outbox has been filled for it';
COMMENT ON COLUMN notification_channels.failures IS 'Attempts in a row that failed';
COMMENT ON COLUMN notification_channels.resume_at IS 'Nothing is tried before; NULL while the channel works';

CREATE TABLE notification_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL REFERENCES notification_channels,
    event_id uuid NOT NULL,
    recipient text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'failed', 'skipped')),
    attempts int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    UNIQUE (event_id, channel, recipient)
);
CREATE INDEX notification_outbox_due_idx ON notification_outbox (channel, next_try_at, id) WHERE status = 'pending';
CREATE INDEX notification_outbox_done_idx ON notification_outbox (channel, status, created_at);
COMMENT ON COLUMN notification_outbox.recipient IS 'A person_id, or ''room'' for a channel that many read; never an address';
COMMENT ON COLUMN notification_outbox.kind IS 'Name of the fact, or ''test''';
