-- The tables of the views and the names under which they are read, for a database that has folded nothing yet.
-- One that is in use keeps what it shows until `allot view rebuild` makes its next generation.
-- Written by `views.generations.migration`.

DO $$
DECLARE old_table text;
BEGIN

LOCK TABLE view_generations IN ACCESS EXCLUSIVE MODE;
IF (SELECT count(*) FROM view_generations WHERE generation = 3 AND position = 0) <> 1
    OR (SELECT count(*) FROM view_generations) <> 1 THEN
    RETURN;
END IF;

FOR old_table IN
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relname ~ '_v3$' AND relnamespace = current_schema()::regnamespace
LOOP
    EXECUTE format('DROP TABLE %I CASCADE', old_table);
END LOOP;
DELETE FROM view_generations;

CREATE TABLE persons_v4 (
    person_id uuid NOT NULL,
    registered_at timestamptz NOT NULL,
    deactivated_at timestamptz,
    PRIMARY KEY (person_id)
);

CREATE TABLE grants_v4 (
    persona text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    person_id uuid NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (persona, node, person_id)
);

CREATE INDEX ON grants_v4 (person_id);

CREATE TABLE delegations_v4 (
    person_id uuid NOT NULL,
    delegated_by uuid NOT NULL,
    version bigint NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    note text COLLATE "C" NOT NULL,
    delegated_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (person_id, delegated_by, version)
);

CREATE INDEX ON delegations_v4 (delegated_by);

CREATE TABLE budget_books_v4 (
    fiscal_year bigint NOT NULL,
    labels jsonb NOT NULL,
    currency text COLLATE "C" NOT NULL,
    loads bigint NOT NULL,
    products bigint NOT NULL,
    loaded_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year)
);

CREATE TABLE budget_loads_v4 (
    fiscal_year bigint NOT NULL,
    ordinal bigint NOT NULL,
    mode text COLLATE "C" NOT NULL,
    customer text COLLATE "C" NOT NULL,
    option text COLLATE "C" NOT NULL,
    file_version text COLLATE "C" NOT NULL,
    content_hash text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    currency text COLLATE "C" NOT NULL,
    products bigint NOT NULL,
    total numeric(60,18) NOT NULL,
    added bigint NOT NULL,
    changed bigint NOT NULL,
    withdrawn bigint NOT NULL,
    loaded_by uuid NOT NULL,
    loaded_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year, ordinal)
);

CREATE TABLE budget_lines_v4 (
    fiscal_year bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    annual numeric(60,18) NOT NULL,
    currency text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    withdrawn boolean NOT NULL,
    estimated numeric(60,18),
    code text COLLATE "C" NOT NULL,
    owner uuid,
    proposal jsonb,
    content_hash text COLLATE "C" NOT NULL,
    added_at timestamptz NOT NULL,
    added_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year, product)
);

CREATE INDEX ON budget_lines_v4 (code, fiscal_year) WHERE code <> '';

CREATE TABLE hierarchy_v4 (
    fiscal_year bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    parent text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (fiscal_year, path)
);

CREATE INDEX ON hierarchy_v4 (fiscal_year, parent);

CREATE TABLE schedules_v4 (
    fiscal_year bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    turn bigint NOT NULL,
    since timestamptz NOT NULL,
    since_position bigint NOT NULL,
    round bigint NOT NULL,
    attached boolean NOT NULL,
    returned boolean NOT NULL,
    over_budget_since timestamptz,
    over_budget_position bigint,
    annual numeric(60,18) NOT NULL,
    currency text COLLATE "C" NOT NULL,
    submitted jsonb NOT NULL,
    submitted_total numeric(60,18) NOT NULL,
    submitted_by uuid NOT NULL,
    submitted_for uuid,
    submitted_at timestamptz NOT NULL,
    note text COLLATE "C" NOT NULL,
    approved jsonb,
    planned numeric(60,18) NOT NULL,
    decided_by uuid,
    decided_for uuid,
    decided_at timestamptz,
    reason text COLLATE "C" NOT NULL,
    reminders bigint NOT NULL,
    escalated_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year, product)
);

CREATE TABLE closed_months_v4 (
    fiscal_year bigint NOT NULL,
    month text COLLATE "C" NOT NULL,
    closed_by uuid NOT NULL,
    closed_at timestamptz NOT NULL,
    note text COLLATE "C" NOT NULL,
    PRIMARY KEY (fiscal_year, month)
);

CREATE TABLE accounts_v4 (
    account_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    joined_method text COLLATE "C" NOT NULL,
    joined_at timestamptz,
    ou_path text COLLATE "C" NOT NULL,
    tags jsonb,
    keys text[] NOT NULL,
    source text COLLATE "C" NOT NULL,
    first_seen_at timestamptz,
    first_seen_position bigint,
    departed_at timestamptz,
    departed_how text COLLATE "C" NOT NULL,
    first_billed_on date,
    billed_at timestamptz,
    aligned_at timestamptz,
    allocated_since date,
    occasion bigint NOT NULL,
    open_reason text COLLATE "C",
    opened_at timestamptz,
    opened_position bigint,
    ended_reason text COLLATE "C" NOT NULL,
    proposal jsonb,
    reminders bigint NOT NULL,
    escalated_at timestamptz,
    lifecycle text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id)
);

