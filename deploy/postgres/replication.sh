#!/bin/sh
# Runs once, on a new primary: the role of replicas, and their right to connect.
set -eu
password=$(cat "$REPLICATION_PASSWORD_FILE")
psql -v ON_ERROR_STOP=1 -v password="$password" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE daira_replication LOGIN REPLICATION PASSWORD :'password';
SQL
echo "host replication daira_replication all scram-sha-256" >> "$PGDATA/pg_hba.conf"
