-- The viewer, ids of rows, and partitions by id.

-- The user of the current transaction. The setting is '' after a transaction, and missing before the first one.
CREATE OR REPLACE FUNCTION viewer_id() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.user_id', true), '')::bigint;
GRANT EXECUTE ON FUNCTION viewer_id TO daira_app, daira_worker;

-- The first id that a Snowflake minted at `at` can have (41 bits of ms since 2024-01-01, 22 below them).
CREATE OR REPLACE FUNCTION snowflake_at(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN (floor((extract(epoch FROM at) - 1704067200) * 1000)::bigint) << 22;
GRANT EXECUTE ON FUNCTION snowflake_at TO daira_app, daira_worker;

-- A Snowflake id for rows that triggers insert, of node 1023, whose number no process leases.
CREATE OR REPLACE FUNCTION mint_id() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = public, pg_temp AS $$
    SELECT snowflake_at(clock_timestamp()) + (1023 << 12) + nextval('minted_ids') - 1
$$;

-- Creates monthly partitions, by ranges of the id. Rows outside them go into the default partition. While a long
-- transaction (a backup) holds the table, it gives up until it is called again: all calls would queue behind it.
CREATE OR REPLACE FUNCTION ensure_partitions(months_ahead integer DEFAULT 3) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    parent text;
    month  timestamptz;
    child  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
    FOREACH parent IN ARRAY ARRAY ['posts', 'audit', 'feed_exposures'] LOOP
        FOR month IN SELECT generate_series(date_trunc('month', now(), 'UTC'),
                                            date_trunc('month', now(), 'UTC') + make_interval(months => months_ahead),
                                            interval '1 month', 'UTC') LOOP
            child := format('%s_%s', parent, to_char(month AT TIME ZONE 'UTC', 'YYYYMM'));
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', child, parent,
                               snowflake_at(month), snowflake_at(month + interval '1 month'));
            END IF;
        END LOOP;
    END LOOP;
EXCEPTION WHEN lock_not_available THEN
    RAISE LOG 'partitions of % cannot be created while it is locked', parent;
END $$;
GRANT EXECUTE ON FUNCTION ensure_partitions TO daira_worker;
