-- Hashtags, trends and trending posts. Workers count what established users do with public posts: see
-- workers/trends.py.

-- Whether what the user does counts, and may be shown to strangers: the account is active, open, and 72 hours old.
CREATE OR REPLACE FUNCTION is_established(person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.users u WHERE u.id = person AND u.status = 'active' AND NOT u.is_private
                   AND u.created_at <= now() - interval '72 hours');

-- Whether the user is below 18. False if the date of birth is not known.
CREATE OR REPLACE FUNCTION is_minor(person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.accounts a WHERE a.user_id = person
                   AND a.birth_date > (now() - interval '18 years')::date);

-- Those of these users who are below 18. Only without a viewer: nobody learns the age of others.
CREATE OR REPLACE FUNCTION minors_among(people bigint[]) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN ARRAY (SELECT a.user_id FROM public.accounts a
                  WHERE public.viewer_id() IS NULL AND a.user_id = ANY (people)
                    AND a.birth_date > (now() - interval '18 years')::date);
GRANT EXECUTE ON FUNCTION minors_among TO daira_app;

---------------------------------------------------------------------------------------------------- decaying sums

-- A sum whose terms halve with time is kept as log2(sum) + time / half_life. So sums of one half-life are in the right
-- order at any time, and an index keeps them. `heated` adds 1 at a time to such a number; null is an empty sum.
CREATE OR REPLACE FUNCTION heated(heat float8, at timestamptz, half_life interval) RETURNS float8
    LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN heat IS NULL THEN term
                -- Beyond 50 halvings, the smaller one is lost in a float, and its power would be an underflow.
                ELSE greatest(heat, term) + ln(1 + power(2::float8, -least(abs(heat - term), 50))) / ln(2::float8) END
    FROM (SELECT (extract(epoch FROM at) / extract(epoch FROM half_life))::float8 AS term) added
$$;

-- The value of such a sum at a time.
CREATE OR REPLACE FUNCTION heat_at(heat float8, at timestamptz, half_life interval) RETURNS float8
    LANGUAGE sql IMMUTABLE AS $$
    SELECT power(2::float8, greatest(heat - (extract(epoch FROM at) / extract(epoch FROM half_life))::float8, -50))
$$;

---------------------------------------------------------------------------------------------------- counting hashtags

