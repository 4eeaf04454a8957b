-- The directory of people: the one place where names and addresses are. Events carry person_id only.

CREATE TABLE people (
    person_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX people_email_idx ON people (lower(email));
COMMENT ON TABLE people IS 'Personal data; never copied into events, logs or Temporal histories';