CREATE INDEX ON accounts_v4 USING gin (keys);

CREATE INDEX ON accounts_v4 (opened_position) WHERE open_reason IS NOT NULL;

CREATE TABLE allocations_v4 (
    account_id text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    ordinal bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    percent numeric(60,18) NOT NULL,
    account_type text COLLATE "C" NOT NULL,
    effective_to date,
    allocated_by uuid NOT NULL,
    note text COLLATE "C" NOT NULL,
    basis text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    proposal bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, effective_on, ordinal)
);

CREATE INDEX ON allocations_v4 (product);

CREATE TABLE expected_accounts_v4 (
    key text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    account_type text COLLATE "C" NOT NULL,
    shares jsonb NOT NULL,
    registered_by uuid NOT NULL,
    registered_at timestamptz NOT NULL,
    note text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    appeared_at timestamptz,
    reason text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (key)
);

CREATE INDEX ON expected_accounts_v4 (status, registered_at);

CREATE INDEX ON expected_accounts_v4 (account_id);

CREATE TABLE account_rule_sets_v4 (
    version bigint NOT NULL,
    rules bigint NOT NULL,
    set_by uuid NOT NULL,
    set_at timestamptz NOT NULL,
    note text COLLATE "C" NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE account_rules_v4 (
    version bigint NOT NULL,
    ordinal bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    rule jsonb NOT NULL,
    PRIMARY KEY (version, ordinal)
);

CREATE TABLE account_troubles_v4 (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    account_name text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    excerpt text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE INDEX ON account_troubles_v4 (position);

CREATE TABLE tasks_v4 (
    subject text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    persona text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    not_by text[] NOT NULL,
    vacant boolean NOT NULL,
    above_persona text COLLATE "C",
    above_node text COLLATE "C",
    to_admins boolean NOT NULL,
    version bigint NOT NULL,
    detail text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    position bigint NOT NULL,
    timed boolean NOT NULL,
    reminders bigint NOT NULL,
    escalated boolean NOT NULL,
    until date,
    PRIMARY KEY (subject, fiscal_year)
);

CREATE INDEX ON tasks_v4 (persona, node, position);

CREATE INDEX ON tasks_v4 (above_node, position) WHERE above_node IS NOT NULL;

CREATE INDEX ON tasks_v4 (fiscal_year, position) WHERE to_admins;

CREATE INDEX ON tasks_v4 (fiscal_year, position);

CREATE TABLE claims_v4 (
    account_id text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    since date NOT NULL,
    until date,
    product text COLLATE "C" NOT NULL,
    workload text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, resource, since)
);

CREATE TABLE cost_periods_v4 (
    billing_period date NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    report_version text COLLATE "C" NOT NULL,
    shown_version text COLLATE "C" NOT NULL,
    format text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    lines bigint NOT NULL,
    totals jsonb NOT NULL,
    total numeric(60,18) NOT NULL,
    is_final boolean NOT NULL,
    final_version text COLLATE "C" NOT NULL,
    versions bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (billing_period, payer_account_id)
);

CREATE TABLE cost_versions_v4 (
    billing_period date NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    report_version text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    replaced text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    manifest_hash text COLLATE "C" NOT NULL,
    format text COLLATE "C" NOT NULL,
    engine text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    lines bigint NOT NULL,
    rows bigint NOT NULL,
    totals jsonb NOT NULL,
    upfront numeric(60,18) NOT NULL,
    true_up numeric(60,18) NOT NULL,
    unclassified jsonb NOT NULL,
    split_lines bigint NOT NULL,
    invoices jsonb NOT NULL,
    is_final boolean NOT NULL,
    booked_in date,
    restated bigint NOT NULL,
    position bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (billing_period, payer_account_id, report_version)
);

CREATE TABLE cost_restatements_v4 (
    billing_period date NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    report_version text COLLATE "C" NOT NULL,
    replaced text COLLATE "C" NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    first_changed date NOT NULL,
    last_changed date NOT NULL,
    adjustment boolean NOT NULL,
    booked_in date,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (billing_period, account_id, payer_account_id, report_version)
);

CREATE TABLE cost_metrics_v4 (
    fiscal_year bigint NOT NULL,
    metric text COLLATE "C" NOT NULL,
    note text COLLATE "C" NOT NULL,
    chosen_by uuid NOT NULL,
    chosen_at timestamptz NOT NULL,
    PRIMARY KEY (fiscal_year)
);

CREATE TABLE monthly_actuals_v4 (
    billing_period date NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    service text COLLATE "C" NOT NULL,
    charge_type text COLLATE "C" NOT NULL,
    unblended numeric(60,18) NOT NULL,
    amortized numeric(60,18) NOT NULL,
    net_unblended numeric(60,18) NOT NULL,
    net_amortized numeric(60,18) NOT NULL,
    PRIMARY KEY (billing_period, payer_account_id, account_id, service, charge_type)
);

CREATE TABLE daily_spend_v4 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    day date NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    unblended numeric(60,18) NOT NULL,
    amortized numeric(60,18) NOT NULL,
    net_unblended numeric(60,18) NOT NULL,
    net_amortized numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, billing_period, day, payer_account_id)
);

