-- Candidates for ranked feeds from beyond the inbox: public posts of users whom the viewer does not follow.

-- Those of the posts that may be shown to the viewer as recommendations: public, not old, not shares, of users whom the
-- viewer does not follow, and without a reaction of the viewer. Never of private accounts, of minors, or of accounts in
-- their first 72 hours. Authors are read once, however many posts of theirs are asked for.
CREATE OR REPLACE FUNCTION recommendable_post_ids(ids bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH wanted AS MATERIALIZED (
        SELECT id, author_id FROM posts
        WHERE id = ANY (ids) AND id >= recommended_since() AND status = 'published' AND visibility = 'public'
          AND standing = 'visible' AND shared_post_id IS NULL AND author_id <> viewer_id()
    ), authors AS MATERIALIZED (
        SELECT u.id FROM users u
        WHERE u.id = ANY (ARRAY (SELECT author_id FROM wanted)) AND u.status = 'active' AND NOT u.is_private
          AND u.created_at < now() - interval '72 hours'
          AND NOT EXISTS (SELECT FROM accounts a
                          WHERE a.user_id = u.id AND a.birth_date > (now() - interval '18 years')::date)
          AND NOT EXISTS (SELECT FROM follows f WHERE f.follower_id = viewer_id() AND f.followee_id = u.id)
    )
    SELECT visible_post_ids(ARRAY (
        SELECT w.id FROM wanted w
        WHERE w.author_id IN (SELECT id FROM authors)
          AND NOT EXISTS (SELECT FROM reactions r
                          WHERE r.target_type = 'post' AND r.target_id = w.id AND r.user_id = viewer_id())))
$$;

-- The lowest id of a post that is new enough to be recommended. Without a search_path of its own, so that it becomes part
-- of its callers' plans.
CREATE OR REPLACE FUNCTION recommended_since() RETURNS bigint
    LANGUAGE sql STABLE
    RETURN public.snowflake_at(now() - interval '96 hours');

-- Public posts from `since` on, of users whom followed users follow, and posts that followed users reacted to, commented
-- on or shared; those with the most such ties first. The newest 40 follows are read, and 26 rows of each user. Saves are
-- private. `since` is no expression: that would be computed for each row.
CREATE OR REPLACE FUNCTION second_degree_post_ids(since bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH near AS MATERIALIZED (
        SELECT followee_id AS id FROM follows
        WHERE follower_id = viewer_id() AND status = 'active' AND followee_id NOT IN (
            SELECT muted_id FROM mutes WHERE user_id = viewer_id() AND kind IN ('all', 'posts')
                                         AND (until IS NULL OR until > now()))
        ORDER BY follows.id DESC LIMIT 40
    ), engaged AS (
        SELECT acts.post_id, near.id AS person FROM near CROSS JOIN LATERAL (
            (SELECT target_id AS post_id FROM reactions
             WHERE user_id = near.id AND target_type = 'post' AND id >= since ORDER BY id DESC LIMIT 5)
            UNION ALL
            (SELECT post_id FROM comments
             WHERE author_id = near.id AND status = 'published' AND post_id >= since ORDER BY post_id DESC LIMIT 3)
            UNION ALL
            (SELECT shared_post_id FROM posts
             WHERE author_id = near.id AND status = 'published' AND id >= since
               AND shared_post_id IS NOT NULL AND visibility = 'public'
             ORDER BY id DESC LIMIT 3)) acts
    ), followed AS (
        SELECT f.followee_id AS id, count(*) AS ties FROM near CROSS JOIN LATERAL (
            SELECT followee_id FROM follows WHERE follower_id = near.id AND status = 'active'
            ORDER BY id DESC LIMIT 15) f
        WHERE f.followee_id <> viewer_id() AND f.followee_id NOT IN (SELECT id FROM near)
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 30
    )
    SELECT post_id FROM (
        SELECT post_id, count(DISTINCT person) AS ties FROM engaged GROUP BY 1
        UNION ALL
        SELECT p.id, followed.ties FROM followed CROSS JOIN LATERAL (
            SELECT id FROM posts
            WHERE author_id = followed.id AND status = 'published' AND id >= since
              AND visibility = 'public' AND shared_post_id IS NULL
            ORDER BY id DESC LIMIT 3) p) found
    WHERE post_id >= since
    GROUP BY post_id ORDER BY sum(ties) DESC, post_id DESC LIMIT amount
$$;

-- Posts from `since` on whose engagers like what the viewer likes, the closest first. None without the extension
-- `vector`.
CREATE OR REPLACE FUNCTION similar_post_ids(since bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    liking real[] := (SELECT vector FROM user_vectors WHERE user_id = viewer_id());
BEGIN
    IF liking IS NULL OR NOT has_vectors() THEN
        RETURN;
    END IF;
    PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true); -- goes on past posts that are too old
    RETURN QUERY SELECT p.post_id FROM vectors.posts p WHERE p.post_id >= since
        ORDER BY p.vector OPERATOR(vectors.<=>) liking::vectors.halfvec LIMIT amount;
END $$;

-- Up to `amount` posts to explore, drawn evenly.
CREATE OR REPLACE FUNCTION drawn_post_ids(everything integer, amount integer) RETURNS SETOF bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.post_id FROM posts_to_explore e
    WHERE e.place = ANY (ARRAY (SELECT 1 + floor(random() * everything)::integer FROM generate_series(1, amount)))
    ORDER BY random()
$$;

-- For each of the sources that are asked for: at most `amount` posts of it that the viewer may be shown, the best
-- first; how long it took; and why it failed, if it did. A source that fails leaves the others alone. Sources that come
-- after `budget_ms` are left out. Explorations have a propensity: of N posts, 20 are drawn, and of these that the viewer
-- may be shown, at most 10 are taken.
CREATE OR REPLACE FUNCTION beyond_inbox(sources text[], amount integer, budget_ms real)
    RETURNS TABLE (source text, post_ids bigint[], propensity real, took_ms real, failure text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    began timestamptz := clock_timestamp();
    since bigint := recommended_since();
    more integer := amount + amount / 2; -- some will not be shown
    to_explore integer := (SELECT coalesce(max(place), 0) FROM posts_to_explore);
    found bigint[];
    found_all bigint[] := '{}';
    places integer[] := '{}'; -- of the sources of those
    tooks real[];
    failures text[];
    shown bigint[];
    started timestamptz;
BEGIN
    FOR place IN 1 .. cardinality(sources) LOOP
        started := clock_timestamp();
        found := '{}';
        IF started > began + budget_ms * interval '1 ms' THEN
            failures[place] := 'no time was left';
        ELSE
            BEGIN
                CASE sources[place]
                    WHEN 'second_degree' THEN found := ARRAY (SELECT second_degree_post_ids(since, more));
                    WHEN 'trend' THEN found := ARRAY (SELECT trending_post_ids(more));
                    WHEN 'similar' THEN found := ARRAY (SELECT similar_post_ids(since, more));
                    WHEN 'exploration' THEN found := ARRAY (SELECT drawn_post_ids(to_explore, 20));
                END CASE;
            EXCEPTION WHEN OTHERS THEN
                failures[place] := SQLERRM;
            END;
        END IF;
        found_all := found_all || found;
        places := places || array_fill(place, ARRAY [cardinality(found)]);
        tooks[place] := extract(epoch FROM clock_timestamp() - started) * 1000;
    END LOOP;
    shown := ARRAY (SELECT recommendable_post_ids(found_all));
    FOR place IN 1 .. cardinality(sources) LOOP
        source := sources[place];
        found := ARRAY (
            SELECT f.id FROM unnest(found_all, places) WITH ORDINALITY AS f (id, of_source, rank)
            WHERE f.of_source = place AND f.id = ANY (shown) ORDER BY f.rank);
        post_ids := found[:CASE source WHEN 'exploration' THEN least(amount, 10) ELSE amount END];
        propensity := CASE WHEN source = 'exploration' THEN
            cardinality(array_positions(places, place))::real / nullif(to_explore, 0)
            * cardinality(post_ids) / nullif(cardinality(found), 0) END;
        took_ms := tooks[place];
        failure := failures[place];
        RETURN NEXT;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION beyond_inbox TO daira_app;

---------------------------------------------------------------------------------------------------- for workers

-- Creates what finds posts by closeness, if the server has the extension `vector` and the owner may use it. Every
-- migration calls it, so the extension may come later. Backups leave the schema `vectors` out.
CREATE OR REPLACE FUNCTION ensure_vectors() RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF to_regtype('vectors.halfvec') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS vectors;
        CREATE EXTENSION vector SCHEMA vectors;
    END IF;
    IF to_regclass('vectors.posts') IS NULL THEN
        CREATE TABLE vectors.posts (post_id bigint PRIMARY KEY, vector vectors.halfvec(128) NOT NULL);
        ALTER TABLE vectors.posts ENABLE ROW LEVEL SECURITY;
        CREATE INDEX posts_closeness ON vectors.posts USING hnsw (vector vectors.halfvec_cosine_ops);
    END IF;
EXCEPTION WHEN insufficient_privilege OR duplicate_object OR undefined_file OR feature_not_supported THEN
    RAISE LOG 'posts cannot be found by closeness: %', SQLERRM;
END $$;

-- Whether posts can be found by closeness. Never raises an error, as `to_regclass` does for a schema that is not ours.
CREATE OR REPLACE FUNCTION has_vectors() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'vectors' AND c.relname = 'posts' AND has_schema_privilege(n.oid, 'USAGE'));

-- Why posts cannot be found by closeness; null if they can.
CREATE OR REPLACE FUNCTION why_no_vectors() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE
        WHEN public.has_vectors() THEN NULL
        WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'vector')
            THEN 'the server does not have the extension vector (pgvector)'
        ELSE 'the extension vector is not in the schema vectors, or the owner of the tables may not use that' END;
GRANT EXECUTE ON FUNCTION why_no_vectors TO daira_app;

-- Replaces the posts to explore by up to 5,000 of the last 48 hours that few users have seen, in random order: of new
-- creators up to 500 views, of others 50. Looks at the newest 5,000 posts and at 15,000 random ones.
CREATE OR REPLACE FUNCTION choose_posts_to_explore() RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    since bigint := snowflake_at(now() - interval '48 hours');
    span bigint := snowflake_at(now()) - since;
    chosen integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('choose_posts_to_explore')) THEN
        RETURN 0;
    END IF;
    DELETE FROM posts_to_explore;
    INSERT INTO posts_to_explore (place, post_id)
    SELECT row_number() OVER (ORDER BY random()), id FROM (
        SELECT p.id FROM (
            (SELECT id FROM posts WHERE id >= since ORDER BY id DESC LIMIT 5000)
            UNION
            SELECT following.id
            FROM (SELECT since + floor(random() * span)::bigint AS id FROM generate_series(1, 15000)) point
            CROSS JOIN LATERAL (SELECT id FROM posts WHERE id >= point.id ORDER BY id LIMIT 1) following) looked_at
        JOIN posts p USING (id)
        JOIN users u ON u.id = p.author_id AND u.status = 'active' AND NOT u.is_private
                    AND u.created_at < now() - interval '72 hours'
        WHERE p.status = 'published' AND p.visibility = 'public' AND p.standing = 'visible' AND p.shared_post_id IS NULL
          AND p.view_count < CASE WHEN u.created_at > now() - interval '30 days' THEN 500 ELSE 50 END
          -- Not of authors of whom many established users did not want something: most of that is spam.
          AND 5 > (SELECT count(DISTINCT h.user_id) FROM (
              SELECT user_id FROM feed_hides
              WHERE author_id = p.author_id AND created_at > now() - interval '30 days'
                AND reason IN ('spam', 'not_interested', 'author')
              ORDER BY created_at DESC LIMIT 50) h
              JOIN users hider ON hider.id = h.user_id AND hider.status = 'active'
                              AND hider.created_at < now() - interval '72 hours')
        ORDER BY random() LIMIT 5000) chosen_posts;
    GET DIAGNOSTICS chosen = ROW_COUNT;
    RETURN chosen;
