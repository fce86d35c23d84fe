-- Affinities: how much a user cares for another, learnt from what the user does.

-- Points that were counted at `as_of`, as they are now. They halve every 14 days.
CREATE OR REPLACE FUNCTION decayed(points double precision, as_of timestamptz) RETURNS double precision
    LANGUAGE sql STABLE
    RETURN points * power(0.5, greatest(extract(epoch FROM now() - as_of)::float8, 0) / 1209600);

-- 0 to 1: ties count by themselves, and what the user did adds to them, with less for each further act.
CREATE OR REPLACE FUNCTION affinity(follows boolean, followed_by boolean, is_named boolean, points double precision)
    RETURNS double precision LANGUAGE sql IMMUTABLE
    -- All in float8: numeric is slower.
    RETURN 1 - (1 - (0.3::float8 * follows::int + 0.2::float8 * followed_by::int + 0.2::float8 * is_named::int)) * 4
        / (4 + coalesce(points, 0));

-- The viewer's affinity to each of these users, 0 to 1, without users who are hidden from the viewer. Of the viewer's
-- followers, the newest 1,000 are read.
CREATE OR REPLACE FUNCTION affinities(user_ids bigint[]) RETURNS TABLE (other_id bigint, affinity double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, affinity(mine.status IS NOT NULL, theirs.id IS NOT NULL, false, decayed(a.points, a.as_of))
    FROM users u
    LEFT JOIN follows mine ON mine.follower_id = viewer_id() AND mine.followee_id = u.id AND mine.status = 'active'
    LEFT JOIN (SELECT follower_id AS id FROM follows WHERE followee_id = viewer_id() AND status = 'active'
               ORDER BY follows.id DESC LIMIT 1000) theirs ON theirs.id = u.id
    LEFT JOIN affinities a ON a.user_id = viewer_id() AND a.other_id = u.id
    WHERE u.id = ANY (user_ids) AND u.status = 'active' AND u.id <> viewer_id()
      AND u.id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
$$;
GRANT EXECUTE ON FUNCTION affinities TO daira_app;

---------------------------------------------------------------------------------------------------- noting acts

CREATE OR REPLACE FUNCTION affinity_noted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step integer := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    CASE TG_ARGV[0]
    WHEN 'reaction' THEN
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
            VALUES (coalesce(NEW.user_id, OLD.user_id), coalesce(NEW.target_type, OLD.target_type),
                    coalesce(NEW.target_id, OLD.target_id), 'reaction', step);
    WHEN 'save' THEN
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
            VALUES (coalesce(NEW.user_id, OLD.user_id), 'post', coalesce(NEW.post_id, OLD.post_id), 'save', step);
    WHEN 'comment' THEN
        step := (NEW.status = 'published')::int - (TG_OP = 'UPDATE' AND OLD.status = 'published')::int;
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
            SELECT NEW.author_id, CASE WHEN NEW.parent_id IS NULL THEN 'post' ELSE 'comment' END,
                   coalesce(NEW.parent_id, NEW.post_id), 'comment', step WHERE step <> 0;
    WHEN 'share' THEN
        step := (NEW.status = 'published')::int - (TG_OP = 'UPDATE' AND OLD.status = 'published')::int;
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
            SELECT NEW.author_id, 'post', NEW.shared_post_id, 'share', step WHERE step <> 0;
    WHEN 'follow' THEN
        step := (TG_OP <> 'DELETE' AND NEW.status = 'active')::int - (TG_OP <> 'INSERT' AND OLD.status = 'active')::int;
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
            SELECT coalesce(NEW.follower_id, OLD.follower_id), 'user', coalesce(NEW.followee_id, OLD.followee_id),
                   'follow', step WHERE step <> 0;
    END CASE;
    RETURN NULL;
END $$;

-- Notes that users looked at profiles, for a node that has collected these, and returns how many. Without a viewer only.
CREATE OR REPLACE FUNCTION note_visits(visitors bigint[], visited bigint[]) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH noted AS (
        INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount)
        SELECT pair.visitor, 'user', pair.visited, 'visit', 1
        FROM unnest(visitors, visited) AS pair (visitor, visited)
        WHERE viewer_id() IS NULL AND pair.visitor <> pair.visited
        RETURNING id)
    SELECT count(*) FROM noted
$$;
GRANT EXECUTE ON FUNCTION note_visits TO daira_app;

---------------------------------------------------------------------------------------------------- folding

-- Whether there are acts to fold. By the index, which passes over deleted rows.
CREATE OR REPLACE FUNCTION affinities_wait() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT id FROM affinity_changes ORDER BY id LIMIT 1) IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION affinities_wait TO daira_worker;

