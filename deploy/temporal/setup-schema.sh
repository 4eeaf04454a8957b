#!/bin/sh
# Creates both databases of Temporal and brings their tables up to date. May run again at any time: what is there
# already is left alone. Only a run that was cut off in the middle of one schema version needs a person.
set -eu

endpoint() { temporal-sql-tool --plugin "$SQL_PLUGIN" --ep "$SQL_HOST" --port "$SQL_PORT" --user "$SQL_USER" "$@"; }

prepare() {
    database=$1
    versions=/etc/temporal/schema/postgresql/v12/$2/versioned
    endpoint --db "$database" create || echo "$database: is there already"
    # Fails where the version table exists, which is then what update-schema starts from.
    endpoint --db "$database" setup-schema -v 0.0 || echo "$database: has a schema version already"
    endpoint --db "$database" update-schema -d "$versions"
}

# The tool reads the password from the environment, so that it is not in the list of processes.
export SQL_PASSWORD
prepare temporal temporal
prepare temporal_visibility visibility
