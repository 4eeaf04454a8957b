-- The first generation of the views' tables, and the names under which they are read.
-- Written by `views.generations.initial_migration`; the next generations are made by `allot view rebuild`.

CREATE TABLE persons_v1 (
    person_id uuid NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (person_id)
);

CREATE TABLE grants_v1 (
    person_id uuid NOT NULL,
    persona text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, persona, node)
);

CREATE INDEX ON grants_v1 (persona, node);

CREATE TABLE budget_books_v1 (
    fiscal_year bigint NOT NULL,
    labels jsonb NOT NULL,
    customer text COLLATE "C" NOT NULL,
    option text COLLATE "C" NOT NULL,
    file_version text COLLATE "C" NOT NULL,
    content_hash text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    currency text COLLATE "C" NOT NULL,
    products bigint NOT NULL,
    total numeric(60,18) NOT NULL,
    loaded_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year)
);

CREATE TABLE budget_lines_v1 (
    fiscal_year bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    annual numeric(60,18) NOT NULL,
    currency text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    estimated numeric(60,18),
    code text COLLATE "C" NOT NULL,
    owner uuid,
    proposal jsonb,
    content_hash text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year, product)
);

CREATE TABLE hierarchy_v1 (
    fiscal_year bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    parent text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (fiscal_year, path)
);

CREATE INDEX ON hierarchy_v1 (fiscal_year, parent);

CREATE TABLE schedules_v1 (
    fiscal_year bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    round bigint NOT NULL,
    annual numeric(60,18) NOT NULL,
    currency text COLLATE "C" NOT NULL,
    submitted jsonb NOT NULL,
    submitted_total numeric(60,18) NOT NULL,
    submitted_by uuid NOT NULL,
    submitted_at timestamptz NOT NULL,
    note text COLLATE "C" NOT NULL,
    approved jsonb,
    planned numeric(60,18) NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    reason text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year, product)
);

CREATE TABLE accounts_v1 (
    account_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    joined_method text COLLATE "C" NOT NULL,
    joined_at timestamptz NOT NULL,
    ou_path text COLLATE "C" NOT NULL,
    tags jsonb,
    first_seen_at timestamptz NOT NULL,
    aligned_at timestamptz,
    allocated_since date,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id)
);

CREATE TABLE allocations_v1 (
    account_id text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    ordinal bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    percent numeric(60,18) NOT NULL,
    account_type text COLLATE "C" NOT NULL,
    effective_to date,
    allocated_by uuid NOT NULL,
    note text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, effective_on, ordinal)
);

CREATE INDEX ON allocations_v1 (product);

CREATE TABLE tasks_v1 (
    subject text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    persona text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    not_by uuid,
    version bigint NOT NULL,
    detail text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (subject, fiscal_year)
);

CREATE INDEX ON tasks_v1 (since, position);

CREATE TABLE cost_periods_v1 (
    billing_period date NOT NULL,
    fiscal_year bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    report_version text COLLATE "C" NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    manifest_hash text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    lines bigint NOT NULL,
    rows bigint NOT NULL,
    totals jsonb NOT NULL,
    total numeric(60,18) NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (billing_period)
);

CREATE TABLE monthly_actuals_v1 (
    billing_period date NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    service text COLLATE "C" NOT NULL,
    charge_type text COLLATE "C" NOT NULL,
    amount numeric(60,18) NOT NULL,
    PRIMARY KEY (billing_period, account_id, service, charge_type)
);

CREATE TABLE daily_spend_v1 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    day date NOT NULL,
    amount numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, billing_period, day)
);

CREATE INDEX ON daily_spend_v1 (billing_period, account_id);

CREATE TABLE account_shares_v1 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    product text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    amount numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, billing_period, product)
);

CREATE INDEX ON account_shares_v1 (fiscal_year, product);

CREATE TABLE unallocated_spend_v1 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    fiscal_year bigint NOT NULL,
    amount numeric(60,18) NOT NULL,
    since date NOT NULL,
    PRIMARY KEY (account_id, billing_period)
);

CREATE TABLE audit_v1 (
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    stream text COLLATE "C" NOT NULL,
    stream_version bigint NOT NULL,
    fact_name text COLLATE "C" NOT NULL,
    subjects text[] NOT NULL,
    actor uuid NOT NULL,
    on_behalf_of uuid,
    channel text COLLATE "C" NOT NULL,
    command_id uuid NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    workflow_run_id text COLLATE "C" NOT NULL,
    activity_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    fact jsonb NOT NULL,
    PRIMARY KEY (position)
);

CREATE INDEX ON audit_v1 USING gin (subjects);

CREATE TABLE rollup_v1 (
    fiscal_year bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    parent text COLLATE "C" NOT NULL,
    parts bigint NOT NULL,
    lines bigint NOT NULL,
    approved bigint NOT NULL,
    annual numeric(60,18) NOT NULL,
    planned numeric(60,18) NOT NULL,
    actual numeric(60,18) NOT NULL,
    PRIMARY KEY (fiscal_year, path)
);

CREATE INDEX ON rollup_v1 (fiscal_year, parent);

CREATE TABLE rollup_months_v1 (
    fiscal_year bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    parts bigint NOT NULL,
    planned numeric(60,18) NOT NULL,
    actual numeric(60,18) NOT NULL,
    PRIMARY KEY (fiscal_year, path, month)
);

CREATE VIEW persons AS SELECT * FROM persons_v1;

CREATE VIEW grants AS SELECT * FROM grants_v1;

CREATE VIEW budget_books AS SELECT * FROM budget_books_v1;

CREATE VIEW budget_lines AS SELECT * FROM budget_lines_v1;

CREATE VIEW hierarchy AS SELECT * FROM hierarchy_v1;

CREATE VIEW schedules AS SELECT * FROM schedules_v1;

CREATE VIEW accounts AS SELECT * FROM accounts_v1;

CREATE VIEW allocations AS SELECT * FROM allocations_v1;

CREATE VIEW tasks AS SELECT * FROM tasks_v1;

CREATE VIEW cost_periods AS SELECT * FROM cost_periods_v1;

CREATE VIEW monthly_actuals AS SELECT * FROM monthly_actuals_v1;

CREATE VIEW daily_spend AS SELECT * FROM daily_spend_v1;

CREATE VIEW account_shares AS SELECT * FROM account_shares_v1;

CREATE VIEW unallocated_spend AS SELECT * FROM unallocated_spend_v1;

CREATE VIEW audit AS SELECT * FROM audit_v1;

CREATE VIEW rollup AS SELECT * FROM rollup_v1;

CREATE VIEW rollup_months AS SELECT * FROM rollup_months_v1;

CREATE TABLE view_generations (
    generation bigint PRIMARY KEY,
    position bigint NOT NULL,
    live boolean NOT NULL,
    definition text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX view_generations_one_live ON view_generations (live) WHERE live;

INSERT INTO view_generations (generation, position, live, definition)
    VALUES (1, 0, true, '95616d1175956979');