-- 0 to 1. Engagement per view, and how much of it was watched and read to its end, each against what is usual: 0.05, 0.4
-- and 0.7 of the views. Each starts with 20 usual views; 0.5 is a usual post, or one that nobody has seen yet.
CREATE OR REPLACE FUNCTION post_quality(reactions jsonb, comments integer, shares integer, saves integer, views integer,
                                        looks integer, watched real, completions integer) RETURNS real
    LANGUAGE sql IMMUTABLE
    RETURN (SELECT 0.5 * (1 + engaged) / (2 + engaged + 0.05 * views)
                   + 0.25 * (8 + watched) / (16 + watched + 0.4 * looks)
                   + 0.25 * (14 + completions) / (28 + completions + 0.7 * looks)
            FROM (SELECT 2 * (comments + shares) + saves + coalesce(sum(amount.value::bigint), 0) AS engaged
                  FROM jsonb_each_text(reactions) amount) counted);

-- Folds the oldest acts into affinities and into the quality of posts, and returns how many. All in one transaction,
-- so an act counts once, even if a worker dies. Call it after `take_counts_turn`.
CREATE OR REPLACE FUNCTION fold_affinities(amount integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH taken AS (
        DELETE FROM affinity_changes WHERE id = ANY (ARRAY (SELECT id FROM affinity_changes ORDER BY id LIMIT $1))
        RETURNING *
    ), acts AS (
        SELECT t.user_id, t.created_at, t.kind = 'view' AND t.amount < 1000 AS is_skip,
               CASE t.target_type WHEN 'user' THEN t.target_id WHEN 'post' THEN p.author_id ELSE c.author_id END AS other_id,
               t.amount * CASE t.kind WHEN 'follow' THEN 2 WHEN 'reaction' THEN 1.5 WHEN 'comment' THEN 3
                                      WHEN 'save' THEN 2.5 WHEN 'share' THEN 3 WHEN 'visit' THEN 1
                                      ELSE CASE WHEN t.amount < 1000 THEN 0 ELSE 0.5 / greatest(t.amount, 10000) END
                                      END AS points
        FROM taken t
        LEFT JOIN posts p ON t.target_type = 'post' AND p.id = t.target_id
        LEFT JOIN comments c ON t.target_type = 'comment' AND c.id = t.target_id
    ), summed AS (
        SELECT a.user_id, a.other_id, sum(decayed(a.points, a.created_at)) AS points,
               count(*) FILTER (WHERE a.is_skip) AS skips
        FROM acts a JOIN users u ON u.id = a.other_id
        JOIN users me ON me.id = a.user_id AND me.status NOT IN ('leaving', 'deleted') -- an erasure withdraws reactions
            AND may_learn_from(me.id)
        WHERE a.other_id <> a.user_id GROUP BY a.user_id, a.other_id
    ), felt AS (
        INSERT INTO affinities AS a (user_id, other_id, points, skips, as_of)
        SELECT user_id, other_id, greatest(points, 0), skips, now() FROM summed
        ON CONFLICT (user_id, other_id) DO UPDATE SET
            points = greatest(decayed(a.points, a.as_of) + excluded.points, 0),
            skips = decayed(a.skips, a.as_of) + excluded.skips,
            as_of = now()
    ), looked AS (
        SELECT t.target_id AS id, count(*) AS looks, sum(least(t.amount / 10000, 1)) AS watched,
               count(*) FILTER (WHERE t.amount >= coalesce(
                   (SELECT max(m.duration_ms) FROM media m
                    WHERE m.target_type = 'post' AND m.target_id = t.target_id AND m.kind <> 'image'),
                   least(greatest(1500, 40 * length(p.text)), 15000))) AS completions
        FROM taken t JOIN posts p ON p.id = t.target_id
        WHERE t.kind = 'view' AND t.is_first GROUP BY t.target_id
    ), watched AS (
        UPDATE posts p SET
            looks = p.looks + l.looks, watched = p.watched + l.watched, completions = p.completions + l.completions,
            quality = post_quality(p.reactions, p.comment_count, p.share_count, p.save_count, p.view_count,
                                   (p.looks + l.looks)::integer, (p.watched + l.watched)::real,
                                   (p.completions + l.completions)::integer)
        FROM looked l WHERE p.id = l.id
    ), old AS ( -- by then, points are below a thousandth
        DELETE FROM affinities WHERE (user_id, other_id) IN (
            SELECT user_id, other_id FROM affinities WHERE as_of < now() - interval '200 days' LIMIT 1000)
    )
    SELECT count(*) FROM taken
$$;
GRANT EXECUTE ON FUNCTION fold_affinities TO daira_worker;