-- Brings the hashtags of a post up to date, and counts those that are new as uses at the time of the event. `tags` are
-- the folded hashtags of that version, `spellings` what was written. Safe to repeat. Another version is left to its own
-- event. The lock makes the events of an author run one after the other, and each statement sees what the earlier ones
-- did.
CREATE OR REPLACE FUNCTION note_tags(post bigint, author bigint, seen_version integer, tags text[], spellings text[],
                                     at timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    standing_version integer;
    written text[] := tags;
    added text[];
    local text;
    used_hour timestamptz := date_trunc('hour', at);
    used text;
BEGIN
    PERFORM hold('tags', author);
    SELECT version INTO standing_version FROM posts
    WHERE id = post AND author_id = author AND status = 'published' AND visibility = 'public' AND standing = 'visible';
    IF standing_version IS NULL THEN
        written := '{}';
    ELSIF standing_version <> seen_version THEN
        RETURN;
    END IF;
    DELETE FROM post_tags t WHERE t.post_id = post AND t.tag <> ALL (written);
    PERFORM forget_uses(post, written);
    WITH entered AS (
        INSERT INTO post_tags (tag, post_id) SELECT unnest(written), post ON CONFLICT DO NOTHING RETURNING tag)
    SELECT array_agg(tag ORDER BY tag) INTO added FROM entered;
    IF added IS NULL OR at < now() - interval '24 hours' OR NOT is_established(author) THEN
        RETURN;
    END IF;
    SELECT governorate INTO local FROM accounts WHERE user_id = author;
    FOREACH used IN ARRAY added LOOP -- in order, so that two posts with the same hashtags do not deadlock
        IF NOT EXISTS (SELECT FROM tag_uses u WHERE u.tag = used AND u.hour = used_hour AND u.user_id = author) THEN
            PERFORM count_use(used, place, used_hour, at) FROM unnest(ARRAY ['egypt', local]) AS place
            WHERE place IS NOT NULL;
        ELSIF NOT EXISTS (SELECT FROM tag_uses u WHERE u.tag = used AND u.hour = used_hour AND u.user_id = author
                          AND NOT u.is_withdrawn) THEN
            UPDATE tag_hours h SET people = h.people + 1
            WHERE h.tag = used AND h.hour = used_hour AND h.place IN ('egypt', local);
        END IF;
        INSERT INTO tag_uses (tag, hour, user_id, post_id, place, spelling)
        VALUES (used, used_hour, author, post, local, spellings[array_position(tags, used)])
        ON CONFLICT (tag, hour, user_id, post_id) DO UPDATE
            SET is_withdrawn = false, place = excluded.place, spelling = excluded.spelling;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION note_tags TO daira_worker;

CREATE OR REPLACE FUNCTION count_use(used text, used_in text, used_hour timestamptz, at timestamptz) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO tag_hours AS h (place, tag, hour, people) VALUES (used_in, used, used_hour, 1)
    ON CONFLICT (place, tag, hour) DO UPDATE SET people = h.people + 1;
    INSERT INTO tag_heat AS h (place, tag, observed, usual)
    VALUES (used_in, used, heated(NULL, at, '2 hours'), heated(NULL, at, '7 days'))
    ON CONFLICT (place, tag) DO UPDATE SET observed = heated(h.observed, at, '2 hours'),
                                           usual = heated(h.usual, at, '7 days');
$$;

-- Takes back the uses of a post without those of the tags `kept`. A person whose last post of an hour with a hashtag
-- goes does not count there any more. What has heated up cools down by itself. Withdrawn rows stay: without them, a user
-- could heat a hashtag by removing and adding it repeatedly.
CREATE OR REPLACE FUNCTION forget_uses(post bigint, kept text[]) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    WITH gone AS (
        UPDATE tag_uses SET is_withdrawn = true WHERE post_id = post AND tag <> ALL (kept) AND NOT is_withdrawn
        RETURNING tag, hour, user_id, post_id, place
    ), uncounted AS (
        SELECT g.* FROM gone g
        WHERE NOT EXISTS (SELECT FROM tag_uses u WHERE u.tag = g.tag AND u.hour = g.hour AND u.user_id = g.user_id
                          AND u.post_id <> g.post_id AND NOT u.is_withdrawn)
    )
    UPDATE tag_hours h SET people = h.people - 1 FROM uncounted u
    WHERE h.tag = u.tag AND h.hour = u.hour AND h.place IN ('egypt', u.place)
$$;

---------------------------------------------------------------------------------------------------- trends

-- A count of people that reveals nobody: 0 below 20 people, else rounded down to two digits, of which the second is 0
-- below 100. At most 1,000.
CREATE OR REPLACE FUNCTION blurred(people bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN people < 20 THEN 0 WHEN people < 1000 THEN people / 10 * 10 ELSE 1000 END;

-- The people who used the hashtag in the last 24 hours there, and how most of them wrote it: users who are still active
-- and open, of 1,000 pairs of a user and an hour. A user is in at most 25 of them, so nobody can hide others by many
-- posts. OFFSET 0: by a step in the index for each, whatever the number of users. `used_in` as in `tag_hours`.
CREATE OR REPLACE FUNCTION users_of_tag(used text, used_in text) RETURNS TABLE (people bigint, spelling text)
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT count(DISTINCT n.user_id), mode() WITHIN GROUP (ORDER BY n.spelling)
    FROM (
        (SELECT t.user_id, min(t.spelling) AS spelling FROM tag_uses t
         WHERE used_in = 'egypt' AND t.tag = used AND t.hour > now() - interval '24 hours' AND NOT t.is_withdrawn
         GROUP BY t.hour, t.user_id LIMIT 1000)
        UNION ALL
        (SELECT t.user_id, min(t.spelling) FROM tag_uses t
         WHERE used_in <> 'egypt' AND t.tag = used AND t.place = used_in AND t.hour > now() - interval '24 hours'
           AND NOT t.is_withdrawn
         GROUP BY t.hour, t.user_id LIMIT 1000)) n
    CROSS JOIN LATERAL (
        SELECT FROM users u WHERE u.id = n.user_id AND u.status = 'active' AND NOT u.is_private OFFSET 0) u
$$;

-- Replaces the trends of all places. Of the 100 hottest hashtags of a place, those are trends that at least 20 people
-- used and more than usual: by (observed - expected)² / expected. A use adds 1 to both sums, so at a constant rate the
-- sum of 7 days is 84 times that of 2 hours. One more is expected than usual, so that rare hashtags do not win.
CREATE OR REPLACE FUNCTION refresh_trends(amount integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS MATERIALIZED (
        SELECT p.place, t.*
        FROM trend_places() AS p (place) CROSS JOIN LATERAL (
            -- Users are counted in the order of the scores, until there are enough trends.
            SELECT row_number() OVER (ORDER BY s.score DESC, s.tag) AS position, s.tag, u.people, u.spelling
            FROM (SELECT h.tag, power(h.observed - h.expected, 2) / h.expected AS score
                  FROM (SELECT hot.tag, heat_at(hot.observed, now(), '2 hours') AS observed,
                               heat_at(hot.usual, now(), '7 days') / 84 + 1 AS expected
                        FROM (SELECT * FROM tag_heat WHERE place = p.place ORDER BY observed DESC LIMIT 100) hot) h
                  WHERE h.observed > h.expected ORDER BY score DESC, h.tag) s
            CROSS JOIN LATERAL users_of_tag(s.tag, p.place) u
            WHERE u.people >= 20
            ORDER BY s.score DESC, s.tag LIMIT amount) t
    ), gone AS (
        DELETE FROM trends t
        WHERE NOT EXISTS (SELECT FROM found f WHERE f.place = t.place AND f.position = t.position)
    ), written AS (
        INSERT INTO trends (place, position, tag, spelling, people, hours)
        SELECT f.place, f.position, f.tag, f.spelling, blurred(f.people), hours_of_tag(f.tag, f.place) FROM found f
        ON CONFLICT (place, position) DO UPDATE
            SET tag = excluded.tag, spelling = excluded.spelling, people = excluded.people, hours = excluded.hours
        RETURNING 1
    )
    SELECT count(*)::integer FROM written
$$;
GRANT EXECUTE ON FUNCTION refresh_trends TO daira_worker;

-- The country and its governorates.
CREATE OR REPLACE FUNCTION trend_places() RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    RETURN unnest(ARRAY [
        'egypt', 'alexandria', 'aswan', 'asyut', 'beheira', 'beni_suef', 'cairo', 'dakahlia', 'damietta', 'faiyum',
        'gharbia', 'giza', 'ismailia', 'kafr_el_sheikh', 'luxor', 'matruh', 'minya', 'monufia', 'new_valley',
        'north_sinai', 'port_said', 'qalyubia', 'qena', 'red_sea', 'sharqia', 'sohag', 'south_sinai', 'suez']);

-- The people of each of the last 24 hours, oldest first; the last one is the present hour.
CREATE OR REPLACE FUNCTION hours_of_tag(used text, used_in text) RETURNS integer[]
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg(blurred(coalesce(h.people, 0)) ORDER BY s.hour)
    FROM generate_series(date_trunc('hour', now()) - interval '23 hours', now(), '1 hour') AS s (hour)
    LEFT JOIN tag_hours h ON h.place = used_in AND h.tag = used AND h.hour = s.hour
$$;

-- Deletes what is too old to count, up to `amount` rows of each table. Returns how many of the table that had most.
CREATE OR REPLACE FUNCTION forget_heat(amount integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH uses AS (
        DELETE FROM tag_uses WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM tag_uses WHERE hour < now() - interval '25 hours' LIMIT amount)) RETURNING 1
    ), hours AS (
        DELETE FROM tag_hours WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM tag_hours WHERE hour < now() - interval '25 hours' LIMIT amount)) RETURNING 1
    ), tags AS ( -- of each place, those that nobody has used for about four weeks
        DELETE FROM tag_heat WHERE ctid = ANY (ARRAY (
            SELECT cold.ctid FROM trend_places() AS p (place) CROSS JOIN LATERAL (
                SELECT t.ctid FROM tag_heat t WHERE t.place = p.place
                  AND t.observed < heated(NULL, now() - interval '28 days', '2 hours') LIMIT amount / 28) cold))
        RETURNING 1
    ), people AS (
        DELETE FROM post_people WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM post_people WHERE post_id < snowflake_at(now() - interval '48 hours') LIMIT amount))
        RETURNING 1
    ), posts AS (
        DELETE FROM post_heat WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM post_heat WHERE post_id < snowflake_at(now() - interval '48 hours') LIMIT amount))
        RETURNING 1
    )
    SELECT greatest((SELECT count(*) FROM uses), (SELECT count(*) FROM hours), (SELECT count(*) FROM people),
                    (SELECT count(*) FROM posts), (SELECT count(*) FROM tags) * 28)::integer
