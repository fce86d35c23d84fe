#!/bin/sh
# Copies the primary on the first start, then follows it. To copy again, remove the volume.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA" "$PGDATA.new" # a copy that was interrupted is no database
  PGPASSWORD=$(cat "$REPLICATION_PASSWORD_FILE") pg_basebackup --pgdata="$PGDATA.new" \
    --wal-method=stream --checkpoint=fast --write-recovery-conf \
    --dbname="host=$PRIMARY_HOST port=$PRIMARY_PORT user=daira_replication application_name=replica"
  mv "$PGDATA.new" "$PGDATA"
fi
exec postgres "$@"
