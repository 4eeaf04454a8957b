-- All tables of the views from the whole log at once, in plain SQL: what a projector is measured against. It may look
-- at every event at the same time, keeps nothing for the next one, and reads only the facts of the bench's log.

CREATE TEMP TABLE e ON COMMIT DROP AS
SELECT position, version, topic, s, f, (s->>'at')::timestamptz AS at,
    (f->>'fiscal_year')::bigint AS fiscal_year, f->>'product' AS product, f->>'account_id' AS account_id
FROM (
    SELECT notification_id AS position, originator_version AS version, topic, s, s->'fact' AS f
    FROM ledger_events, LATERAL (SELECT convert_from(state, 'UTF8')::jsonb) AS j(s)
) AS stored;
ANALYZE e;

INSERT INTO audit_v0
SELECT position, (s->>'id')::uuid, s->>'stream', version, topic,
    array_remove(ARRAY[s->>'stream'] || CASE topic
        WHEN 'budget_line.AnnualApproved' THEN ARRAY[product, f->>'content_hash']
        WHEN 'budget.Loaded' THEN ARRAY[f->>'fiscal_year', f->>'content_hash']
        WHEN 'account.Vended' THEN ARRAY[account_id]
        WHEN 'account.Changed' THEN ARRAY[account_id]
        WHEN 'account.Allocated' THEN
            ARRAY[account_id] || ARRAY(SELECT share->>'product' FROM jsonb_array_elements(f->'shares') AS share)
        WHEN 'organization.Seen' THEN ARRAY[f->>'organization_id', f->>'management_account_id']
        WHEN 'person.Registered' THEN ARRAY[f->>'person_id']
        WHEN 'person.Granted' THEN ARRAY[f->>'person_id', f->>'node']
        WHEN 'holders.Appointed' THEN ARRAY[(f->>'persona') || '/' || (f->>'node')]
        WHEN 'cost.PeriodImported' THEN ARRAY[f->>'billing_period', f->>'report_version']
        WHEN 'command.Refused' THEN ARRAY[f->>'subject', substr(f->>'subject', strpos(f->>'subject', '/') + 1)]
        ELSE ARRAY[product]
    END || ARRAY[s->>'command'], NULL),
    (s->>'actor')::uuid, (s->>'behalf')::uuid, s->>'channel', (s->>'command')::uuid, coalesce(s->>'workflow', ''),
    coalesce(s->>'run', ''), coalesce(s->>'activity', ''), '{}', '', at, f
FROM e;

INSERT INTO persons_v0
SELECT (f->>'person_id')::uuid, max(at), NULL FROM e WHERE topic = 'person.Registered' GROUP BY 1;

INSERT INTO grants_v0
SELECT f->>'persona', f->>'node', (f->>'person_id')::uuid, max(at) FROM e WHERE topic = 'person.Granted' GROUP BY 1, 2, 3;

INSERT INTO budget_loads_v0
SELECT fiscal_year, version, f->>'mode', f->>'customer', f->>'option', f->>'file_version', f->>'content_hash',
    (f->>'effective_on')::date, f->>'currency', (f->>'products')::bigint, (f->>'total')::numeric,
    coalesce(f->>'added', f->>'products')::bigint, (f->>'changed')::bigint, (f->>'withdrawn')::bigint,
    (s->>'actor')::uuid, at
FROM e WHERE topic = 'budget.Loaded';

INSERT INTO budget_books_v0
SELECT DISTINCT ON (fiscal_year) fiscal_year, f->'labels', f->>'currency', count(*) OVER year,
    sum(coalesce(f->>'added', f->>'products')::bigint) OVER year, at
FROM e WHERE topic = 'budget.Loaded' WINDOW year AS (PARTITION BY fiscal_year) ORDER BY fiscal_year, position DESC;

