-- The outbox.

CREATE OR REPLACE FUNCTION outbox_backlog() RETURNS TABLE (unsent bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM (SELECT created_at FROM outbox WHERE sent_batch IS NULL ORDER BY id LIMIT 100000) rows
$$;
GRANT EXECUTE ON FUNCTION outbox_backlog TO daira_app, daira_worker;
