#!/bin/sh
# Joins the servers given as host:port to one cluster, with a replica for each of its masters. Safe to run again.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis_password)
export REDISCLI_AUTH
first=$1
if valkey-cli -h "${first%:*}" -p "${first#*:}" cluster info | grep -q cluster_state:ok; then
  exit 0
fi
exec valkey-cli --cluster create "$@" --cluster-replicas 1 --cluster-yes
