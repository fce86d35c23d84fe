-- Rules before publishing: changes of the rulebook by admins, what rules look at, and what they hit.

---------------------------------------------------------------------------------------------------- the rulebook

-- Counts a change of the book, under its lock: changes follow one another. Returns false for viewers who are not admins.
CREATE OR REPLACE FUNCTION change_rulebook() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE rulebook SET version = version + 1 WHERE viewer_is_admin();
    RETURN FOUND;
END $$;

-- Adds a version to a rule, or its first one. `expected`: the newest version, 0 for a new rule. Returns the new version;
-- null if there is a newer one. It is not in force until it is enabled.
CREATE OR REPLACE FUNCTION save_rule(rule_id bigint, expected integer, title text, places text[], condition text,
                                     result text, why text, advice text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    newest integer;
BEGIN
    IF NOT change_rulebook() THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(max(r.version), 0) INTO newest FROM rules r WHERE r.id = rule_id;
    IF newest <> expected THEN
        RETURN NULL;
    END IF;
    IF newest = 0 AND (SELECT count(DISTINCT r.id) FROM rules r) >= 5000 OR newest >= 1000 THEN
        RAISE check_violation USING MESSAGE = 'there are at most 5000 rules, of 1000 versions', CONSTRAINT = 'bounded';
    END IF;
    INSERT INTO rules (id, version, name, surfaces, expression, outcome, reason, message, saved_by)
    VALUES (rule_id, newest + 1, title, places, condition, result, why, advice, viewer_id());
    RETURN newest + 1;
END $$;
GRANT EXECUTE ON FUNCTION save_rule TO daira_app;

-- Puts that version of a rule in force instead of any other one; 0 puts none in force. Returns whether that is a change.
CREATE OR REPLACE FUNCTION enable_rule(rule_id bigint, enabled integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT change_rulebook() THEN
        RETURN false;
    END IF;
    UPDATE rules r SET is_enabled = false WHERE r.id = rule_id AND r.is_enabled AND r.version <> enabled;
    IF enabled = 0 THEN
        RETURN FOUND;
    END IF;
    UPDATE rules r SET is_enabled = true, enabled_by = viewer_id(), enabled_at = now()
    WHERE r.id = rule_id AND r.version = enabled AND NOT r.is_enabled;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION enable_rule TO daira_app;

-- Makes a list, or changes it: `expected` is its version, 0 for a new one. Terms that it has are not added again. Returns
-- the new version; null if the list has another one.
CREATE OR REPLACE FUNCTION save_terms(list bigint, expected integer, title text, way text, added text[], removed text[])
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    saved integer := expected + 1;
BEGIN
    IF NOT change_rulebook() THEN
        RETURN NULL;
    END IF;
    IF expected = 0 THEN
        INSERT INTO term_lists (id, name, match, version, saved_by) VALUES (list, title, way, 1, viewer_id())
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE term_lists l SET match = way, version = saved, saved_by = viewer_id(), saved_at = now()
        WHERE l.id = list AND l.name = title AND l.version = expected;
    END IF;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE terms t SET until = saved WHERE t.list_id = list AND t.until IS NULL AND t.term = ANY (removed);
    INSERT INTO terms (list_id, term, since) SELECT list, term, saved FROM unnest(added) term
    ON CONFLICT DO NOTHING;
    IF (SELECT count(*) FROM terms t WHERE t.until IS NULL) > 50000
        OR (SELECT count(*) FROM term_lists) > 200 THEN
        RAISE check_violation USING MESSAGE = 'there are at most 50000 terms, in 200 lists', CONSTRAINT = 'bounded';
    END IF;
    RETURN saved;
END $$;
GRANT EXECUTE ON FUNCTION save_terms TO daira_app;

---------------------------------------------------------------------------------------------------- what rules look at

-- Counts of a user's texts and follows within the hour before that id.
CREATE OR REPLACE FUNCTION pace_of(person bigint, before bigint, OUT posts_1h integer, OUT comments_1h integer,
                                   OUT messages_1h integer, OUT follows_1h integer)
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT count(*) FILTER (WHERE t.surface = 'post'), count(*) FILTER (WHERE t.surface = 'comment'),
           count(*) FILTER (WHERE t.surface = 'message'),
           (SELECT count(*) FROM (
                SELECT FROM follows f
                WHERE f.follower_id = person AND f.status IN ('active', 'pending') AND f.id < before
                  AND f.id > before - ((3600 * 1000)::bigint << 22) LIMIT 1000) x)
    FROM (SELECT t.surface FROM text_prints t
          WHERE t.user_id = person AND t.id < before AND t.id > before - ((3600 * 1000)::bigint << 22) LIMIT 1000) t
$$;

-- How often a text was written within 24 hours before that id, by anybody and by that user; each up to 1,000.
CREATE OR REPLACE FUNCTION repeats_of(fingerprint bigint, person bigint, before bigint, OUT repeats integer,
                                      OUT own_repeats integer)
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT count(*), count(*) FILTER (WHERE t.user_id = person)
    FROM (SELECT t.user_id FROM text_prints t
          WHERE t.print = fingerprint AND t.id < before AND t.id > before - ((86400 * 1000)::bigint << 22)
          ORDER BY t.id DESC LIMIT 1000) t
$$;

-- Notes what the viewer writes, and returns what rules look at besides the text itself. `written`: the id of the post,
-- comment, group or room, or a new one. An edit replaces the print. No row without a viewer.
CREATE OR REPLACE FUNCTION weigh_text(written bigint, place text, fingerprint bigint)
    RETURNS TABLE (age_s float8, is_verified boolean, followers bigint, posts bigint, posts_1h integer,
                   comments_1h integer, messages_1h integer, follows_1h integer, repeats integer, own_repeats integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp ROWS 1 AS $$
DECLARE
    latest bigint := snowflake_at(clock_timestamp()) + ((1 << 22) - 1); -- of this millisecond
BEGIN
    IF viewer_id() IS NULL OR NOT EXISTS (SELECT FROM users u WHERE u.id = viewer_id()) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT extract(epoch FROM now() - u.created_at)::float8, u.is_verified, u.follower_count::bigint,
               u.post_count::bigint, p.posts_1h, p.comments_1h, p.messages_1h, p.follows_1h, r.repeats, r.own_repeats
        FROM users u, pace_of(u.id, latest) p, repeats_of(fingerprint, u.id, latest) r
        WHERE u.id = viewer_id();
    INSERT INTO text_prints (id, surface, print, user_id) VALUES (written, place, fingerprint, viewer_id())
    ON CONFLICT (id) DO UPDATE SET print = excluded.print WHERE text_prints.user_id = excluded.user_id;
END $$;
GRANT EXECUTE ON FUNCTION weigh_text TO daira_app;

---------------------------------------------------------------------------------------------------- what rules hit

-- Notes hits, as nodes do without a viewer. Returns how many.
CREATE OR REPLACE FUNCTION log_rule_hits(ids bigint[], rule_ids bigint[], versions integer[], places text[],
                                         results text[], user_ids bigint[], targets bigint[]) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH logged AS (
        INSERT INTO rule_hits (id, rule_id, rule_version, surface, outcome, user_id, target_id)
        SELECT * FROM unnest(ids, rule_ids, versions, places, results, user_ids, targets) WHERE viewer_id() IS NULL
        RETURNING 1)
    SELECT count(*) FROM logged
$$;
GRANT EXECUTE ON FUNCTION log_rule_hits TO daira_app;

-- Deletes fingerprints of 24 hours ago and hits of 30 days ago; at most 10,000 of each. For workers.
CREATE OR REPLACE FUNCTION forget_texts() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    deleted bigint;
    hits bigint;
BEGIN
    DELETE FROM text_prints WHERE id IN (
        SELECT t.id FROM text_prints t WHERE t.id < snowflake_at(now() - interval '24 hours') ORDER BY t.id LIMIT 10000
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    DELETE FROM rule_hits WHERE id IN (
        SELECT h.id FROM rule_hits h WHERE h.id < snowflake_at(now() - interval '30 days') ORDER BY h.id LIMIT 10000
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS hits = ROW_COUNT;
    RETURN deleted = 10000 OR hits = 10000;
END $$;
GRANT EXECUTE ON FUNCTION forget_texts TO daira_worker;

---------------------------------------------------------------------------------------------------- trials of rules

-- How many texts of the last 24 hours there are, without messages; null for viewers who are not admins.
CREATE OR REPLACE FUNCTION trial_size(places text[]) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*) FROM text_prints t
    WHERE t.surface = ANY (places) AND t.surface NOT IN ('message', 'room_message')
      AND t.id >= snowflake_at(now() - interval '24 hours')
    HAVING viewer_is_admin()
$$;
GRANT EXECUTE ON FUNCTION trial_size TO daira_app;

-- Texts of the last 24 hours above an id, one of `step`, with what rules look at; messages are left out. For admins alone:
-- rules are tried on all of them, and `is_open` tells what everybody may see. `text` is null if the text is gone. A
-- profile that changed several times is tried once.
CREATE OR REPLACE FUNCTION trial_texts(places text[], above bigint, step integer, most integer)
    RETURNS TABLE (id bigint, surface text, text text, user_id bigint, username text, is_open boolean, mentions integer,
                   hashtags integer, media integer, age_s float8, is_verified boolean, followers bigint, posts bigint,
                   posts_1h integer, comments_1h integer, messages_1h integer, follows_1h integer, repeats integer,
                   own_repeats integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.surface, w.text, u.id, u.username, w.is_open, w.mentions, w.hashtags,
           (SELECT count(*)::integer FROM media m WHERE m.target_type = t.surface AND m.target_id = t.id),
           extract(epoch FROM now() - u.created_at)::float8, u.is_verified, u.follower_count::bigint,
           u.post_count::bigint, p.posts_1h, p.comments_1h, p.messages_1h, p.follows_1h, r.repeats, r.own_repeats
    FROM (SELECT * FROM text_prints t
          WHERE t.id > greatest(above, snowflake_at(now() - interval '24 hours')) AND t.surface = ANY (places)
            AND t.surface NOT IN ('message', 'room_message') AND (t.id >> 22) % step = 0 AND viewer_is_admin()
          ORDER BY t.id LIMIT least(most, 1000)) t
    JOIN users u ON u.id = t.user_id
    LEFT JOIN LATERAL (
        SELECT p.text, NOT post_is_private(p.id) AS is_open, cardinality(p.mention_ids) AS mentions,
               cardinality(p.hashtags) AS hashtags
        FROM posts p WHERE t.surface = 'post' AND p.id = t.id AND p.status = 'published'
        UNION ALL
        SELECT c.text, NOT post_is_private(c.post_id), cardinality(c.mention_ids), 0
        FROM comments c WHERE t.surface = 'comment' AND c.id = t.id AND c.status = 'published'
        UNION ALL
        SELECT concat_ws(E'\n', u.username, nullif(u.display_name, ''), nullif(u.bio, '')), u.status = 'active', 0, 0
        WHERE t.surface = 'profile' AND u.status <> 'deleted' AND NOT EXISTS (
            SELECT FROM text_prints later
            WHERE later.user_id = t.user_id AND later.id > t.id AND later.surface = 'profile')
        UNION ALL
        SELECT g.title, false, 0, 0 FROM chats g WHERE t.surface = 'group' AND g.id = t.id
        UNION ALL
        SELECT r.topic, r.visibility = 'public', 0, 0 FROM rooms r WHERE t.surface = 'room' AND r.id = t.id) w ON true
    CROSS JOIN LATERAL pace_of(u.id, t.id) p
    CROSS JOIN LATERAL repeats_of(t.print, u.id, t.id) r
    ORDER BY t.id
$$;
GRANT EXECUTE ON FUNCTION trial_texts TO daira_app;

---------------------------------------------------------------------------------------------------- flagged texts

-- Have workers judge a post or comment of the viewer. `suspicion`: its spam score.
CREATE OR REPLACE FUNCTION flag_content(type text, target bigint, suspicion float8) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO outbox (id, topic, key, payload)
    SELECT mint_id(), 'content.flagged', target::text, convert_to(jsonb_build_object(
        'v', 1, 'target_type', type, 'target_id', target, 'score', least(1, greatest(0, suspicion)))::text, 'UTF8')
    FROM moderated(type, target, 0) m
    WHERE m.owner_id = viewer_id() AND type IN ('post', 'comment');
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION flag_content TO daira_app;

-- A flagged post or comment as it is now, and how long its author has an account. For workers.
CREATE OR REPLACE FUNCTION flagged_content(type text, target bigint)
    RETURNS TABLE (owner_id bigint, text text, age_s float8, is_verified boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.owner_id, m.contents ->> 'text', extract(epoch FROM now() - u.created_at)::float8, u.is_verified
    FROM moderated(type, target, 0) m JOIN users u ON u.id = m.owner_id
    WHERE viewer_id() IS NULL
$$;
GRANT EXECUTE ON FUNCTION flagged_content TO daira_worker;