END $$;
GRANT EXECUTE ON FUNCTION choose_posts_to_explore TO daira_worker;

-- Who engaged with which post, from ids in [since, before): by a share (3), a save (2), a comment (2), a reaction (1). At
-- most `amount` of them, reactions last. Without what users did before they reset their feeds, which few have done since
-- `since`.
CREATE OR REPLACE FUNCTION engagements(since bigint, before bigint, amount integer)
    RETURNS TABLE (user_id bigint, post_id bigint, weight real)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH resets AS MATERIALIZED (
        SELECT a.user_id, snowflake_at(a.feed_reset_at) AS id FROM accounts a
        WHERE a.feed_reset_at > to_timestamp((since >> 22) / 1000.0 + 1704067200)
    )
    SELECT e.user_id, e.post_id, e.weight FROM (
        SELECT id, author_id AS user_id, shared_post_id AS post_id, 3 AS weight FROM posts
        WHERE shared_post_id IS NOT NULL AND status = 'published' AND id >= since AND id < before
        UNION ALL
        SELECT id, s.user_id, s.post_id, 2 FROM saves s WHERE id >= since AND id < before
        UNION ALL
        SELECT id, author_id, c.post_id, 2 FROM comments c WHERE status = 'published' AND id >= since AND id < before
        UNION ALL
        SELECT id, r.user_id, target_id, 1 FROM reactions r
        WHERE target_type = 'post' AND id >= since AND id < before
    ) e
    WHERE NOT EXISTS (SELECT FROM resets r WHERE r.user_id = e.user_id AND r.id > e.id)
    LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION engagements TO daira_worker;

