-- Effects of decisions on things and people: their standing and labels, and how viewers see labels.

-- Whether everybody who may see the thing by its other rules sees it. What is shadowed, held or removed is withheld: its
-- author alone sees it.
CREATE OR REPLACE FUNCTION is_shown(standing text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN standing IN ('visible', 'limited');
GRANT EXECUTE ON FUNCTION is_shown TO daira_app, daira_worker;

---------------------------------------------------------------------------------------------------- labels

-- Whether such a label keeps a thing of others from that user, also when asked for by its id.
CREATE OR REPLACE FUNCTION too_young_for(labels text[], person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT labels && ARRAY ['sexual', 'graphic'] AND is_minor(person) $$;

-- Whether such a label keeps a thing of others from the viewer. Policies call it.
CREATE OR REPLACE FUNCTION viewer_too_young(labels text[]) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.too_young_for(labels, public.viewer_id());
GRANT EXECUTE ON FUNCTION viewer_too_young TO daira_app, daira_worker;

-- The labels that hide things from the viewer's lists. Users below 18 never see what is sexual or graphic.
CREATE OR REPLACE FUNCTION hidden_labels() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ARRAY (
        SELECT l.label
        FROM unnest(ARRAY ['sensitive', 'violence', 'sexual', 'spoiler', 'misleading', 'graphic']) AS l (label)
        WHERE coalesce((SELECT a.label_choices ->> l.label FROM accounts a WHERE a.user_id = viewer_id()),
                       CASE l.label WHEN 'sexual' THEN 'hide' END) = 'hide'
           OR l.label IN ('sexual', 'graphic') AND is_minor(viewer_id()))
$$;
GRANT EXECUTE ON FUNCTION hidden_labels TO daira_app, daira_worker;

-- Whether one of these labels hides a thing from the viewer's lists. Without SECURITY DEFINER, so that it becomes part of
-- its caller's plan: most things have no labels, and cost nothing.
CREATE OR REPLACE FUNCTION viewer_hides(labels text[]) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN labels <> '{}' AND labels && public.hidden_labels();
GRANT EXECUTE ON FUNCTION viewer_hides TO daira_app, daira_worker;

---------------------------------------------------------------------------------------------------- enforcing

-- The standing that follows from the decisions in force. Decisions before the newest `approve` do not count.
-- `seq` is that of a chat message, and 0 for all else.
CREATE OR REPLACE FUNCTION decided(type text, target bigint, seq integer, OUT standing text, OUT labels text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    WITH open AS (
        SELECT d.id, d.action, d.labels FROM decisions d
        WHERE d.target_type = type AND d.target_id = target AND d.target_seq = seq AND d.ended_at IS NULL
          AND (d.until IS NULL OR d.until > now())
    ), counted AS (
        SELECT o.* FROM open o
        WHERE o.id > coalesce((SELECT max(a.id) FROM open a WHERE a.action = 'approve'), 0)
    )
    SELECT CASE max(CASE c.action WHEN 'remove' THEN 4 WHEN 'hold' THEN 3 WHEN 'shadow' THEN 2 WHEN 'limit' THEN 1 END)
               WHEN 4 THEN 'removed' WHEN 3 THEN 'held' WHEN 2 THEN 'shadowed' WHEN 1 THEN 'limited'
               ELSE 'visible' END,
           ARRAY (SELECT DISTINCT unnest(o.labels) AS label FROM counted o ORDER BY label)
    INTO standing, labels FROM counted c;
END $$;

-- Makes a thing or a user what the standing decisions say, whoever decided; so undoing a decision restores what the
-- others leave. Safe to repeat, and harmless for any caller. It acts without a viewer: rules about what users may change
-- do not bind it.
CREATE OR REPLACE FUNCTION enforce(target_type text, target_id bigint, target_seq integer DEFAULT 0) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    viewer text := coalesce(current_setting('app.user_id', true), '');
    state record;
BEGIN
    PERFORM set_config('app.user_id', '', true);
    PERFORM hold('enforce:' || target_type, target_id);
    IF target_type = 'user' THEN
        PERFORM enforce_on_user(target_id);
    ELSE
        SELECT d.standing, d.labels INTO state FROM decided(target_type, target_id, target_seq) d;
        CASE target_type
        WHEN 'post' THEN PERFORM enforce_on_post(target_id, state.standing, state.labels);
        WHEN 'room' THEN PERFORM enforce_on_room(target_id, state.standing, state.labels);
        WHEN 'comment' THEN
            UPDATE comments c SET standing = state.standing, labels = state.labels
            WHERE c.id = target_id AND (c.standing, c.labels) IS DISTINCT FROM (state.standing, state.labels);
        WHEN 'message' THEN
            UPDATE chat_messages m SET standing = state.standing, labels = state.labels
            WHERE m.chat_id = target_id AND m.seq = target_seq
              AND (m.standing, m.labels) IS DISTINCT FROM (state.standing, state.labels);
        WHEN 'room_message' THEN -- it is deleted for all; one that its sender or a host has deleted stays so
            UPDATE room_messages m SET is_removed = NOT m.is_removed,
                deleted_at = CASE WHEN m.is_removed THEN NULL ELSE now() END
            WHERE m.id = target_id AND m.is_removed <> (state.standing = 'removed')
              AND (m.is_removed OR m.deleted_at IS NULL);
        WHEN 'media' THEN
            UPDATE media m SET standing = state.standing, labels = state.labels,
                public_key = CASE WHEN is_shown(state.standing) THEN m.public_key END
            WHERE m.id = enforce.target_id AND (m.standing, m.labels) IS DISTINCT FROM (state.standing, state.labels);
            PERFORM tell_of_finished(ARRAY [target_id]) WHERE is_shown(state.standing);
        END CASE;
        PERFORM withhold_files(target_type, target_id, target_seq) WHERE NOT is_shown(state.standing);
        PERFORM remember_removed(target_type, target_id, target_seq);
    END IF;
    PERFORM set_config('app.user_id', viewer, true);
END $$;

-- A post that is not simply visible leaves trends and hashtag pages at once; workers enter it again when it is back.
CREATE OR REPLACE FUNCTION enforce_on_post(post bigint, becomes text, labelled text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE posts p SET standing = becomes, labels = labelled, visibility = seen.visibility, circle_id = seen.circle_id,
        chosen_visibility = seen.chosen_visibility, chosen_circle_id = seen.chosen_circle_id
    FROM posts o CROSS JOIN LATERAL narrowed(o.visibility, o.circle_id, o.chosen_visibility, o.chosen_circle_id, becomes) seen
    WHERE p.id = post AND o.id = post AND (p.standing, p.labels) IS DISTINCT FROM (becomes, labelled);
    IF becomes = 'visible' THEN
        PERFORM tell_of_finished(ARRAY (
            SELECT m.id FROM media m WHERE m.target_type = 'post' AND m.target_id = post));
    ELSE
        DELETE FROM post_tags t WHERE t.post_id = post;
        PERFORM forget_uses(post, '{}');
        DELETE FROM post_heat h WHERE h.post_id = post;
    END IF;
END $$;

-- A live room that is held or removed ends, and is not opened again if that is undone.
CREATE OR REPLACE FUNCTION enforce_on_room(room bigint, becomes text, labelled text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE rooms r SET standing = becomes, labels = labelled, visibility = seen.visibility, circle_id = seen.circle_id,
        chosen_visibility = seen.chosen_visibility, chosen_circle_id = seen.chosen_circle_id, version = r.version + 1
    FROM rooms o CROSS JOIN LATERAL narrowed(o.visibility, o.circle_id, o.chosen_visibility, o.chosen_circle_id, becomes) seen
    WHERE r.id = room AND o.id = room AND (r.standing, r.labels) IS DISTINCT FROM (becomes, labelled);
    IF becomes IN ('held', 'removed') THEN
        PERFORM end_room(room);
    END IF;
END $$;

-- The audience of a post or a room with that standing, and the one that its author chose, if that is another.
CREATE OR REPLACE FUNCTION narrowed(INOUT visibility text, INOUT circle_id bigint, INOUT chosen_visibility text,
                                    INOUT chosen_circle_id bigint, becomes text)
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF is_shown(becomes) AND chosen_visibility IS NOT NULL THEN
        visibility := chosen_visibility;
        circle_id := chosen_circle_id;
        chosen_visibility := NULL;
        chosen_circle_id := NULL;
    ELSIF NOT is_shown(becomes) AND chosen_visibility IS NULL THEN
        chosen_visibility := visibility;
        chosen_circle_id := circle_id;
        visibility := 'private';
        circle_id := NULL;
    END IF;
END $$;

-- Ends the room if it is live, and writes the event.
CREATE OR REPLACE FUNCTION end_room(room bigint) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    WITH ended AS (
        UPDATE rooms r SET state = 'ended', ended_at = now(), version = r.version + 1
        WHERE r.id = room AND r.state = 'live' RETURNING r.id)
    INSERT INTO outbox (id, topic, key, payload)
    SELECT mint_id(), 'room.closed', e.id::text,
           convert_to(jsonb_build_object('v', 1, 'room_id', e.id)::text, 'UTF8') FROM ended e
$$;

-- Files that have no copies for everybody may be copied again.
CREATE OR REPLACE FUNCTION tell_of_finished(files bigint[]) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO outbox (id, topic, key, payload)
    SELECT mint_id(), 'media.finished', m.id::text,
           convert_to(jsonb_build_object('v', 1, 'media_id', m.id)::text, 'UTF8')
    FROM media m WHERE m.id = ANY (files) AND m.status = 'ready' AND m.lane IS NULL AND m.public_key IS NULL
      AND m.target_type IN ('post', 'user')
$$;

-- Signed URLs of the files of a withheld thing are to reach nothing any more.
CREATE OR REPLACE FUNCTION withhold_files(type text, target bigint, seq integer) RETURNS void
    LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT tell_of_withheld(m.id) FROM files_of(type, target, seq) m WHERE m.status IN ('processing', 'ready')
$$;

CREATE OR REPLACE FUNCTION tell_of_withheld(file bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'media.withheld', file::text, convert_to(jsonb_build_object('v', 1, 'media_id', file)::text, 'UTF8'))
$$;

-- Bans and suspends a user, or lets the user back in. A trigger ends the sessions of users who are not active any more,
-- and their live rooms end.
CREATE OR REPLACE FUNCTION enforce_on_user(person bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    becomes text;
    ends timestamptz;
BEGIN
    SELECT CASE WHEN bool_or(d.action = 'ban') THEN 'banned' WHEN count(*) > 0 THEN 'suspended' ELSE 'active' END,
           CASE WHEN NOT bool_or(d.action = 'ban' OR d.until IS NULL) THEN max(d.until) END
    INTO becomes, ends FROM decisions d
    WHERE d.target_type = 'user' AND d.target_id = person AND d.action IN ('suspend', 'ban')
      AND d.ended_at IS NULL AND (d.until IS NULL OR d.until > now());
    UPDATE users u SET suspended_until = ends WHERE u.id = person AND u.suspended_until IS DISTINCT FROM ends;
    UPDATE users u SET status = becomes
    WHERE u.id = person AND u.status <> becomes AND (u.status IN ('suspended', 'banned') OR becomes <> 'active')
      AND u.status <> 'deleted';
    IF becomes <> 'active' THEN
        PERFORM end_room(r.id) FROM rooms r WHERE r.host_id = person AND r.state = 'live';
    END IF;
END $$;

---------------------------------------------------------------------------------------------------- for workers

-- The newest decision that withheld the thing, whether or not it stands; null if none ever did.
CREATE OR REPLACE FUNCTION withheld_by(type text, target bigint, seq integer) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT max(d.id) FROM decisions d
            WHERE d.target_type = type AND d.target_id = target AND d.target_seq = seq
              AND d.action IN ('shadow', 'hold', 'remove'));
END $$;
GRANT EXECUTE ON FUNCTION withheld_by TO daira_worker;

-- The newest decision whose labels kept the post or comment from users below 18, whether or not it stands; null if none
-- ever did.
CREATE OR REPLACE FUNCTION kept_from_minors_by(type text, target bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT max(d.id) FROM public.decisions d
            WHERE d.target_type = type AND d.target_id = target AND d.target_seq = 0
              AND d.labels && ARRAY ['sexual', 'graphic']);
GRANT EXECUTE ON FUNCTION kept_from_minors_by TO daira_worker;

-- The listed notifications of these people about the thing, at most 1,000. Those that they may not see any more are
-- dismissed on their devices.
CREATE OR REPLACE FUNCTION recheck_notifications(people bigint[], type text, target bigint)
    RETURNS TABLE (user_id bigint, notification_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found bigint[] := ARRAY (
        SELECT n.id FROM notifications n
        WHERE n.user_id = ANY (people) AND n.target_type = type AND n.target_id = target AND n.place = 'list'
        ORDER BY n.id DESC LIMIT 1000);
BEGIN
    PERFORM dismiss_deliveries(ARRAY (
        SELECT n.id FROM notifications n
        WHERE n.id = ANY (found) AND NOT target_visible_to(n.user_id, n.target_type, n.target_id)));
    RETURN QUERY SELECT n.user_id, n.id FROM notifications n WHERE n.id = ANY (found);
END $$;
GRANT EXECUTE ON FUNCTION recheck_notifications TO daira_worker;