INSERT INTO budget_lines_v0
SELECT DISTINCT ON (fiscal_year, product) fiscal_year, product, (f->>'annual')::numeric, f->>'currency',
    (f->>'effective_on')::date, false, (f->>'estimated')::numeric, f->>'code', (f->>'owner')::uuid,
    nullif(f->'proposal', '{}'), f->>'content_hash', min(at) OVER line, min(position) OVER line, at
FROM e WHERE topic = 'budget_line.AnnualApproved' WINDOW line AS (PARTITION BY fiscal_year, product)
ORDER BY fiscal_year, product, position DESC;

INSERT INTO hierarchy_v0
SELECT DISTINCT fiscal_year, array_to_string(parts[:level], '/'), level,
    CASE level WHEN 1 THEN '/' ELSE array_to_string(parts[:level - 1], '/') END,
    replace(replace(parts[level], '%2F', '/'), '%25', '%')
FROM (SELECT fiscal_year, string_to_array(product, '/') AS parts FROM budget_lines_v0) AS l, generate_series(1, 4) AS level;

-- Schedules: the last event of each kind, and the submission that the last approval was about.
INSERT INTO schedules_v0
WITH s AS (
    SELECT *, row_number() OVER (PARTITION BY fiscal_year, product ORDER BY position DESC) AS n
    FROM e WHERE topic LIKE 'schedule.%'
),
last AS (SELECT * FROM s WHERE n = 1),
submitted AS (
    SELECT DISTINCT ON (fiscal_year, product) * FROM s WHERE topic = 'schedule.Submitted'
    ORDER BY fiscal_year, product, position DESC
),
decided AS (
    SELECT DISTINCT ON (fiscal_year, product) * FROM s WHERE topic <> 'schedule.Submitted'
    ORDER BY fiscal_year, product, position DESC
),
numbered AS (
    SELECT *, max(position) FILTER (WHERE topic = 'schedule.Submitted') OVER w AS about
    FROM s WINDOW w AS (PARTITION BY fiscal_year, product ORDER BY position)
),
in_force AS (
    SELECT DISTINCT ON (a.fiscal_year, a.product) a.fiscal_year, a.product, b.f->'amounts' AS amounts
    FROM numbered a JOIN e b ON b.position = a.about WHERE a.topic = 'schedule.Approved'
    ORDER BY a.fiscal_year, a.product, a.position DESC
)
SELECT fiscal_year, product,
    CASE l.topic WHEN 'schedule.Submitted' THEN 'PENDING' WHEN 'schedule.Approved' THEN 'APPROVED' ELSE 'REJECTED' END,
    l.version, l.version, l.at, l.position, 1, false, false, NULL, NULL, (b.f->>'annual')::numeric, b.f->>'currency',
    b.f->'amounts', (SELECT sum(value::numeric) FROM jsonb_each_text(b.f->'amounts')), (b.f->>'submitted_by')::uuid,
    (b.f->>'submitted_for')::uuid, b.at, b.f->>'note', i.amounts,
    coalesce((SELECT sum(value::numeric) FROM jsonb_each_text(i.amounts)), 0), (d.f->>'decided_by')::uuid,
    (d.s->>'behalf')::uuid, d.at, coalesce(d.f->>'reason', d.f->>'note', ''), 0, NULL, l.at
FROM last l JOIN submitted b USING (fiscal_year, product)
LEFT JOIN decided d USING (fiscal_year, product) LEFT JOIN in_force i USING (fiscal_year, product);

