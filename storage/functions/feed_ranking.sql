-- The order of ranked feeds, and what viewers do not want to see in them.

-- The score of a post from its five terms, each 0 to 1: "EdgeRank++" of the product's founding letters.
CREATE OR REPLACE FUNCTION ranking_score(affinity double precision, quality double precision,
        freshness double precision, diversity double precision, negatives double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    RETURN 0.35 * affinity + 0.35 * quality + 0.15 * freshness + 0.10 * diversity - 0.40 * negatives;

-- 1 for a post of this moment, halved every 18 hours; for posts of 20:00 to 23:00 in Cairo, when Egypt is online, every
-- 27 hours. 1000 halvings are the most that a number can hold.
CREATE OR REPLACE FUNCTION freshness(post bigint, at timestamptz) RETURNS double precision
    LANGUAGE sql STABLE
    -- date_part counts in float8, and extract in numeric, which is slower.
    RETURN power(0.5, least(1000, greatest(0, date_part('epoch', at) - (post >> 22) / 1000.0::float8 - 1704067200)
        / CASE WHEN date_part('hour', to_timestamp((post >> 22) / 1000.0::float8 + 1704067200) AT TIME ZONE 'Africa/Cairo')
                    BETWEEN 20 AND 22 THEN 97200 ELSE 64800 END));

-- What a post is about. Posts that were written before topics were known have their hashtags.
CREATE OR REPLACE FUNCTION topics_of(topics text[], hashtags text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN topics = '{}' THEN ARRAY (SELECT '#' || lower(tag) FROM unnest(hashtags) tag) ELSE topics END;

-- How much the viewer has hidden what these posts are about, and their authors, 0 to 1. Hides halve every 30 days. Three
-- of a hashtag, or two of an author, reach 1. A word counts by how much more often the newest ten hides of topics without
-- a hashtag have it than these posts, so that words that all posts have tell nothing. Returns only posts with such a level.
CREATE OR REPLACE FUNCTION hide_levels(ids bigint[])
    RETURNS TABLE (post_id bigint, of_topic double precision, of_author double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM feed_hides h WHERE h.user_id = viewer_id()) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH hides AS MATERIALIZED (
        SELECT h.author_id, h.reason, h.topics, h.created_at,
               power(0.5, extract(epoch FROM now() - h.created_at)::float8 / 2592000) AS weight
        FROM feed_hides h WHERE h.user_id = viewer_id()
    ), of_tags AS (
        SELECT h.topics, h.weight FROM hides h
        WHERE h.reason IN ('not_interested', 'topic', 'spam') AND array_to_string(h.topics, ' ') LIKE '%#%'
    ), of_words AS MATERIALIZED (
        SELECT h.topics, h.weight FROM hides h
        WHERE h.reason IN ('not_interested', 'topic', 'spam') AND array_to_string(h.topics, ' ') NOT LIKE '%#%'
        ORDER BY h.created_at DESC LIMIT 10
    ), topics AS MATERIALIZED (
        SELECT t.topic, sum(h.weight) AS weight
        FROM (TABLE of_tags UNION ALL TABLE of_words) h, unnest(h.topics) AS t (topic) GROUP BY t.topic
    ), authors AS MATERIALIZED (
        SELECT h.author_id, least(sum(h.weight * CASE WHEN h.reason IN ('author', 'spam') THEN 0.5 ELSE 0.15 END), 1) AS level
        FROM hides h WHERE h.reason <> 'seen_too_often' GROUP BY h.author_id
    ), asked AS MATERIALIZED (
        SELECT p.id, o.author_id, topics_of(o.topics, o.hashtags) AS topics
        FROM posts p JOIN posts o ON o.id = coalesce(p.shared_post_id, p.id) WHERE p.id = ANY (ids)
    ), matches AS MATERIALIZED (
        SELECT a.id, t.topic, t.weight FROM asked a
        CROSS JOIN LATERAL unnest(a.topics) AS said (topic)
        JOIN topics t ON t.topic = said.topic
    ), by_topic AS (
        SELECT m.id, max(CASE WHEN m.topic LIKE '#%' THEN least(m.weight / 3, 1) ELSE least(greatest(
            (m.weight - greatest(1, t.part * (SELECT sum(weight) FROM of_words))) / 2, 0), 1) END) AS level
        FROM matches m
        JOIN (SELECT topic, count(*)::float8 / (SELECT count(*) FROM asked) AS part FROM matches GROUP BY topic) t USING (topic)
        GROUP BY m.id
    )
    SELECT a.id, coalesce(b.level, 0)::float8, coalesce(w.level, 0)::float8
    FROM asked a LEFT JOIN by_topic b ON b.id = a.id LEFT JOIN authors w ON w.author_id = a.author_id
    WHERE b.level > 0 OR w.level > 0;
END $$;

-- Those of the posts that the viewer has hidden so often that ranked feeds leave them out.
CREATE OR REPLACE FUNCTION left_out_post_ids(ids bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT post_id FROM hide_levels(ids) WHERE greatest(of_topic, of_author) >= 0.7
    UNION
    SELECT p.id FROM posts p JOIN feed_hides h ON h.user_id = viewer_id() AND h.post_id = coalesce(p.shared_post_id, p.id)
    WHERE p.id = ANY (ids)
$$;
GRANT EXECUTE ON FUNCTION left_out_post_ids TO daira_app;

-- The quality of a post for the viewer: without what users did who are hidden from the viewer (up to 1,000 of them), whose
-- reactions and comments the viewer cannot load either. How long they looked is not known apart.
CREATE OR REPLACE FUNCTION quality_to_viewer(post bigint) RETURNS real
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH less AS (
        SELECT count(r.kind) AS reactions, coalesce(sum(c.amount), 0) AS comments, coalesce(sum(o.amount), 0) AS shares,
               count(s.post_id) AS saves, coalesce(sum(v.amount), 0) AS views
        FROM (SELECT DISTINCT user_id AS id FROM hidden_users(viewer_id()) LIMIT 1000) h
        LEFT JOIN reactions r ON r.target_type = 'post' AND r.target_id = post AND r.user_id = h.id
        LEFT JOIN saves s ON s.post_id = post AND s.user_id = h.id
        CROSS JOIN LATERAL (SELECT count(*) AS amount FROM comments x
                            WHERE x.author_id = h.id AND x.post_id = post AND x.status = 'published' AND is_shown(x.standing)) c
        CROSS JOIN LATERAL (SELECT count(*) AS amount FROM posts x
                            WHERE x.shared_post_id = post AND x.author_id = h.id AND x.status = 'published'
                              AND is_shown(x.standing)) o
        CROSS JOIN LATERAL (SELECT count(*) AS amount FROM views x WHERE x.post_id = post AND x.user_id = h.id) v
    )
    SELECT CASE WHEN l.reactions + l.comments + l.shares + l.saves + l.views = 0 THEN p.quality ELSE post_quality(
        jsonb_build_object('all', greatest((SELECT coalesce(sum(amount.value::bigint), 0)
                                            FROM jsonb_each_text(p.reactions) amount) - l.reactions, 0)),
        greatest(p.comment_count - l.comments, 0)::integer, greatest(p.share_count - l.shares, 0)::integer,
        greatest(p.save_count - l.saves, 0)::integer, greatest(p.view_count - l.views, 0)::integer,
        p.looks, p.watched, p.completions) END
    FROM posts p CROSS JOIN less l WHERE p.id = post
$$;

-- The posts of a ranked feed with their terms and inputs: of the newest `amount` posts of the stored feed and of large
-- authors whom the viewer follows, of `beyond` (posts by authors whom the viewer does not follow), and the post `asked`,
-- wherever it comes from, with its quality for the viewer. Without posts that the viewer may not see or has hidden, except
-- `asked`. Relations are read once per author. Of a post and its shares, only the best is returned. The inputs of the score
-- are null, except those of `asked`: rows of hundreds of posts would take a fifth longer with them.
CREATE OR REPLACE FUNCTION feed_ranking(inbox bigint[], beyond bigint[], amount integer, at timestamptz,
                                        only_creators boolean, asked bigint DEFAULT NULL)
    RETURNS TABLE (post_id bigint, score double precision, is_beyond boolean, affinity double precision,
                   quality double precision, freshness double precision, diversity double precision,
                   negatives double precision, follows boolean, followed_by boolean, is_named boolean,
                   learnt double precision, nth_of_author bigint, of_topic double precision, of_author double precision,
                   of_skips double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH wanted AS MATERIALIZED (
        SELECT p.id, p.author_id, p.visibility, p.circle_id, coalesce(p.shared_post_id, p.id) AS original_id, p.standing,
               p.labels,
               CASE WHEN p.id = asked THEN quality_to_viewer(p.id) ELSE p.quality END AS quality,
               p.id = ANY (beyond) AS is_beyond, (SELECT viewer_id()) = ANY (p.mention_ids) AS is_named
        FROM posts p
        WHERE p.id = ANY (beyond || asked || ARRAY (
                SELECT c.id
                FROM (SELECT unnest(inbox) AS id UNION SELECT large_author_post_ids(9223372036854775807, amount)) c
                ORDER BY c.id DESC LIMIT amount))
          AND p.status = 'published' AND (p.author_id <> (SELECT viewer_id()) OR p.id = asked)
    ), authors AS MATERIALIZED (
        SELECT u.id, u.is_private, mine.status IS NOT NULL AS follows, theirs.status IS NOT NULL AS followed_by,
               coalesce(decayed(a.points, a.as_of), 0) AS points, coalesce(decayed(a.skips, a.as_of), 0) AS skips
        FROM users u
        LEFT JOIN follows mine ON mine.follower_id = viewer_id() AND mine.followee_id = u.id AND mine.status = 'active'
        LEFT JOIN follows theirs ON theirs.follower_id = u.id AND theirs.followee_id = viewer_id()
            AND theirs.status = 'active'
        LEFT JOIN affinities a ON a.user_id = viewer_id() AND a.other_id = u.id
        WHERE u.id = ANY (ARRAY (SELECT DISTINCT author_id FROM wanted)) AND u.status = 'active'
          AND (NOT only_creators OR u.role = 'creator')
    ), visible AS MATERIALIZED (
        SELECT w.id, w.author_id, w.original_id, w.quality, w.is_beyond, w.is_named, a.follows, a.followed_by, a.points,
               a.skips
        FROM wanted w JOIN authors a ON a.id = w.author_id
        WHERE CASE WHEN w.id = asked THEN post_visible(w.author_id, w.visibility, w.circle_id)
            ELSE (a.follows OR (w.is_named OR w.is_beyond) AND w.standing = 'visible')
                AND NOT viewer_hides(w.labels)
                AND a.id NOT IN (SELECT h.user_id FROM hidden_posters(viewer_id()) h)
                AND CASE w.visibility WHEN 'public' THEN a.follows OR NOT a.is_private WHEN 'followers' THEN a.follows
                                      ELSE post_visible(w.author_id, w.visibility, w.circle_id) END END
    ), terms AS (
        SELECT v.id, v.author_id, v.original_id, v.is_beyond AND NOT v.follows AS is_beyond, coalesce(m.kind, 'text') AS kind,
               affinity(v.follows, v.followed_by, v.is_named, v.points) AS affinity, v.quality::float8 AS quality,
               freshness(v.id, at) AS freshness,
               1 - (1 - coalesce(h.of_topic, 0)) * (1 - coalesce(h.of_author, 0)) * (1 - s.of_skips) AS negatives,
               v.follows, v.followed_by, v.is_named, v.points / (4 + v.points) AS learnt,
               coalesce(h.of_topic, 0) AS of_topic, coalesce(h.of_author, 0) AS of_author, s.of_skips
        FROM visible v
        CROSS JOIN LATERAL (SELECT v.skips / (v.skips + v.points + 6) AS of_skips) s
        LEFT JOIN hide_levels(ARRAY (SELECT id FROM visible)) h ON h.post_id = v.id
        LEFT JOIN media m ON m.target_type = 'post' AND m.target_id = v.id AND m.target_seq IS NULL AND m.position = 0
        WHERE v.id = asked OR NOT greatest(coalesce(h.of_topic, 0), coalesce(h.of_author, 0)) >= 0.7
            AND v.original_id NOT IN (SELECT f.post_id FROM feed_hides f WHERE f.user_id = viewer_id())
        OFFSET 0 -- so that each term is computed once
    ), merits AS (
        SELECT t.id, t.author_id, t.original_id, t.is_beyond, t.kind,
               CASE WHEN t.id = asked THEN to_jsonb(t) END AS inputs,
               ranking_score(t.affinity, t.quality, t.freshness, 0, t.negatives) AS merit
        FROM terms t OFFSET 0
    ), placed AS (
        SELECT m.*, row_number() OVER (PARTITION BY author_id ORDER BY merit DESC, id DESC) AS nth_of_author,
               row_number() OVER (PARTITION BY kind ORDER BY merit DESC, id DESC) AS nth_of_kind,
               row_number() OVER (ORDER BY merit DESC, id DESC) AS nth
        FROM merits m
    ), diverse AS (
        SELECT p.*, 0.7::float8 / nth_of_author + 0.3 * (1 - (nth_of_kind - 1)::float8 / greatest(nth - 1, 1)) AS diversity
        FROM placed p OFFSET 0
    ), scored AS (
        SELECT DISTINCT ON (d.original_id) d.id, d.is_beyond, d.diversity, d.nth_of_author, d.inputs,
               (d.merit + ranking_score(0, 0, 0, d.diversity, 0)) * CASE WHEN d.is_beyond THEN 0.8 ELSE 1 END AS score
        FROM diverse d ORDER BY d.original_id, d.id = asked DESC, score DESC, d.id DESC
    )
    SELECT s.id, s.score, s.is_beyond, (s.inputs ->> 'affinity')::float8, (s.inputs ->> 'quality')::float8,
           (s.inputs ->> 'freshness')::float8, s.diversity, (s.inputs ->> 'negatives')::float8,
           (s.inputs ->> 'follows')::boolean, (s.inputs ->> 'followed_by')::boolean, (s.inputs ->> 'is_named')::boolean,
           (s.inputs ->> 'learnt')::float8, s.nth_of_author, (s.inputs ->> 'of_topic')::float8,
           (s.inputs ->> 'of_author')::float8, (s.inputs ->> 'of_skips')::float8
    FROM scored s
$$;
GRANT EXECUTE ON FUNCTION feed_ranking TO daira_app;

-- Hides a post from the viewer's feeds; of a share, what it shows. The newest 200 are kept. Returns whether the viewer
-- sees the post.
CREATE OR REPLACE FUNCTION hide_post(post bigint, why text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT sees_post(post) THEN
        RETURN false;
    END IF;
    INSERT INTO feed_hides (user_id, post_id, author_id, reason, topics)
        SELECT viewer_id(), o.id, o.author_id, why, CASE WHEN tags.topics = '{}' THEN o.topics ELSE tags.topics END
        FROM posts p JOIN posts o ON o.id = coalesce(p.shared_post_id, p.id)
        CROSS JOIN LATERAL (
            SELECT ARRAY (SELECT topic FROM unnest(topics_of(o.topics, o.hashtags)) topic WHERE topic LIKE '#%')) tags (topics)
        WHERE p.id = post
        ON CONFLICT (user_id, post_id) DO UPDATE SET reason = excluded.reason;
    DELETE FROM feed_hides h WHERE h.user_id = viewer_id() AND h.post_id IN (
        SELECT o.post_id FROM feed_hides o WHERE o.user_id = viewer_id()
        ORDER BY o.created_at DESC, o.post_id DESC OFFSET 200);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION hide_post TO daira_app;

-- Forgets what ranked feeds have learnt from the viewer, and lets `engagements` leave out what the viewer did until now. It
-- waits for a fold that runs, which may hold acts of the viewer.
CREATE OR REPLACE FUNCTION forget_learnt() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pg_advisory_xact_lock_shared(hashtext('daira_counts'));
    DELETE FROM affinity_changes WHERE user_id = viewer_id();
    DELETE FROM affinities WHERE user_id = viewer_id();
    DELETE FROM feed_hides WHERE user_id = viewer_id();
    DELETE FROM user_vectors WHERE user_id = viewer_id();
    UPDATE accounts SET feed_reset_at = clock_timestamp() WHERE user_id = viewer_id();
$$;
GRANT EXECUTE ON FUNCTION forget_learnt TO daira_app;