$$;
GRANT EXECUTE ON FUNCTION forget_heat TO daira_worker;

-- The trends of a place, hottest first.
CREATE OR REPLACE FUNCTION trends_in(used_in text)
    RETURNS TABLE (tag text, spelling text, people integer, hours integer[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.tag, t.spelling, t.people, t.hours FROM trends t WHERE t.place = used_in ORDER BY t.position
$$;
GRANT EXECUTE ON FUNCTION trends_in TO daira_app;

---------------------------------------------------------------------------------------------------- hashtag pages

-- The posts with a hashtag, newest first: only ids, so that posts are then loaded under their own policies.
CREATE OR REPLACE FUNCTION tagged_post_ids(used text, before bigint, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT post_id FROM post_tags WHERE viewer_id() IS NOT NULL AND tag = used AND post_id < before
    ORDER BY post_id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION tagged_post_ids TO daira_app;

-- The newest 500 of these, with those first that most people care for at present.
CREATE OR REPLACE FUNCTION top_tagged_post_ids(used text, amount integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id FROM tagged_post_ids(used, 9223372036854775807, 500) AS t (id)
    ORDER BY (SELECT h.heat FROM post_heat h WHERE h.post_id = t.id) DESC NULLS LAST, t.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION top_tagged_post_ids TO daira_app;

-- How many of the newest 1,000 posts with the hashtag the page shows to the viewer.
CREATE OR REPLACE FUNCTION count_tagged_posts(used text) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*)::integer
    FROM visible_posts(ARRAY (SELECT tagged_post_ids(used, 9223372036854775807, 1000))) v WHERE v.standing = 'visible'
$$;
GRANT EXECUTE ON FUNCTION count_tagged_posts TO daira_app;

---------------------------------------------------------------------------------------------------- trending posts

-- Counts the person as one who cares for the post. Nothing for authors, repetitions, shares, posts that not everybody
-- may see, and users who are not established. Posts of minors are not shown to strangers.
CREATE OR REPLACE FUNCTION note_engagement(post bigint, person bigint, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH added AS (
        INSERT INTO post_people (post_id, user_id)
        SELECT p.id, person FROM posts p
        WHERE p.id = post AND p.id >= snowflake_at(now() - interval '48 hours') AND p.status = 'published'
          AND p.visibility = 'public' AND p.standing = 'visible' AND p.shared_post_id IS NULL AND p.author_id <> person
          AND is_established(p.author_id) AND is_established(person) AND NOT is_minor(p.author_id)
        ON CONFLICT DO NOTHING RETURNING post_id)
    INSERT INTO post_heat AS h (post_id, heat, is_video)
    SELECT post_id, heated(NULL, at, '6 hours'), EXISTS (
        SELECT FROM media m WHERE m.target_type = 'post' AND m.target_id = added.post_id AND m.kind = 'video')
    FROM added
    ON CONFLICT (post_id) DO UPDATE SET heat = heated(h.heat, at, '6 hours')
$$;
GRANT EXECUTE ON FUNCTION note_engagement TO daira_worker;

-- The posts that most people care for at present, hottest first, at most two of an author: of the hottest posts, those
-- that everybody may see. A viewer may still hide or be hidden from some of their authors.
CREATE OR REPLACE FUNCTION trending_post_ids(amount integer, only_videos boolean DEFAULT false) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id FROM (
        SELECT p.id, h.heat, row_number() OVER (PARTITION BY p.author_id ORDER BY h.heat DESC) AS of_author
        FROM ((SELECT post_id, heat FROM post_heat WHERE NOT only_videos ORDER BY heat DESC LIMIT amount * 4)
              UNION ALL
              (SELECT post_id, heat FROM post_heat WHERE only_videos AND is_video
               ORDER BY heat DESC LIMIT amount * 4)) h
        JOIN posts p ON p.id = h.post_id
        WHERE p.status = 'published' AND p.visibility = 'public' AND p.standing = 'visible' AND is_established(p.author_id)
          AND p.id >= snowflake_at(now() - interval '48 hours') AND NOT is_minor(p.author_id)) o
    WHERE o.of_author <= 2 ORDER BY o.heat DESC, o.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION trending_post_ids TO daira_app;

---------------------------------------------------------------------------------------------------- older posts

-- The next posts whose hashtags are to be entered, newest first: 2,000 posts. No row once all are done. `is_recent`:
-- its hashtags can still be uses, so it goes to `note_tags`; the other posts go to `enter_tags`, with the lowest id.
CREATE OR REPLACE FUNCTION untagged_posts()
    RETURNS TABLE (post_id bigint, author_id bigint, version integer, hashtags text[], is_recent boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH looked_at AS MATERIALIZED (
        SELECT p.* FROM post_tags_backfill b CROSS JOIN LATERAL (
            SELECT * FROM posts WHERE id < b.below ORDER BY id DESC LIMIT 2000) p
    )
    SELECT l.id, l.author_id, l.version,
           CASE WHEN l.status = 'published' AND l.visibility = 'public' AND l.standing = 'visible' THEN l.hashtags ELSE '{}' END,
           l.id >= snowflake_at(now() - interval '24 hours')
    FROM looked_at l
$$;
GRANT EXECUTE ON FUNCTION untagged_posts TO daira_worker;

CREATE OR REPLACE FUNCTION enter_tags(entered_below bigint, tags text[], post_ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO post_tags (tag, post_id) SELECT * FROM unnest(tags, post_ids) ON CONFLICT DO NOTHING;
    UPDATE post_tags_backfill SET below = least(below, entered_below);
$$;
GRANT EXECUTE ON FUNCTION enter_tags TO daira_worker;
