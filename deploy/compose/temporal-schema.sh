#!/bin/sh
# Make Temporal's two databases, or bring their schemas up to date. Safe to run again.
set -eu
for database in temporal temporal_visibility; do
  kind=${database#temporal_}
  [ "$database" = temporal ] && kind=temporal
  temporal-sql-tool --db "$database" create
  # Says an error where the schema has begun already; the update below then finds it.
  temporal-sql-tool --db "$database" setup-schema -v 0.0 || true
  temporal-sql-tool --db "$database" update-schema --schema-name "postgresql/v12/$kind"
done
