-- Perceptual hashes of files that moderation has removed: what others publish is compared with them.

-- Its four parts of 16 bits, as numbers.
CREATE OR REPLACE FUNCTION parts_of_hash(hash bit) RETURNS integer[]
    LANGUAGE sql IMMUTABLE
    RETURN ARRAY (SELECT substring(hash FROM part * 16 + 1 FOR 16)::bit(16)::integer FROM generate_series(0, 3) part);

-- Remembers hashes of the files of a thing, or of a file, while a decision removes it; otherwise forgets them. They stay if
-- the files are deleted.
CREATE OR REPLACE FUNCTION remember_removed(type text, target bigint, seq integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT d.standing FROM decided(type, target, seq) d) <> 'removed' THEN
        DELETE FROM removed_hashes r WHERE r.target_type = type AND r.target_id = target AND r.target_seq = seq;
        RETURN;
    END IF;
    INSERT INTO removed_hashes (target_type, target_id, target_seq, media_id, reason, hash, parts)
    SELECT type, target, seq, m.id, removal.reason, h.hash, parts_of_hash(h.hash)
    FROM files_of(type, target, seq) m CROSS JOIN LATERAL hash_of(m.perceptual_hash) h (hash)
    CROSS JOIN (
        SELECT d.reason FROM decisions d
        WHERE d.target_type = type AND d.target_id = target AND d.target_seq = seq AND d.action = 'remove'
          AND d.ended_at IS NULL AND (d.until IS NULL OR d.until > now()) ORDER BY d.id DESC LIMIT 1) removal
    WHERE m.perceptual_hash IS NOT NULL
    ON CONFLICT (target_type, target_id, target_seq, media_id) DO UPDATE SET reason = excluded.reason;
END $$;

CREATE OR REPLACE FUNCTION hash_of(bytes bytea) RETURNS bit
    LANGUAGE sql IMMUTABLE
    RETURN ('x' || encode(bytes, 'hex'))::bit(64);

-- The hash of the same picture in a mirror, but for a few bits: waves of odd numbers along a row change their sign, which
-- are every second bit.
CREATE OR REPLACE FUNCTION mirrored(hash bit) RETURNS bit
    LANGUAGE sql IMMUTABLE
    RETURN hash # x'5555555555555555';

-- Reasons for which other files were removed whose hash differs from this one, or from its mirrored one, in at most 10 of
-- 64 bits. Of such a pair, one of the four parts differs in at most 2 bits: indexes find all that do, with 137 looks at
-- each part.
CREATE OR REPLACE FUNCTION reasons_near(asked bit, but bigint) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH flips AS MATERIALIZED (
        SELECT (1 << one) | (1 << other) AS bits FROM generate_series(0, 15) one, generate_series(0, 15) other
        WHERE one <= other UNION ALL SELECT 0
    ), wanted AS MATERIALIZED (
        SELECT seen.hash, p[1] # bits AS a, p[2] # bits AS b, p[3] # bits AS c, p[4] # bits AS d
        FROM flips, (VALUES (asked), (mirrored(asked))) seen (hash), parts_of_hash(seen.hash) p
    )
    SELECT DISTINCT near.reason FROM wanted w CROSS JOIN LATERAL (
        SELECT r.reason, r.hash, r.media_id FROM removed_hashes r WHERE r.parts[1] = w.a
        UNION ALL SELECT r.reason, r.hash, r.media_id FROM removed_hashes r WHERE r.parts[2] = w.b
        UNION ALL SELECT r.reason, r.hash, r.media_id FROM removed_hashes r WHERE r.parts[3] = w.c
        UNION ALL SELECT r.reason, r.hash, r.media_id FROM removed_hashes r WHERE r.parts[4] = w.d) near
    WHERE bit_count(near.hash # w.hash) <= 10 AND near.media_id <> but
$$;

-- Reasons for which files were removed that look like one of these files of the viewer.
CREATE OR REPLACE FUNCTION removed_like(files bigint[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT near.reason ORDER BY near.reason), '{}')
    FROM media m CROSS JOIN LATERAL reasons_near(hash_of(m.perceptual_hash), m.id) near (reason)
    WHERE m.id = ANY (files) AND m.owner_id = viewer_id()
$$;
GRANT EXECUTE ON FUNCTION removed_like TO daira_app;

-- For each of these posts or comments: the reasons for which files were removed that look like its files. Targets without
-- a reason are left out. For admins, who try rules on them.
CREATE OR REPLACE FUNCTION trial_removed_like(type text, targets bigint[]) RETURNS TABLE (target_id bigint, reasons text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.target_id, array_agg(DISTINCT near.reason ORDER BY near.reason)
    FROM media m CROSS JOIN LATERAL reasons_near(hash_of(m.perceptual_hash), m.id) near (reason)
    WHERE m.target_type = type AND m.target_id = ANY (targets) AND viewer_is_admin() GROUP BY m.target_id
$$;
GRANT EXECUTE ON FUNCTION trial_removed_like TO daira_app;

-- A file has got its hash while it is used already. If it or what uses it is removed, the hash is remembered; if it looks
-- like what was removed, no rule could see that before it was published, so a case is opened.
CREATE OR REPLACE FUNCTION media_hashed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    why text;
BEGIN
    PERFORM remember_removed('media', NEW.id, 0);
    PERFORM remember_removed(NEW.target_type, NEW.target_id, coalesce(NEW.target_seq, 0));
    IF NEW.target_type IN ('post', 'comment') THEN
        SELECT near.reason INTO why FROM reasons_near(hash_of(NEW.perceptual_hash), NEW.id) near (reason)
        ORDER BY reason_severity(near.reason) DESC, near.reason LIMIT 1;
        PERFORM case_for(NEW.target_type, NEW.target_id, 0, 'classifier', why, reason_severity(why))
        WHERE why IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