CREATE INDEX ON daily_spend_v4 (billing_period, account_id);

CREATE TABLE cost_adjustments_v4 (
    account_id text COLLATE "C" NOT NULL,
    booked_in date NOT NULL,
    billing_period date NOT NULL,
    payer_account_id text COLLATE "C" NOT NULL,
    report_version text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    unblended numeric(60,18) NOT NULL,
    amortized numeric(60,18) NOT NULL,
    net_unblended numeric(60,18) NOT NULL,
    net_amortized numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, booked_in, billing_period, payer_account_id, report_version)
);

CREATE INDEX ON cost_adjustments_v4 (billing_period, payer_account_id);

CREATE TABLE daily_shares_v4 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    day date NOT NULL,
    product text COLLATE "C" NOT NULL,
    workload text COLLATE "C" NOT NULL,
    unblended numeric(60,18) NOT NULL,
    amortized numeric(60,18) NOT NULL,
    net_unblended numeric(60,18) NOT NULL,
    net_amortized numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, billing_period, day, product, workload)
);

CREATE TABLE account_shares_v4 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    product text COLLATE "C" NOT NULL,
    fiscal_year bigint NOT NULL,
    amount numeric(60,18) NOT NULL,
    PRIMARY KEY (account_id, billing_period, product)
);

CREATE INDEX ON account_shares_v4 (fiscal_year, product);

CREATE TABLE unallocated_spend_v4 (
    account_id text COLLATE "C" NOT NULL,
    billing_period date NOT NULL,
    fiscal_year bigint NOT NULL,
    amount numeric(60,18) NOT NULL,
    since date NOT NULL,
    PRIMARY KEY (account_id, billing_period)
);

CREATE TABLE audit_v4 (
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
    policies text[] NOT NULL,
    policy_version text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    fact jsonb NOT NULL,
    PRIMARY KEY (position)
);

CREATE INDEX ON audit_v4 USING gin (subjects);

CREATE TABLE rollup_v4 (
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

CREATE INDEX ON rollup_v4 (fiscal_year, level);

CREATE TABLE rollup_months_v4 (
    fiscal_year bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    parts bigint NOT NULL,
    planned numeric(60,18) NOT NULL,
    actual numeric(60,18) NOT NULL,
    PRIMARY KEY (fiscal_year, path, month)
);

CREATE VIEW persons AS SELECT * FROM persons_v4;

CREATE VIEW grants AS SELECT * FROM grants_v4;

CREATE VIEW delegations AS SELECT * FROM delegations_v4;

CREATE VIEW budget_books AS SELECT * FROM budget_books_v4;

CREATE VIEW budget_loads AS SELECT * FROM budget_loads_v4;

CREATE VIEW budget_lines AS SELECT * FROM budget_lines_v4;

CREATE VIEW hierarchy AS SELECT * FROM hierarchy_v4;

CREATE VIEW schedules AS SELECT * FROM schedules_v4;

CREATE VIEW closed_months AS SELECT * FROM closed_months_v4;

CREATE VIEW accounts AS SELECT * FROM accounts_v4;

CREATE VIEW allocations AS SELECT * FROM allocations_v4;

CREATE VIEW expected_accounts AS SELECT * FROM expected_accounts_v4;

CREATE VIEW account_rule_sets AS SELECT * FROM account_rule_sets_v4;

CREATE VIEW account_rules AS SELECT * FROM account_rules_v4;

CREATE VIEW account_troubles AS SELECT * FROM account_troubles_v4;

CREATE VIEW tasks AS SELECT * FROM tasks_v4;

CREATE VIEW claims AS SELECT * FROM claims_v4;

CREATE VIEW cost_periods AS SELECT * FROM cost_periods_v4;

CREATE VIEW cost_versions AS SELECT * FROM cost_versions_v4;

CREATE VIEW cost_restatements AS SELECT * FROM cost_restatements_v4;

CREATE VIEW cost_metrics AS SELECT * FROM cost_metrics_v4;

CREATE VIEW monthly_actuals AS SELECT * FROM monthly_actuals_v4;

CREATE VIEW daily_spend AS SELECT * FROM daily_spend_v4;

CREATE VIEW cost_adjustments AS SELECT * FROM cost_adjustments_v4;

CREATE VIEW daily_shares AS SELECT * FROM daily_shares_v4;

CREATE VIEW account_shares AS SELECT * FROM account_shares_v4;

CREATE VIEW unallocated_spend AS SELECT * FROM unallocated_spend_v4;

CREATE VIEW audit AS SELECT * FROM audit_v4;

CREATE VIEW rollup AS SELECT * FROM rollup_v4;

CREATE VIEW rollup_months AS SELECT * FROM rollup_months_v4;

INSERT INTO view_generations (generation, position, live, definition)
    VALUES (4, 0, true, '77db3189d05e5b6a');

END $$;
