#!/bin/sh
# Waits until the Temporal server serves, then creates the namespace unless it exists.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}
retention=${TEMPORAL_RETENTION:-30d}
attempts_max=60
attempt=1

until temporal operator cluster health >/dev/null 2>&1; do
    if [ "$attempt" -ge "$attempts_max" ]; then
        echo "Temporal at $TEMPORAL_ADDRESS does not serve after $attempts_max attempts" >&2
        exit 1
    fi
    attempt=$((attempt + 1))
    sleep 2
done

if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
    echo "Namespace $namespace is there already"
else
    temporal operator namespace create --namespace "$namespace" --retention "$retention"
fi
