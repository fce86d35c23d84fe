-- Files of which cases hold copies. Their objects outlive them, for as long as a moderator may have to look.

-- Hold the target's files for the case; if it is decided, as long as its decision can be appealed against.
CREATE OR REPLACE FUNCTION hold_files(holder bigint, type text, target bigint, seq integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO case_files (case_id, media_id, owner_id, until)
    SELECT c.id, m.id, m.owner_id, c.decided_at + interval '6 months'
    FROM media m JOIN cases c ON c.id = holder
    WHERE m.id IN (SELECT f.id FROM files_of(type, target, seq) f) AND m.status IN ('processing', 'ready')
    FOR KEY SHARE OF m -- whoever deletes the file waits, and then finds that it is held
    ON CONFLICT DO NOTHING
$$;

-- The file is deleted. Returns whether a case holds its objects; URLs of before are to reach nothing any more.
CREATE OR REPLACE FUNCTION leave_to_cases(file media) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE case_files f SET object_key = file.object_key, variants = file.variants
    WHERE f.media_id = file.id AND file.status IN ('processing', 'ready');
    IF FOUND THEN
        PERFORM tell_of_withheld(file.id);
    END IF;
    RETURN FOUND;
END $$;

-- No case holds the file any more: its objects are deleted if the file itself was deleted.
CREATE OR REPLACE FUNCTION case_file_let_go() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM hold('case files', OLD.media_id); -- of two cases that let it go at once, the later one finds that
    INSERT INTO outbox (id, topic, key, payload)
    SELECT mint_id(), 'media.deleted', OLD.media_id::text, convert_to(jsonb_build_object(
               'v', 1, 'media_id', OLD.media_id, 'prefixes', ARRAY [OLD.object_key])::text, 'UTF8')
    WHERE NOT EXISTS (SELECT FROM case_files f WHERE f.media_id = OLD.media_id);
    RETURN NULL;
END $$;

-- Where the objects of the case's files are, and their variants. For moderators.
CREATE OR REPLACE FUNCTION objects_of_case(asked bigint) RETURNS TABLE (media_id bigint, object_key text, variants jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT f.media_id, coalesce(m.object_key, f.object_key), coalesce(m.variants, f.variants)
    FROM case_files f LEFT JOIN media m ON m.id = f.media_id AND m.status IN ('processing', 'ready')
    WHERE f.case_id = asked AND coalesce(m.object_key, f.object_key) IS NOT NULL AND viewer_is_moderator()
$$;
GRANT EXECUTE ON FUNCTION objects_of_case TO daira_app;

-- Let go of files whose time is over, at most that many. Returns how many.
CREATE OR REPLACE FUNCTION let_case_files_go(amount integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done integer;
BEGIN
    DELETE FROM case_files WHERE viewer_id() IS NULL AND (media_id, case_id) IN (
        SELECT f.media_id, f.case_id FROM case_files f WHERE f.until < now() ORDER BY f.until LIMIT amount
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;
GRANT EXECUTE ON FUNCTION let_case_files_go TO daira_worker;

-- Evidence without copies of what was that person's.
CREATE OR REPLACE FUNCTION evidence_without(evidence jsonb, person bigint) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN (SELECT jsonb_agg(CASE WHEN (e ->> 'owner_id')::bigint = person
                             THEN (e - 'owner_id') || '{"snapshot": {}}' ELSE e END ORDER BY n)
            FROM jsonb_array_elements(evidence) WITH ORDINALITY each_one (e, n));
