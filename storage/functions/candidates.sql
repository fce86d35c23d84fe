-- Candidates for ranked feeds from beyond the inbox: public posts of users whom the viewer does not follow.

-- Those of the posts that may be shown to the viewer as recommendations: public, not old, not shares, of users whom the
-- viewer does not follow. Never of private accounts, of minors, or of accounts in their first 72 hours.
CREATE OR REPLACE FUNCTION recommendable_post_ids(ids bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id
    FROM posts p
    JOIN users u ON u.id = p.author_id AND u.status = 'active' AND NOT u.is_private
                AND u.created_at < now() - interval '72 hours'
    WHERE p.id = ANY (ids) AND p.id >= recommended_since() AND p.status = 'published' AND p.visibility = 'public'
      AND p.shared_post_id IS NULL AND p.author_id <> viewer_id()
      AND NOT EXISTS (SELECT FROM accounts a
                      WHERE a.user_id = p.author_id AND a.birth_date > (now() - interval '18 years')::date)
      AND NOT EXISTS (SELECT FROM follows f WHERE f.follower_id = viewer_id() AND f.followee_id = p.author_id)
      AND post_visible(p.author_id, p.visibility, p.circle_id)
      AND NOT EXISTS (SELECT FROM mutes m WHERE m.user_id = viewer_id() AND m.muted_id = p.author_id
                                            AND m.kind IN ('all', 'posts') AND (m.until IS NULL OR m.until > now()))
$$;

-- The lowest id of a post that is new enough to be recommended.
CREATE OR REPLACE FUNCTION recommended_since() RETURNS bigint
    LANGUAGE sql STABLE SET search_path = public, pg_temp
    RETURN public.snowflake_at(now() - interval '96 hours');

-- Public posts of users whom followed users follow, and posts that followed users reacted to, commented on or shared;
-- those with the most such ties first. At most 50 followed users are read, and 34 rows of each. Saves are private.
CREATE OR REPLACE FUNCTION second_degree_post_ids(amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH near AS MATERIALIZED (
        SELECT followee_id AS id FROM follows
        WHERE follower_id = viewer_id() AND status = 'active' AND followee_id NOT IN (
            SELECT muted_id FROM mutes WHERE user_id = viewer_id() AND kind IN ('all', 'posts')
                                         AND (until IS NULL OR until > now()))
        ORDER BY id DESC LIMIT 50
    ), engaged AS (
        SELECT acts.post_id, near.id AS person FROM near CROSS JOIN LATERAL (
            (SELECT target_id AS post_id FROM reactions
             WHERE user_id = near.id AND target_type = 'post' AND id >= recommended_since() ORDER BY id DESC LIMIT 6)
            UNION ALL
            (SELECT post_id FROM comments
             WHERE author_id = near.id AND status = 'published' AND post_id >= recommended_since()
             ORDER BY post_id DESC LIMIT 4)
            UNION ALL
            (SELECT shared_post_id FROM posts
             WHERE author_id = near.id AND status = 'published' AND id >= recommended_since()
               AND shared_post_id IS NOT NULL AND visibility = 'public'
             ORDER BY id DESC LIMIT 4)) acts
    ), followed AS (
        SELECT f.followee_id AS id, count(*) AS ties FROM near CROSS JOIN LATERAL (
            SELECT followee_id FROM follows WHERE follower_id = near.id AND status = 'active'
            ORDER BY id DESC LIMIT 20) f
        WHERE f.followee_id <> viewer_id() AND f.followee_id NOT IN (SELECT id FROM near)
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 40
    )
    SELECT post_id FROM (
        SELECT post_id, count(DISTINCT person) AS ties FROM engaged GROUP BY 1
        UNION ALL
        SELECT p.id, followed.ties FROM followed CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = followed.id AND status = 'published' AND id >= recommended_since()
              AND visibility = 'public' AND shared_post_id IS NULL
            ORDER BY id DESC LIMIT 3) p) found
    WHERE post_id >= recommended_since()
    GROUP BY post_id ORDER BY sum(ties) DESC, post_id DESC LIMIT amount
$$;

-- For each of the sources that are asked for: at most `amount` posts of it that the viewer may be shown, the best
-- first; how long it took; and why it failed, if it did. A source that fails leaves the others alone. Sources that come
-- after `budget_ms` are left out.
CREATE OR REPLACE FUNCTION beyond_inbox(sources text[], amount integer, budget_ms real)
    RETURNS TABLE (source text, post_ids bigint[], propensity real, took_ms real, failure text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    began timestamptz := clock_timestamp();
    started timestamptz;
BEGIN
    FOREACH source IN ARRAY sources LOOP
        started := clock_timestamp();
        post_ids := '{}';
        propensity := NULL;
        failure := NULL;
        IF started > began + budget_ms * interval '1 ms' THEN
            failure := 'no time was left';
        ELSE
            BEGIN
                CASE source
                    WHEN 'second_degree' THEN
                        post_ids := ARRAY (SELECT second_degree_post_ids(2 * amount));
                    WHEN 'trend' THEN
                        post_ids := ARRAY (SELECT trending_post_ids(2 * amount));
                END CASE;
            EXCEPTION WHEN OTHERS THEN
                failure := SQLERRM;
            END;
        END IF;
        post_ids := ARRAY (
            SELECT f.id FROM unnest(post_ids) WITH ORDINALITY AS f (id, place)
            JOIN recommendable_post_ids(post_ids) AS r (id) USING (id) ORDER BY f.place LIMIT amount);
        took_ms := extract(epoch FROM clock_timestamp() - started) * 1000;
        RETURN NEXT;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION beyond_inbox TO daira_app;
