-- The outbox.

-- The number of unsent events, counted up to 100,000, and the age of the oldest in seconds.
CREATE OR REPLACE FUNCTION outbox_backlog() RETURNS TABLE (unsent bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM (SELECT created_at FROM outbox WHERE sent_batch IS NULL ORDER BY id LIMIT 100000) rows
$$;
GRANT EXECUTE ON FUNCTION outbox_backlog TO daira_app, daira_worker;
