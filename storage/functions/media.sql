-- Media: who sees a file, quotas, the steps of an upload, and what happens when a file or its target is gone.

-- Whether the viewer sees what uses the file.
CREATE OR REPLACE FUNCTION sees_media_target(type text, target bigint, seq integer) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN CASE type
        WHEN 'post' THEN sees_post(target)
        WHEN 'comment' THEN target_post('comment', target) IS NOT NULL
        WHEN 'message' THEN sees_chat_message(target, seq)
        WHEN 'user' THEN viewer_id() IS NOT NULL AND NOT blocks_viewer(target)
            AND EXISTS (SELECT FROM users u WHERE u.id = target AND u.status = 'active')
        WHEN 'room' THEN sees_room(target) AND NOT EXISTS (
            SELECT FROM room_bans b WHERE b.room_id = target AND b.user_id = viewer_id()
                AND (b.until IS NULL OR b.until > now()))
        ELSE false END;
END $$;
GRANT EXECUTE ON FUNCTION sees_media_target TO daira_app;

-- The files of those targets that the viewer sees, in order. Each target is checked once. `seqs` are those of messages,
-- or null.
CREATE OR REPLACE FUNCTION media_of(type text, targets bigint[], seqs integer[] DEFAULT NULL) RETURNS SETOF media
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 20 AS $$
    SELECT f.* FROM (
        SELECT asked.target, asked.seq, ARRAY(
            SELECT m FROM media m WHERE m.target_type = type AND m.target_id = asked.target
                AND (asked.seq IS NULL OR m.target_seq = asked.seq) ORDER BY m.target_seq, m.position) AS files
        FROM unnest(targets, seqs) AS asked (target, seq) OFFSET 0) found -- targets without files are not checked
    CROSS JOIN LATERAL unnest(found.files) f
    WHERE found.files <> '{}' AND (f.owner_id = viewer_id()
            OR is_shown(f.standing) AND (f.labels = '{}' OR NOT viewer_too_young(f.labels)))
      AND sees_media_target(type, found.target, found.seq)
$$;
GRANT EXECUTE ON FUNCTION media_of TO daira_app;

-- A file as `present_media` reads it.
CREATE OR REPLACE FUNCTION media_object(file public.media) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN jsonb_build_object(
        'id', file.id, 'owner_id', file.owner_id, 'kind', file.kind, 'status', file.status, 'alt', file.alt,
        'is_sensitive', file.is_sensitive, 'labels', file.labels, 'width', file.width, 'height', file.height, 'duration_ms', file.duration_ms,
        'blurhash', file.blurhash, 'waveform', file.waveform, 'variants', file.variants, 'object_key', file.object_key,
        'public_key', file.public_key, 'error_code', file.error_code, 'error_text', file.error_text);
GRANT EXECUTE ON FUNCTION media_object TO daira_app, daira_worker;