INSERT INTO accounts_v0
WITH a AS (
    SELECT account_id, min(at) FILTER (WHERE topic = 'account.Vended') AS first_seen_at,
        min(at) FILTER (WHERE topic = 'account.Allocated') AS aligned_at,
        min((f->>'effective_on')::date) AS allocated_since, max(at) AS updated_at
    FROM e WHERE account_id IS NOT NULL GROUP BY 1
),
seen AS (
    SELECT DISTINCT ON (account_id) * FROM e WHERE topic IN ('account.Vended', 'account.Changed')
    ORDER BY account_id, position DESC
),
first AS (
    SELECT DISTINCT ON (account_id) account_id, position, f->>'source' AS source FROM e WHERE topic = 'account.Vended'
    ORDER BY account_id, position
)
SELECT account_id, f->>'name', f->>'email', f->>'state', f->>'joined_method', (f->>'joined_at')::timestamptz,
    f->>'ou_path', f->'tags',
    array_remove(ARRAY['email:' || lower(nullif(btrim(f->>'email'), '')), 'name:' || nullif(btrim(f->>'name'), '')], NULL),
    coalesce(first.source, ''), first_seen_at, first.position, NULL, '', NULL, NULL, aligned_at, allocated_since, 0, NULL,
    NULL, NULL, '', NULL, 0, NULL,
    CASE WHEN f->>'state' = 'CLOSED' THEN 'CLOSED' WHEN f->>'state' IN ('SUSPENDED', 'PENDING_CLOSURE') THEN 'SUSPENDED'
        WHEN allocated_since IS NOT NULL THEN 'ALIGNED' ELSE 'VENDED' END, updated_at
FROM seen JOIN a USING (account_id) JOIN first USING (account_id);

INSERT INTO allocations_v0
WITH entries AS (
    SELECT DISTINCT ON (account_id, (f->>'effective_on')::date) *, (f->>'effective_on')::date AS effective_on
    FROM e WHERE topic = 'account.Allocated' ORDER BY account_id, (f->>'effective_on')::date, position DESC
),
dated AS (SELECT *, lead(effective_on) OVER (PARTITION BY account_id ORDER BY effective_on) AS effective_to FROM entries)
SELECT account_id, effective_on, n - 1, share->>'product', (share->>'percent')::numeric, f->>'account_type', effective_to,
    (f->>'allocated_by')::uuid, f->>'note', coalesce(f->>'basis', 'by hand'), coalesce(f->>'rule', ''),
    coalesce((f->>'proposal')::bigint, 0), at
FROM dated, jsonb_array_elements(f->'shares') WITH ORDINALITY AS shares(share, n);

-- Tasks of schedules, and who has them: the level above where nobody is left.
INSERT INTO tasks_v0
WITH due AS (
    SELECT product, fiscal_year, CASE state WHEN 'PENDING' THEN 'approve_schedule' ELSE 'revise_schedule' END AS kind,
        CASE state WHEN 'PENDING' THEN 'portfolio_owner' ELSE 'product_owner' END AS persona,
        CASE state WHEN 'PENDING' THEN array_to_string((string_to_array(product, '/'))[:3], '/') ELSE product END AS node,
        CASE state WHEN 'PENDING' THEN ARRAY[submitted_by::text] ELSE '{}' END AS not_by, version,
        CASE state WHEN 'PENDING' THEN note ELSE reason END AS detail, since, since_position AS position, true AS timed
    FROM schedules_v0 WHERE state <> 'APPROVED'
    UNION ALL
    SELECT product, fiscal_year, 'submit_schedule', 'product_owner', product, '{}', 0, '', added_at, added_position, false
    FROM budget_lines_v0 LEFT JOIN schedules_v0 s USING (fiscal_year, product) WHERE s.product IS NULL
),
holders AS (SELECT persona, node, array_agg(person_id::text) AS persons FROM grants_v0 GROUP BY 1, 2),
seated AS (
    SELECT d.*, coalesce(h.persons <@ d.not_by, true) AS vacant,
        CASE d.persona WHEN 'portfolio_owner' THEN 'department_owner' ELSE 'portfolio_owner' END AS above_persona,
        regexp_replace(d.node, '/[^/]*$', '') AS above_node
    FROM due d LEFT JOIN holders h USING (persona, node)
)
SELECT s.product, s.fiscal_year, s.kind, s.persona, s.node, s.not_by, vacant, CASE WHEN vacant THEN above_persona END,
    CASE WHEN vacant THEN above_node END, vacant AND (above_persona = 'department_owner' OR h.node IS NULL),
    s.version, s.detail, s.since, s.position, s.timed, 0, false, make_date(s.fiscal_year::int, 12, 31)