-- Gives vectors to at most `amount` public posts that were written or engaged with since that id, the newest first: the
-- mean of the vectors of the author and of users who engaged with it (at most 20 who reacted, 20 who commented). Returns
-- how many posts it looked at; 0 without the extension `vector`.
CREATE OR REPLACE FUNCTION freshen_post_vectors(since bigint, amount integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    due bigint[];
BEGIN
    IF NOT has_vectors() OR NOT pg_try_advisory_xact_lock(hashtext('freshen_post_vectors')) THEN
        RETURN 0;
    END IF;
    due := ARRAY (
        SELECT id FROM (
            SELECT post_id AS id FROM engagements(since, 9223372036854775807, 100 * amount)
            WHERE post_id >= recommended_since()
            UNION
            (SELECT id FROM posts WHERE id >= since ORDER BY id DESC LIMIT amount)) active
        ORDER BY id DESC LIMIT amount);
    INSERT INTO vectors.posts (post_id, vector)
    SELECT p.id, vectors.avg(v.vector::vectors.vector)::vectors.halfvec
    FROM posts p
    JOIN users u ON u.id = p.author_id AND u.status = 'active' AND NOT u.is_private
    CROSS JOIN LATERAL (
        SELECT p.author_id AS id
        UNION (SELECT user_id FROM reactions WHERE target_type = 'post' AND target_id = p.id LIMIT 20)
        UNION (SELECT author_id FROM comments WHERE post_id = p.id AND status = 'published' LIMIT 20)) people
    JOIN user_vectors v ON v.user_id = people.id
    WHERE p.id = ANY (due) AND p.status = 'published' AND p.visibility = 'public' AND p.shared_post_id IS NULL
    GROUP BY p.id
    ON CONFLICT (post_id) DO UPDATE SET vector = excluded.vector;
    RETURN cardinality(due);
END $$;
GRANT EXECUTE ON FUNCTION freshen_post_vectors TO daira_worker;

-- Stores learnt vectors: 128 numbers for each user.
CREATE OR REPLACE FUNCTION keep_user_vectors(ids bigint[], numbers real[]) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO user_vectors (user_id, vector)
    SELECT u.id, numbers[128 * place::integer - 127:128 * place::integer]
    FROM unnest(ids) WITH ORDINALITY AS kept (id, place) JOIN users u USING (id)
    WHERE u.status NOT IN ('leaving', 'deleted') AND may_learn_from(u.id)
    ORDER BY u.id
    ON CONFLICT (user_id) DO UPDATE SET vector = excluded.vector, learnt_at = now()
$$;
GRANT EXECUTE ON FUNCTION keep_user_vectors TO daira_worker;

-- Stores learnt vectors, 128 numbers for each post, of posts that can be recommended.
CREATE OR REPLACE FUNCTION keep_post_vectors(ids bigint[], numbers real[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF has_vectors() THEN
        INSERT INTO vectors.posts (post_id, vector)
        SELECT p.id, numbers[128 * place::integer - 127:128 * place::integer]::vectors.halfvec
        FROM unnest(ids) WITH ORDINALITY AS kept (id, place) JOIN posts p USING (id)
        WHERE p.id >= recommended_since() AND p.status = 'published' AND p.visibility = 'public'
          AND p.shared_post_id IS NULL
        ORDER BY p.id
        ON CONFLICT (post_id) DO UPDATE SET vector = excluded.vector;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION keep_post_vectors TO daira_worker;

-- Deletes up to `amount` vectors of each kind: of users that were learnt over 30 days ago, and of posts that are too old
-- to be recommended. Returns how many.
CREATE OR REPLACE FUNCTION forget_vectors(amount integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_users integer;
    of_posts integer := 0;
BEGIN
    DELETE FROM user_vectors WHERE user_id IN (
        SELECT user_id FROM user_vectors WHERE learnt_at < now() - interval '30 days' LIMIT amount);
    GET DIAGNOSTICS of_users = ROW_COUNT;
    IF has_vectors() THEN
        DELETE FROM vectors.posts WHERE post_id IN (
            SELECT post_id FROM vectors.posts WHERE post_id < recommended_since() ORDER BY post_id LIMIT amount);
        GET DIAGNOSTICS of_posts = ROW_COUNT;
    END IF;
    RETURN of_users + of_posts;
END $$;
GRANT EXECUTE ON FUNCTION forget_vectors TO daira_worker;

---------------------------------------------------------------------------------------------------- exposures

-- Logs what feeds have shown to many users; only without a viewer. Returns how many rows it wrote.
CREATE OR REPLACE FUNCTION log_exposures(ids bigint[], user_ids bigint[], post_ids bigint[], places integer[],
                                         sources text[], propensities real[], are_of_whole boolean[]) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH logged AS (
        INSERT INTO feed_exposures (id, user_id, post_id, place, source, propensity, is_of_whole)
        SELECT * FROM unnest(ids, user_ids, post_ids, places, sources, propensities, are_of_whole)
        WHERE viewer_id() IS NULL RETURNING 1)
    SELECT count(*) FROM logged
$$;
GRANT EXECUTE ON FUNCTION log_exposures TO daira_app;

-- Drops the exposures of months before the last one. It gives up, until it is called again, while the table is locked.
CREATE OR REPLACE FUNCTION drop_old_exposures() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    child text;
BEGIN
    FOR child IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'feed_exposures'::regclass AND relname ~ '_[0-9]{6}$'
          AND right(relname, 6) < to_char(now() AT TIME ZONE 'UTC' - interval '1 month', 'YYYYMM') LOOP
        EXECUTE format('DROP TABLE %I', child);
    END LOOP;
EXCEPTION WHEN lock_not_available THEN
    RAISE LOG 'old exposures cannot be dropped while their table is locked';
END $$;
GRANT EXECUTE ON FUNCTION drop_old_exposures TO daira_worker;
