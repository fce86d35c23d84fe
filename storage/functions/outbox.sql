-- The outbox.

-- The oldest unsent events of each topic, up to so many. The index is skipped through, so a backlog of one topic costs
-- the others nothing. With an equality of topics, PostgreSQL would read the backlog in the order of ids.
CREATE OR REPLACE FUNCTION oldest_unsent(amount integer) RETURNS TABLE (id bigint, topic text, created_at timestamptz)
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH RECURSIVE waiting (topic) AS (
        (SELECT o.topic FROM outbox o WHERE o.sent_batch IS NULL ORDER BY o.topic LIMIT 1)
        UNION ALL
        SELECT (SELECT o.topic FROM outbox o WHERE o.sent_batch IS NULL AND o.topic > w.topic ORDER BY o.topic LIMIT 1)
        FROM waiting w WHERE w.topic IS NOT NULL
    )
    SELECT oldest.* FROM waiting w CROSS JOIN LATERAL (
        SELECT o.id, o.topic, o.created_at FROM outbox o
        WHERE o.sent_batch IS NULL AND o.topic >= w.topic AND o.topic <= w.topic ORDER BY o.topic, o.id LIMIT amount) oldest
$$;
GRANT EXECUTE ON FUNCTION oldest_unsent TO daira_worker;

-- The number of unsent events, counted up to 100,000, and the age of the oldest in seconds.
CREATE OR REPLACE FUNCTION outbox_backlog() RETURNS TABLE (unsent bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE sent_batch IS NULL LIMIT 100000) rows),
           coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM oldest_unsent(1)
$$;
GRANT EXECUTE ON FUNCTION outbox_backlog TO daira_app, daira_worker;