FROM seated s LEFT JOIN holders h ON h.persona = above_persona AND h.node = above_node;

INSERT INTO tasks_v0
WITH admins AS (SELECT count(*) = 0 AS none_left FROM grants_v0 WHERE persona = 'financial_admin' AND node = '/')
SELECT account_id, 0, 'allocate_account', 'financial_admin', '/', '{}'::text[], none_left,
    CASE WHEN none_left THEN 'cloud_engineer' END, CASE WHEN none_left THEN '/' END, false, 0, name, first_seen_at,
    first_seen_position, false, 0, false, NULL::date
FROM accounts_v0 CROSS JOIN admins
WHERE allocated_since IS NULL AND state NOT IN ('CLOSED', 'SUSPENDED', 'PENDING_CLOSURE');

-- The bench's log has one payer, and no adjustments, restatements, claims or choices of a metric.
INSERT INTO cost_versions_v0
SELECT (f->>'billing_period' || '-01')::date, f->>'payer_account_id', f->>'report_version', row_number() OVER period,
    coalesce(lag(f->>'report_version') OVER period, ''), f->>'source', f->>'manifest_hash', f->>'format', f->>'engine',
    f->>'currency', (f->>'lines')::bigint, (f->>'rows')::bigint,
    jsonb_build_object('unblended', f->'totals') || (f->'metric_totals'), (f->>'upfront')::numeric,
    (f->>'true_up')::numeric, f->'unclassified', (f->>'split_lines')::bigint, f->'invoices', false, NULL, 0, position, at
FROM e WHERE topic = 'cost.PeriodImported'
WINDOW period AS (PARTITION BY f->>'billing_period', f->>'payer_account_id' ORDER BY position);

INSERT INTO cost_periods_v0
SELECT DISTINCT ON (billing_period, payer_account_id) billing_period, payer_account_id,
    extract(year FROM billing_period)::bigint, source, report_version, report_version, format, currency, lines, totals,
    (SELECT coalesce(sum(value::numeric), 0) FROM jsonb_each_text(totals->'unblended')), false, '', ordinal, imported_at
FROM cost_versions_v0 ORDER BY billing_period, payer_account_id, ordinal DESC;

CREATE TEMP TABLE in_force ON COMMIT DROP AS
SELECT r.*, payer_account_id, coalesce(r.amortized, r.unblended) AS a, coalesce(r.net_unblended, r.unblended) AS nu,
    coalesce(r.net_amortized, r.unblended) AS na
FROM cost_rows r JOIN cost_periods_v0 USING (billing_period, report_version);

INSERT INTO monthly_actuals_v0
SELECT billing_period, payer_account_id, account_id, service, charge_type, sum(unblended), sum(a), sum(nu), sum(na)
FROM in_force GROUP BY 1, 2, 3, 4, 5;

INSERT INTO daily_spend_v0
SELECT account_id, billing_period,
    least(greatest(usage_date, billing_period), (billing_period + interval '1 month - 1 day')::date), payer_account_id,
    sum(unblended), sum(a), sum(nu), sum(na)
FROM in_force GROUP BY 1, 2, 3, 4;

