-- Four metrics side by side (domain/cost_metric.py). Rows of versions that were imported before have the unblended cost
-- alone, which is what all four then say.

ALTER TABLE cost_rows RENAME COLUMN unblended_cost TO unblended;
ALTER TABLE cost_rows ADD COLUMN amortized numeric(38, 18);
ALTER TABLE cost_rows ADD COLUMN net_unblended numeric(38, 18);
ALTER TABLE cost_rows ADD COLUMN net_amortized numeric(38, 18);

COMMENT ON COLUMN cost_rows.amortized IS 'NULL, as the two after it, in versions imported before there was more than one metric: take unblended';
COMMENT ON COLUMN cost_rows.charge_type IS 'One of the closed table (domain/charge_type.py), or unclassified';

-- What claimed resources cost, by day: part of what cost_rows says of their accounts, never on top of it.
CREATE TABLE claimed_cost_rows (
    billing_period date NOT NULL,
    report_version text NOT NULL,
    account_id text NOT NULL,
    resource text NOT NULL,
    usage_date date NOT NULL,
    unblended numeric(38, 18) NOT NULL,
    amortized numeric(38, 18) NOT NULL,
    net_unblended numeric(38, 18) NOT NULL,
    net_amortized numeric(38, 18) NOT NULL,
    PRIMARY KEY (billing_period, report_version, account_id, resource, usage_date)
);

COMMENT ON TABLE claimed_cost_rows IS 'Account × resource × day of one report version, of resources that were ever claimed';
COMMENT ON COLUMN claimed_cost_rows.resource IS 'Resource key, as in the cost mart (domain/resource_key.py)';
