-- Cost rows: measurements, not events. Each version of a report has its own rows; which version a billing period's
-- figures come from is said by the ledger alone (cost.PeriodImported), so rows of any other version are never seen.

CREATE TABLE cost_rows (
    billing_period date NOT NULL,
    report_version text NOT NULL,
    account_id text NOT NULL,
    service text NOT NULL,
    charge_type text NOT NULL,
    usage_date date NOT NULL,
    unblended_cost numeric(38, 18) NOT NULL
) PARTITION BY LIST (billing_period);
CREATE INDEX cost_rows_idx ON cost_rows (billing_period, report_version, account_id, usage_date);

COMMENT ON TABLE cost_rows IS 'Account × service × charge type × day of one report version; a partition for each billing period';
COMMENT ON COLUMN cost_rows.billing_period IS 'First day of the month that the report is for';
COMMENT ON COLUMN cost_rows.report_version IS 'Assembly id (legacy CUR) or execution id (Data Exports)';
COMMENT ON COLUMN cost_rows.usage_date IS 'UTC; a fee or tax may lie outside of its billing period';