-- By account, day and metric: largest remainder, ties to the first; what is finer than a cent goes to the heaviest share.
INSERT INTO daily_shares_v0
WITH amounts AS (
    SELECT d.account_id, d.billing_period, d.day, coalesce(a.product, '') AS product, a.ordinal,
        coalesce(a.percent, 100) * 10000 AS weight, metric, amount,
        CASE WHEN mod(amount * 100, 2) IN (0.5, -0.5) THEN trunc(amount, 2) ELSE round(amount, 2) END AS whole
    FROM daily_spend_v0 d LEFT JOIN allocations_v0 a
        ON a.account_id = d.account_id AND d.day >= a.effective_on AND (a.effective_to IS NULL OR d.day < a.effective_to),
    LATERAL (VALUES (1, unblended), (2, amortized), (3, net_unblended), (4, net_amortized)) AS m(metric, amount)
),
ranked AS (
    SELECT *, div(abs(whole) * 100 * weight, 1000000) AS share,
        abs(whole) * 100 - sum(div(abs(whole) * 100 * weight, 1000000)) OVER w AS extra,
        row_number() OVER (w ORDER BY mod(abs(whole) * 100 * weight, 1000000) DESC, ordinal) AS rank,
        row_number() OVER (w ORDER BY weight DESC, ordinal) = 1 AS heaviest
    FROM amounts WINDOW w AS (PARTITION BY account_id, day, metric)
),
parts AS (
    SELECT *, sign(whole) * (share + (rank <= extra)::int) * 0.01 + CASE WHEN heaviest THEN amount - whole ELSE 0 END AS part
    FROM ranked
)
SELECT account_id, billing_period, day, product, '', sum(part) FILTER (WHERE metric = 1),
    sum(part) FILTER (WHERE metric = 2), sum(part) FILTER (WHERE metric = 3), sum(part) FILTER (WHERE metric = 4)
FROM parts GROUP BY 1, 2, 3, 4 HAVING bool_or(part <> 0);

INSERT INTO account_shares_v0
SELECT account_id, billing_period, product, extract(year FROM billing_period)::bigint, sum(unblended)
FROM daily_shares_v0 WHERE product <> '' GROUP BY 1, 2, 3 HAVING sum(unblended) <> 0;

INSERT INTO unallocated_spend_v0
SELECT account_id, billing_period, extract(year FROM billing_period)::bigint, sum(unblended),
    min(day) FILTER (WHERE unblended <> 0)
FROM daily_shares_v0 WHERE product = '' GROUP BY 1, 2 HAVING sum(unblended) <> 0;

CREATE TEMP TABLE months ON COMMIT DROP AS
SELECT fiscal_year, product, month, count(*) AS parts, sum(planned) AS planned, sum(actual) AS actual
FROM (
    SELECT fiscal_year, product, key AS month, value::numeric AS planned, 0 AS actual
    FROM schedules_v0, jsonb_each_text(approved)
    UNION ALL SELECT fiscal_year, product, to_char(billing_period, 'YYYY-MM'), 0, amount FROM account_shares_v0
) AS contributions GROUP BY 1, 2, 3;

INSERT INTO rollup_months_v0
SELECT fiscal_year, path, month, sum(parts), sum(planned), sum(actual)
FROM months, LATERAL (
    SELECT CASE level WHEN 0 THEN '/' ELSE array_to_string((string_to_array(product, '/'))[:level], '/') END
    FROM generate_series(0, 4) AS level
) AS lineage(path) GROUP BY 1, 2, 3;

INSERT INTO rollup_v0
SELECT fiscal_year, path, level,
    CASE level WHEN 0 THEN '' WHEN 1 THEN '/' ELSE array_to_string((string_to_array(path, '/'))[:level - 1], '/') END,
    sum(parts), sum(lines), sum(approved), sum(annual), sum(planned), sum(actual)
FROM (
    SELECT fiscal_year, product, 1 AS parts, 1 AS lines, 0 AS approved, annual, 0 AS planned, 0 AS actual
    FROM budget_lines_v0
    UNION ALL SELECT fiscal_year, product, 0, 0, 1, 0, 0, 0 FROM schedules_v0 WHERE approved IS NOT NULL
    UNION ALL SELECT fiscal_year, product, sum(parts), 0, 0, 0, sum(planned), sum(actual) FROM months GROUP BY 1, 2
) AS contributions, LATERAL (
    SELECT level, CASE level WHEN 0 THEN '/' ELSE array_to_string((string_to_array(product, '/'))[:level], '/') END
    FROM generate_series(0, 4) AS level
) AS lineage(level, path) GROUP BY 1, 2, 3;
