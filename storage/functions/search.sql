-- Search: documents by terms, in bounded steps, and who may see what was found.

-- Writes the event that the search document of a user or a room is outdated. Argument: its kind.
CREATE OR REPLACE FUNCTION search_due() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'search.due', NEW.id::text,
        convert_to(jsonb_build_object('v', 1, 'kind', TG_ARGV[0], 'document_id', NEW.id)::text, 'UTF8'));
    RETURN NULL;
END $$;

-- The heaviest and newest documents of a kind that match. No step reads more than 2,001 of them, however frequent the
-- terms are: first those of the highest weights, then all if they are few; then places, newest first: each step reads as
-- many as hold what is missing if matches are as frequent there as in those before. A rare match is found in a few steps.
CREATE OR REPLACE FUNCTION search_find(wanted text, query tsquery, amount integer)
    RETURNS TABLE (id bigint, weight integer, place bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    most CONSTANT integer := 2000;
    smallest CONSTANT bigint := 1000;   -- places of a slice of level 0
    floor_of_weight integer;
    is_whole boolean := false;          -- all that match are found
    beyond bigint;                      -- places from here up are done
    places_read bigint := 0;
    matches integer := 0;               -- in these places
    span bigint := smallest;            -- places to read next, at least
    level integer;                      -- of the slices that hold them, at most 9
    size bigint;                        -- places of such a slice
    lowest bigint;                      -- slice
    step record;
    ids bigint[] := '{}';
    weights integer[] := '{}';
    places bigint[] := '{}';
BEGIN
    IF wanted <> 'post' THEN            -- posts have no weight
        FOREACH floor_of_weight IN ARRAY ARRAY [7, 5, 4, 3, 2, 1, 0] LOOP
            CONTINUE WHEN floor_of_weight IN (5, 3, 1) AND 16 * cardinality(ids) < most;
            SELECT array_agg(d.id) AS ids, array_agg(d.weight::integer) AS weights, array_agg(d.place) AS places
            INTO step FROM (
                SELECT s.id, s.weight, s.place FROM search_documents s
                WHERE s.kind = wanted AND s.terms @@ query
                  AND s.slices && ARRAY (SELECT 7 << 28 | bucket FROM generate_series(floor_of_weight, 21) bucket)
                LIMIT most) d;
            EXIT WHEN floor_of_weight = 0 AND cardinality(step.ids) = most; -- perhaps not the newest
            ids := coalesce(step.ids, '{}');
            weights := coalesce(step.weights, '{}');
            places := coalesce(step.places, '{}');
            is_whole := floor_of_weight = 0;
            EXIT WHEN cardinality(ids) >= amount;
        END LOOP;
    END IF;
    IF NOT is_whole THEN
        SELECT max(s.place) + 1 INTO beyond FROM search_documents s WHERE s.kind = wanted;
    END IF;
    FOR _ IN 1 .. 60 LOOP
        EXIT WHEN coalesce(beyond, 0) <= 0 OR cardinality(ids) >= amount;
        level := width_bucket(span / smallest, ARRAY [8, 64, 512, 4096]::bigint[]);
        size := smallest << 3 * level;
        lowest := greatest((beyond - span) / size, 0);
        SELECT array_agg(d.id) AS ids, array_agg(d.weight::integer) AS weights, array_agg(d.place) AS places,
               count(*) AS found
        INTO step FROM (
            SELECT s.id, s.weight, s.place FROM search_documents s
            WHERE s.kind = wanted AND s.terms @@ query AND s.place < beyond
              AND s.slices && ARRAY (SELECT level << 28 | slice::integer
                                     FROM generate_series(lowest, (beyond - 1) / size) slice)
            LIMIT most + 1) d;
        IF step.found > most AND span > smallest THEN
            span := greatest(span / 8, smallest);
            CONTINUE;
        END IF;
        IF step.found > 0 THEN
            ids := ids || step.ids;
            weights := weights || step.weights;
            places := places || step.places;
        END IF;
        places_read := places_read + beyond - lowest * size;
        matches := matches + step.found;
        span := greatest(places_read * (amount - cardinality(ids)) * 5 / 4 / (matches + 1), -- a fourth more, for safety
                         CASE step.found WHEN 0 THEN 2 * (beyond - lowest * size) ELSE smallest END);
        span := least(span, 32000 * smallest);
        beyond := lowest * size;
    END LOOP;
    RETURN QUERY
        SELECT f.id, max(f.weight), max(f.place) FROM unnest(ids, weights, places) AS f (id, weight, place)
        GROUP BY f.id ORDER BY 2 DESC, 3 DESC LIMIT amount;
END $$;

-- Documents that match the first query, at most `amount`; and then those of the next queries until there are 100, or half
-- the amount. These match less well. If several words are asked for, few documents have all, and `search_find` reads far
-- back. `by_sound` also finds what the first query finds. Its others have three tenths of the places if the next queries
-- would leave them fewer: if many write a word in one script, those who write it in the other are found too. They are
-- sought among `amount` of its finds, because there may be none: an index that is asked for `a & !b` reads all of a.
-- null for none. `query` is the number of the query that found it, from 1, and 0 for `by_sound`. among: only documents
-- with these ids; null for all.
CREATE OR REPLACE FUNCTION search_matches(wanted text, queries text[], by_sound text, amount integer, among bigint[])
    RETURNS TABLE (id bigint, query integer, title text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    until CONSTANT integer := greatest(least(amount, 100), amount / 2);
    kept CONSTANT integer := amount * 3 / 10;
    exact bigint[];
    alike bigint[] := '{}';
    found bigint[];
    found_by integer[];
    step bigint[];
BEGIN
    IF among IS NULL THEN
        exact := ARRAY (SELECT f.id FROM search_find(wanted, queries[1]::tsquery, amount) f);
        IF by_sound IS NOT NULL AND until - cardinality(exact) < kept THEN
            alike := ARRAY (
                SELECT f.id FROM search_find(wanted, by_sound::tsquery, amount) WITH ORDINALITY AS f (id, weight, place, n)
                WHERE NOT EXISTS (SELECT FROM unnest(exact) AS e (id) WHERE e.id = f.id) ORDER BY f.n LIMIT kept);
        END IF;
    ELSE
        exact := ARRAY (SELECT s.id FROM search_documents s
                        WHERE s.kind = wanted AND s.id = ANY (among) AND s.terms @@ queries[1]::tsquery LIMIT amount);
    END IF;
    exact := exact[:amount - cardinality(alike)];
    found := exact || alike;
    found_by := array_fill(1, ARRAY [cardinality(exact)]) || array_fill(0, ARRAY [cardinality(alike)]);
    FOR number IN 2 .. cardinality(queries) LOOP
        EXIT WHEN cardinality(found) >= until;
        IF among IS NULL THEN
            step := ARRAY (SELECT f.id FROM search_find(wanted, queries[number]::tsquery, until) f);
        ELSE
            step := ARRAY (SELECT s.id FROM search_documents s
                           WHERE s.kind = wanted AND s.id = ANY (among) AND s.terms @@ queries[number]::tsquery
                           LIMIT until);
        END IF;
        step := ARRAY (SELECT s.id FROM unnest(step) WITH ORDINALITY AS s (id, n) WHERE s.id <> ALL (found)
                       ORDER BY n LIMIT until - cardinality(found));
        found := found || step;
        found_by := found_by || array_fill(number, ARRAY [cardinality(step)]);
    END LOOP;
    RETURN QUERY
        SELECT f.id, f.query, coalesce(s.title, '')
        FROM unnest(found, found_by) WITH ORDINALITY AS f (id, query, n)
        -- Posts have no title. LIMIT 1 has each document read by key: a join of these few could read all documents.
        LEFT JOIN LATERAL (SELECT d.title FROM search_documents d
                           WHERE wanted <> 'post' AND d.kind = wanted AND d.id = f.id LIMIT 1) s ON true
        ORDER BY f.n;
END $$;
GRANT EXECUTE ON FUNCTION search_matches TO daira_app;

-- `search_matches` without matches by sound.
CREATE OR REPLACE FUNCTION search_candidates(wanted text, queries text[], amount integer, among bigint[])
    RETURNS TABLE (id bigint, query integer, title text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.* FROM search_matches(wanted, queries, NULL, amount, among) m
$$;
GRANT EXECUTE ON FUNCTION search_candidates TO daira_app;

-- Users, hashtags and words that match, at most `amount` of each: in the order of queries, as above, heaviest first.
CREATE OR REPLACE FUNCTION search_suggestions(queries text[], amount integer)
    RETURNS TABLE (kind text, id bigint, title text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT wanted.kind, f.id, f.title
    FROM unnest(ARRAY ['user', 'hashtag', 'word']) AS wanted (kind)
    CROSS JOIN LATERAL search_candidates(wanted.kind, queries, amount, NULL) f
$$;
GRANT EXECUTE ON FUNCTION search_suggestions TO daira_app;

-- Those of the posts that lists may show to the viewer and that are not limited, with what search ranks them by. The
-- affinity is that of `affinities`; posts of users whom that leaves out are not visible.
CREATE OR REPLACE FUNCTION found_posts(ids bigint[])
    RETURNS TABLE (id bigint, author_id bigint, text text, engagement integer, affinity double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH followers AS MATERIALIZED (
        SELECT follower_id AS id FROM follows WHERE followee_id = viewer_id() AND status = 'active'
        ORDER BY follows.id DESC LIMIT 1000)
    SELECT v.id, v.author_id, v.beginning, v.engagement,
           affinity(v.follows, v.author_id IN (SELECT f.id FROM followers f), false, decayed(a.points, a.as_of))
    FROM visible_posts(ids) v
    LEFT JOIN affinities a ON a.user_id = viewer_id() AND a.other_id = v.author_id
    WHERE v.standing <> 'limited' OR v.author_id = viewer_id()
$$;
GRANT EXECUTE ON FUNCTION found_posts TO daira_app;

-- Those of the users whom the viewer may find. A block in either direction hides; a mute does not.
CREATE OR REPLACE FUNCTION found_users(ids bigint[])
    RETURNS TABLE (id bigint, username text, display_name text, avatar_url text, is_verified boolean,
                   follower_count integer, mutes boolean, affinity double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id, u.username, u.display_name, u.avatar_url, u.is_verified, u.follower_count::integer, r.mutes,
           coalesce(a.affinity, 0)
    FROM relations(ids) r JOIN users u ON u.id = ANY (ids) AND u.id = r.other_id AND u.status = 'active'
    LEFT JOIN affinities(ids) a ON a.other_id = u.id
    WHERE viewer_id() IS NOT NULL AND NOT r.blocks AND NOT r.blocked_by
$$;
GRANT EXECUTE ON FUNCTION found_users TO daira_app;

-- Whether one of the newest public posts with the hashtag is among those that search shows to the viewer.
CREATE OR REPLACE FUNCTION finds_tagged(used text, newest integer) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM posts p
        WHERE p.id = ANY (ARRAY (SELECT visible_post_ids(ARRAY (SELECT tagged_post_ids(used, 9223372036854775807, newest)))))
          AND (p.standing <> 'limited' OR p.author_id = viewer_id()))
$$;

-- Those of the hashtags, by their terms (folded, after a #), that one of the 50 newest public posts with them shows to the
-- viewer: mostly one of the newest three. Whatever the engine: it does not read the search index.
CREATE OR REPLACE FUNCTION found_hashtags(tags text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.tag FROM unnest(tags) AS t (tag)
    WHERE finds_tagged(substr(t.tag, 2), 3) OR finds_tagged(substr(t.tag, 2), 50)
$$;
GRANT EXECUTE ON FUNCTION found_hashtags TO daira_app;