-- The files of those targets that the viewer sees, in order, by the target's id; null if there are none. For workers:
-- all files. Without SECURITY DEFINER, so that row policies distinguish workers from others without a viewer.
CREATE OR REPLACE FUNCTION shown_media(type text, targets bigint[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    -- Most have none: this look costs a tenth of asking for them.
    IF targets = '{}' OR NOT EXISTS (
        SELECT FROM media f WHERE f.target_type = type AND f.target_id = ANY (targets)) THEN
        RETURN NULL;
    ELSIF viewer_id() IS NOT NULL THEN
        RETURN (SELECT jsonb_object_agg(t.id, t.files) FROM (
            SELECT f.target_id AS id, jsonb_agg(media_object(f) ORDER BY f.position) AS files
            FROM media_of(type, targets) f GROUP BY f.target_id) t);
    END IF;
    RETURN (SELECT jsonb_object_agg(t.id, t.files) FROM (
        SELECT f.target_id AS id, jsonb_agg(media_object(f) ORDER BY f.position) AS files
        FROM media f WHERE f.target_type = type AND f.target_id = ANY (targets) AND is_shown(f.standing)
        GROUP BY f.target_id) t);
END $$;
GRANT EXECUTE ON FUNCTION shown_media TO daira_app, daira_worker;

-- The files of a message, in order; null if it has none. Only for those who see the message.
CREATE OR REPLACE FUNCTION message_media(chat bigint, message integer) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN (SELECT jsonb_agg(public.media_object(f) ORDER BY f.position) FROM public.media f
            WHERE f.target_type = 'message' AND f.target_id = chat AND f.target_seq = message
                AND (f.owner_id = public.viewer_id() OR public.is_shown(f.standing)
                     AND (f.labels = '{}' OR NOT public.viewer_too_young(f.labels))));
GRANT EXECUTE ON FUNCTION message_media TO daira_app, daira_worker;

-- The file, if it is the avatar of an active user: everybody may see it who has its URL.
CREATE OR REPLACE FUNCTION avatar_file(asked bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT media_object(m) FROM media m JOIN users u ON u.id = m.target_id AND u.status = 'active'
    WHERE m.id = asked AND m.target_type = 'user' AND m.status = 'ready' AND is_shown(m.standing)
$$;
GRANT EXECUTE ON FUNCTION avatar_file TO daira_app;

---------------------------------------------------------------------------------------------------- uploads

-- Create the viewer's upload, if the user's quota has room for it. Returns 'created', or the quota that is exhausted:
-- 'bytes' or 'video'. Calls of one user run one after the other.
CREATE OR REPLACE FUNCTION create_media(
    new_id bigint, kind text, content_type text, filename text, size_bytes bigint, sha256 bytea, duration_ms bigint,
    alt text, is_sensitive boolean, object_key text, upload_id text, keep interval, most_bytes bigint,
    most_video_ms bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    used media_usage;
BEGIN
    INSERT INTO media_usage (user_id) SELECT u.id FROM users u WHERE u.id = viewer_id() AND u.status = 'active'
        ON CONFLICT DO NOTHING;
    SELECT * INTO used FROM media_usage u WHERE u.user_id = viewer_id() FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF used.bytes + size_bytes > most_bytes THEN RETURN 'bytes'; END IF;
    IF kind = 'video' AND used.video_ms + coalesce(duration_ms, 0) > most_video_ms THEN RETURN 'video'; END IF;
    INSERT INTO media (id, owner_id, kind, content_type, filename, size_bytes, sha256, duration_ms, alt, is_sensitive,
                       object_key, upload_id, expires_at)
        VALUES (new_id, viewer_id(), kind, content_type, filename, size_bytes, sha256, duration_ms, alt, is_sensitive,
                object_key, upload_id, now() + keep);
    RETURN 'created';
END $$;
GRANT EXECUTE ON FUNCTION create_media TO daira_app;

-- Keep the viewer's unfinished upload for longer, and if the store has lost its multipart upload, give it another one in
-- the place of `lost`. Returns whether it was done: of two callers who replace the same one, one does it.
CREATE OR REPLACE FUNCTION renew_media(asked bigint, lost text, replacement text, keep interval) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH renewed AS (
        UPDATE media SET expires_at = now() + keep, upload_id = replacement
        WHERE id = asked AND owner_id = viewer_id() AND status = 'uploading' AND upload_id = lost RETURNING id)
    SELECT EXISTS (SELECT FROM renewed)
$$;
GRANT EXECUTE ON FUNCTION renew_media TO daira_app;

-- Hand the viewer's upload to the workers: all its bytes are there, and are of that type. Returns whether it was done.
CREATE OR REPLACE FUNCTION complete_media(asked bigint, found_type text, keep interval) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH completed AS (
        UPDATE media SET status = 'processing', content_type = found_type, expires_at = now() + keep,
            lane = CASE kind WHEN 'video' THEN 'bulk' ELSE 'quick' END, due_at = now()
        WHERE id = asked AND owner_id = viewer_id() AND status = 'uploading' RETURNING id)
    SELECT EXISTS (SELECT FROM completed)
$$;
GRANT EXECUTE ON FUNCTION complete_media TO daira_app;

-- Let the viewer's unused file end as failed for that reason; its objects are deleted. Returns whether it was done.
CREATE OR REPLACE FUNCTION drop_media(asked bigint, code text, reason text, keep interval) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH dropped AS (
        UPDATE media SET status = 'failed', error_code = code, error_text = reason, expires_at = now() + keep,
            lane = NULL, due_at = NULL, variants = '[]'
        WHERE id = asked AND owner_id = viewer_id() AND target_type IS NULL AND status <> 'failed' RETURNING id)
    SELECT EXISTS (SELECT FROM dropped)
$$;
GRANT EXECUTE ON FUNCTION drop_media TO daira_app;

-- Use these files of the viewer in the order of `asked`, in what the viewer wrote. Returns the places in `asked`, from 0,
-- of those that cannot be used: of others, used already, unfinished, failed, of the wrong kind, or named twice. Returns
-- null if the viewer did not write it. Comments have images, users too: a new one replaces the one before.
CREATE OR REPLACE FUNCTION use_media(asked bigint[], type text, target bigint, seq integer DEFAULT NULL)
    RETURNS integer[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    places integer[];
    may boolean;
BEGIN
    may := CASE type
        WHEN 'post' THEN EXISTS (SELECT FROM posts p WHERE p.id = target AND p.author_id = viewer_id()
                                 AND p.status = 'published')
        WHEN 'comment' THEN EXISTS (SELECT FROM comments c WHERE c.id = target AND c.author_id = viewer_id()
                                    AND c.status = 'published')
        WHEN 'message' THEN EXISTS (SELECT FROM chat_messages m WHERE m.chat_id = target AND m.seq = use_media.seq
                                    AND m.sender_id = viewer_id() AND m.deleted_at IS NULL)
        WHEN 'user' THEN target = viewer_id()
        ELSE false END;
    IF NOT may THEN RETURN NULL; END IF;
    IF type = 'user' THEN
        DELETE FROM media m WHERE m.target_type = 'user' AND m.target_id = target;
    END IF;
    WITH wanted AS (
        SELECT w.id, min(w.place)::integer AS place FROM unnest(asked) WITH ORDINALITY AS w (id, place) GROUP BY w.id
    ), used AS (
        UPDATE media m SET target_type = type, target_id = target, target_seq = seq, position = w.place - 1,
            expires_at = NULL
        FROM wanted w WHERE m.id = w.id AND m.owner_id = viewer_id() AND m.target_type IS NULL
            AND m.status IN ('processing', 'ready') AND (type <> 'comment' OR m.kind = 'image')
            AND (type <> 'user' OR m.kind = 'image' AND m.status = 'ready') RETURNING w.place)
    SELECT array_agg(w.place::integer - 1 ORDER BY w.place) INTO places
    FROM unnest(asked) WITH ORDINALITY AS w (id, place) WHERE w.place NOT IN (SELECT u.place FROM used u);
    RETURN coalesce(places, '{}');
END $$;
GRANT EXECUTE ON FUNCTION use_media TO daira_app;

-- Record the duration that a worker found in a video, if the owner's quota has room for what was not declared.
CREATE OR REPLACE FUNCTION reserve_video(asked bigint, found_ms bigint, most_video_ms bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    file media;
    used bigint;
BEGIN
    SELECT * INTO file FROM media WHERE id = asked AND kind = 'video' AND status = 'processing';
    INSERT INTO media_usage (user_id) SELECT file.owner_id WHERE file.id IS NOT NULL ON CONFLICT DO NOTHING;
    SELECT video_ms INTO used FROM media_usage WHERE user_id = file.owner_id FOR UPDATE;
    IF used - coalesce(file.duration_ms, 0) + found_ms > most_video_ms THEN RETURN false; END IF;
    UPDATE media SET duration_ms = found_ms WHERE id = file.id;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reserve_video TO daira_worker;

-- Record where the copies of a file for everybody are, or with null only ask whether there may be some. Returns false
-- if not everybody may see the file, or if it has copies. Whoever narrows the post or the account waits, and then finds
-- the copies.
CREATE OR REPLACE FUNCTION publish_media(asked bigint, copies text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    file media;
BEGIN
    SELECT * INTO file FROM media WHERE id = asked AND is_shown(standing) FOR SHARE;
    CASE file.target_type
    WHEN 'post' THEN
        PERFORM FROM posts p JOIN users u ON u.id = p.author_id
            WHERE p.id = file.target_id AND p.status = 'published' AND p.visibility = 'public' AND u.status = 'active'
                AND NOT u.is_private FOR SHARE;
    WHEN 'user' THEN
        PERFORM FROM users u WHERE u.id = file.target_id AND u.status = 'active' FOR SHARE;
    ELSE
        RETURN false;
    END CASE;
    IF NOT FOUND OR copies IS NULL THEN
        RETURN FOUND AND file.public_key IS NULL AND file.status = 'ready' AND file.lane IS NULL;
    END IF;
    UPDATE media SET public_key = copies WHERE id = asked AND public_key IS NULL AND status = 'ready' AND lane IS NULL;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION publish_media TO daira_worker;

-- The files of that thing, or the file itself. `seq` is that of a message.
CREATE OR REPLACE FUNCTION files_of(type text, target bigint, seq integer) RETURNS SETOF media
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 5 AS $$
    SELECT m.* FROM media m WHERE type = 'media' AND m.id = target
    UNION ALL
    SELECT m.* FROM media m
    WHERE m.target_type = type AND m.target_id = target AND (type <> 'message' OR m.target_seq = seq)
$$;

-- All objects of the file are copied from `from_key` to `to_key`: signed URLs of before are to reach nothing any more.
-- Returns false if the file is gone and no case holds it, or if it has got other objects since it had those variants and that lane. Whoever processes
-- it loses the lease, and begins again at the new key.
CREATE OR REPLACE FUNCTION move_media(asked bigint, from_key text, had jsonb, was_in text, to_key text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE media m SET object_key = to_key, started_at = NULL, due_at = CASE WHEN m.lane IS NOT NULL THEN now() END
    WHERE m.id = asked AND m.object_key = from_key AND m.status IN ('processing', 'ready') AND m.variants = had
      AND m.lane IS NOT DISTINCT FROM was_in;
    IF NOT FOUND THEN
        UPDATE case_files f SET object_key = to_key WHERE f.media_id = asked AND f.object_key = from_key;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'media.deleted', asked::text,
        convert_to(jsonb_build_object('v', 1, 'media_id', asked, 'prefixes', ARRAY [from_key])::text, 'UTF8'));
    -- If it is shown again already, it may not have been found where it was to be copied from.
    PERFORM tell_of_finished(ARRAY [asked]) FROM media m WHERE m.id = asked AND is_shown(m.standing);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION move_media TO daira_worker;

-- Tell again that files of the user are finished, so that they may be copied for everybody: at most `amount` of those
-- that have no copies, with ids below `before`, the newest first. Returns where the next ones begin; null at the end.
CREATE OR REPLACE FUNCTION finish_again(person bigint, before bigint, amount integer) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS MATERIALIZED (
        SELECT m.id FROM media m WHERE m.owner_id = person AND m.id < before AND m.status = 'ready' AND m.lane IS NULL
            AND m.target_type IN ('post', 'user') AND m.public_key IS NULL ORDER BY m.id DESC LIMIT amount
    ), told AS (
        INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), 'media.finished', f.id::text,
               convert_to(jsonb_build_object('v', 1, 'media_id', f.id)::text, 'UTF8') FROM found f)
    SELECT CASE WHEN count(*) = amount THEN min(f.id) END FROM found f
$$;
GRANT EXECUTE ON FUNCTION finish_again TO daira_worker;

-- Tell that files of the user are closed, while the user is suspended or banned: at most `amount` of those that others
-- may have seen, with ids below `before`, the newest first. Files in chats stay open to their readers. Returns where the
-- next ones begin; null at the end.
CREATE OR REPLACE FUNCTION close_files(person bigint, before bigint, amount integer) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS MATERIALIZED (
        SELECT m.id FROM media m WHERE m.owner_id = person AND m.id < before AND m.status IN ('processing', 'ready')
            AND m.target_type IN ('post', 'comment', 'user', 'room') AND is_shown(m.standing)
            AND EXISTS (SELECT FROM users u WHERE u.id = person AND u.status IN ('suspended', 'banned'))
        ORDER BY m.id DESC LIMIT amount
    ), told AS (
        INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), 'media.closed', f.id::text,
               convert_to(jsonb_build_object('v', 1, 'media_id', f.id)::text, 'UTF8') FROM found f ORDER BY f.id DESC)
    SELECT CASE WHEN count(*) = amount THEN min(f.id) END FROM found f
$$;
GRANT EXECUTE ON FUNCTION close_files TO daira_worker;

---------------------------------------------------------------------------------------------------- triggers

-- Recordings of rooms take nothing of a quota: workers add them.
CREATE OR REPLACE FUNCTION media_counted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was boolean := TG_OP <> 'INSERT' AND OLD.status <> 'failed' AND OLD.target_type IS DISTINCT FROM 'room';
    stays boolean := TG_OP <> 'DELETE' AND NEW.status <> 'failed' AND NEW.target_type IS DISTINCT FROM 'room';
BEGIN
    INSERT INTO media_usage (user_id) SELECT NEW.owner_id WHERE TG_OP = 'INSERT' ON CONFLICT DO NOTHING;
    UPDATE media_usage SET
        bytes = bytes - CASE WHEN was THEN OLD.size_bytes ELSE 0 END + CASE WHEN stays THEN NEW.size_bytes ELSE 0 END,
        video_ms = video_ms - CASE WHEN was AND OLD.kind = 'video' THEN coalesce(OLD.duration_ms, 0) ELSE 0 END
            + CASE WHEN stays AND NEW.kind = 'video' THEN coalesce(NEW.duration_ms, 0) ELSE 0 END
    WHERE user_id = coalesce(NEW.owner_id, OLD.owner_id);
    RETURN NULL;
END $$;

-- Write the event that the owner of a file has changed its description, or that objects with these beginnings of keys are
-- to be deleted.
CREATE OR REPLACE FUNCTION media_told() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    file media := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    is_gone boolean := TG_OP = 'DELETE' OR NEW.status = 'failed';
    event jsonb := jsonb_build_object('v', 1, 'media_id', file.id);
    is_held boolean;
    prefixes text[];
BEGIN
    IF TG_NAME = 'media_described' THEN
        NULL; -- the id is enough
    ELSIF TG_NAME = 'media_processed' THEN
        event := event || jsonb_build_object('prefixes', ARRAY [file.object_key || 'original']);
    ELSE
        is_held := TG_OP = 'DELETE' AND leave_to_cases(OLD);
        prefixes := array_remove(ARRAY [CASE WHEN is_gone AND NOT is_held THEN file.object_key END,
                                        CASE WHEN is_gone OR OLD.public_key IS DISTINCT FROM NEW.public_key
                                            THEN OLD.public_key END], NULL);
        IF prefixes = '{}' THEN RETURN NULL; END IF;
        event := event || jsonb_build_object('prefixes', prefixes, 'upload_id', CASE WHEN is_gone THEN file.upload_id END);
    END IF;
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), CASE TG_NAME WHEN 'media_described' THEN 'media.described' ELSE 'media.deleted' END, file.id::text,
        convert_to(event::text, 'UTF8'));
    RETURN NULL;
END $$;

-- A post or a user uses a file, and all its variants are made: an event makes workers copy it for the CDN if it is public.
CREATE OR REPLACE FUNCTION media_finished() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'media.finished', NEW.id::text,
        convert_to(jsonb_build_object('v', 1, 'media_id', NEW.id)::text, 'UTF8'));
    RETURN NULL;
END $$;

-- The user of a file was deleted, so its files are too; or it is no longer public, so their public copies are deleted.
CREATE OR REPLACE FUNCTION media_lost() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_ARGV[0] = 'message' THEN
        IF TG_OP = 'DELETE' OR NEW.deleted_at IS NOT NULL THEN
            DELETE FROM media WHERE target_type = 'message' AND target_id = OLD.chat_id AND target_seq = OLD.seq;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM media WHERE target_type = TG_ARGV[0] AND target_id = OLD.id;
    ELSIF NEW.status = 'deleted' THEN
        DELETE FROM media WHERE target_type = TG_ARGV[0] AND target_id = OLD.id;
    ELSIF TG_ARGV[0] = 'post' THEN
        UPDATE media SET public_key = NULL
        WHERE target_type = 'post' AND target_id = OLD.id AND public_key IS NOT NULL AND NEW.visibility <> 'public';
    END IF;
    RETURN NULL;
END $$;

-- An account is deleted: the sweeper deletes its files, a few at a time. Or it turns private: copies of files of its
-- posts go, in the same transaction. Or everybody may see it again: an event lets workers copy them again. Or it is
-- suspended or banned: an event lets workers close its files.
CREATE OR REPLACE FUNCTION media_of_user_lost() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.status = 'deleted' AND OLD.status <> 'deleted' THEN
        UPDATE media SET expires_at = now(), public_key = NULL WHERE owner_id = NEW.id;
    ELSIF NEW.is_private AND NOT OLD.is_private OR NEW.status <> 'active' AND OLD.status = 'active' THEN
        UPDATE media SET public_key = NULL
        WHERE owner_id = NEW.id AND public_key IS NOT NULL AND (target_type <> 'user' OR NEW.status <> 'active');
    ELSIF NEW.status = 'active' AND (OLD.status <> 'active' OR OLD.is_private AND NOT NEW.is_private) THEN
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'media.owner_opened', NEW.id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', NEW.id)::text, 'UTF8'));
    END IF;
    IF NEW.status IN ('suspended', 'banned') AND OLD.status = 'active' THEN
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'media.owner_closed', NEW.id::text,
            convert_to(jsonb_build_object('v', 1, 'user_id', NEW.id)::text, 'UTF8'));
    END IF;
    RETURN NULL;
END $$;

---------------------------------------------------------------------------------------------------- metrics

CREATE OR REPLACE FUNCTION media_backlog() RETURNS TABLE (lane text, files bigint, age double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT lanes.lane, count(due.due_at), greatest(0, coalesce(extract(epoch FROM now() - min(due.due_at)), 0))::float8
    FROM unnest(ARRAY ['quick', 'bulk']) AS lanes (lane)
    LEFT JOIN LATERAL (SELECT m.due_at FROM media m WHERE m.lane = lanes.lane LIMIT 100000) due ON true
    GROUP BY lanes.lane
$$;
GRANT EXECUTE ON FUNCTION media_backlog TO daira_app, daira_worker;
