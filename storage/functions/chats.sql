-- Chats: who sees and writes in one, and the list of a user's chats.

-- Whether the user sees the chat: active members do, and users whom a request waits for. A block between its two users
-- hides a direct chat from both.
CREATE OR REPLACE FUNCTION chat_visible_to(person bigint, chat bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM public.chat_members m JOIN public.chats c ON c.id = m.chat_id
        WHERE m.chat_id = chat AND m.user_id = person AND m.state <> 'left'
          AND NOT EXISTS (SELECT FROM public.blocks_between(c.low_id, c.high_id)));

CREATE OR REPLACE FUNCTION sees_chat(chat bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN public.chat_visible_to(public.viewer_id(), chat);
GRANT EXECUTE ON FUNCTION sees_chat TO daira_app;

-- The numbers of those pairs where the user sees the chat. For the viewer alone, or for all without one.
CREATE OR REPLACE FUNCTION who_see_chats(chats bigint[], people bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pair.number FROM unnest(chats, people) WITH ORDINALITY AS pair (chat, person, number)
    WHERE (viewer_id() IS NULL OR pair.person = viewer_id()) AND chat_visible_to(pair.person, pair.chat)
$$;
GRANT EXECUTE ON FUNCTION who_see_chats TO daira_app;

-- Whether the viewer is an active member of the chat and sees it.
CREATE OR REPLACE FUNCTION writes_in_chat(chat bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.chat_members m
                   WHERE m.chat_id = chat AND m.user_id = public.viewer_id() AND m.state = 'active')
        AND public.sees_chat(chat);
GRANT EXECUTE ON FUNCTION writes_in_chat TO daira_app;

-- Whether the viewer is the owner or an admin of the group.
CREATE OR REPLACE FUNCTION moderates_chat(chat bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (SELECT FROM public.chat_members m
                   WHERE m.chat_id = chat AND m.user_id = public.viewer_id() AND m.state = 'active'
                     AND m.role IN ('owner', 'admin'));
GRANT EXECUTE ON FUNCTION moderates_chat TO daira_app;

-- The active members whom typing in the chat is shown to; null if the viewer may not write there. Nobody is shown
-- typing in a large group, nor in a direct chat that waits as a request.
CREATE OR REPLACE FUNCTION chat_typing_audience(chat bigint, largest integer) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ARRAY(SELECT m.user_id FROM chat_members m
                 WHERE c.member_count <= largest AND m.chat_id = c.id AND m.state = 'active'
                   AND m.user_id <> viewer_id())
    FROM chats c WHERE c.id = chat AND writes_in_chat(chat)
$$;
GRANT EXECUTE ON FUNCTION chat_typing_audience TO daira_app;

---------------------------------------------------------------------------------------------------- the list

-- A page of the ids of the viewer's chats, those with the newest message first. With `since`: chats of every state that
-- changed in this or a later transaction, also those that the viewer left or no longer sees; `since_at` is the time when
-- the viewer asked before. The place of one that the viewer left does not reveal when others write in it.
-- Both read chats near the page, or changed since, by the marks of members (r0014). OFFSET 0 keeps these a lookup each:
-- a hash join would read the chats of all users. Above the sort, it keeps the check of blocks to the rows of the page.
CREATE OR REPLACE FUNCTION chat_page(since xid8, since_at timestamptz, wanted text, before_at timestamptz,
                                     before_id bigint, amount integer)
    RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- The end of a page whose chats come by their marks. No chat with an earlier mark has a newer message.
    least_at timestamptz;
BEGIN
    before_id := coalesce(before_id, 9223372036854775807);
    before_at := coalesce(before_at, 'infinity');
    -- A version of the future comes from a database that was restored since.
    IF since <= pg_snapshot_xmax(pg_current_snapshot()) THEN
        RETURN QUERY SELECT c.id FROM chat_members m
        CROSS JOIN LATERAL (
            SELECT chats.id, version, CASE m.state WHEN 'left' THEN m.joined_at ELSE last_at END AS last_at
            FROM chats WHERE chats.id = m.chat_id OFFSET 0) c
        WHERE m.user_id = viewer_id() AND (m.version >= since OR m.state <> 'left' AND c.version >= since)
          AND m.changed_until > since_at - interval '1 hour' -- no transaction runs so long
          AND (c.last_at, c.id) < (before_at, before_id)
        ORDER BY c.last_at DESC, c.id DESC LIMIT amount;
        RETURN;
    END IF;
    SELECT CASE count(*) WHEN amount THEN min(first.last_at) ELSE '-infinity' END INTO least_at FROM (
        SELECT c.last_at FROM chat_members m
        CROSS JOIN LATERAL (SELECT * FROM chats WHERE chats.id = m.chat_id OFFSET 0) c
        WHERE m.user_id = viewer_id() AND m.state = wanted AND m.listed_until <= before_at + interval '1 day'
          AND (c.last_at, c.id) < (before_at, before_id) AND (c.kind = 'group' OR sees_chat(c.id))
        ORDER BY m.listed_until DESC LIMIT amount) first;
    RETURN QUERY SELECT page.id FROM (
        SELECT c.id, c.kind FROM chat_members m
        CROSS JOIN LATERAL (SELECT * FROM chats WHERE chats.id = m.chat_id OFFSET 0) c
        WHERE m.user_id = viewer_id() AND m.state = wanted
          AND m.listed_until BETWEEN least_at AND before_at + interval '1 day'
          AND (c.last_at, c.id) < (before_at, before_id)
        ORDER BY c.last_at DESC, c.id DESC OFFSET 0) page
    WHERE page.kind = 'group' OR sees_chat(page.id) LIMIT amount;
END $$;
GRANT EXECUTE ON FUNCTION chat_page TO daira_app;

-- Those chats as the viewer sees them, in the order of `ids`. One that the viewer no longer sees is `left`, and shows
-- nothing more. `users`: both users of a direct chat.
CREATE OR REPLACE FUNCTION chat_entries(ids bigint[])
    RETURNS TABLE (id bigint, kind text, title text, member_count integer, last_seq integer,
                   created_at timestamptz, last_at timestamptz, users jsonb, role text, state text, first_seq integer,
                   received_seq integer, read_seq integer, muted_until timestamptz, unread integer, last_message json)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.id, c.kind, CASE WHEN s.sees THEN c.title ELSE '' END,
           CASE WHEN s.sees THEN c.member_count ELSE 0 END,
           CASE WHEN s.sees THEN c.last_seq ELSE 0 END,
           c.created_at,
           CASE m.state WHEN 'left' THEN m.joined_at ELSE c.last_at END,
           CASE WHEN s.sees THEN chat_users(c.low_id, c.high_id) ELSE '[]' END,
           m.role,
           CASE WHEN s.sees THEN m.state ELSE 'left' END,
           m.first_seq, m.received_seq, m.read_seq, m.muted_until,
           CASE WHEN s.sees THEN chat_unread(m.user_id, c.id, greatest(m.read_seq, m.first_seq - 1), s.hidden)
                ELSE 0 END,
           CASE WHEN s.sees THEN (
               SELECT row_to_json(shown) FROM shown_chat_messages(
                   m.user_id, c.id, greatest(m.first_seq, c.last_seq - 199), c.last_seq, 1, s.hidden) shown) END
    FROM unnest(ids) WITH ORDINALITY AS asked (id, number)
    JOIN chats c ON c.id = asked.id
    JOIN chat_members m ON m.chat_id = c.id AND m.user_id = viewer_id()
    CROSS JOIN (SELECT hidden_ids(viewer_id()) AS ids OFFSET 0) mine
    CROSS JOIN LATERAL (
        SELECT sees_chat(c.id) AS sees, CASE c.kind WHEN 'group' THEN mine.ids ELSE '{}' END AS hidden) s
    ORDER BY asked.number
$$;
GRANT EXECUTE ON FUNCTION chat_entries TO daira_app;

-- The users of a direct chat as JSON, those whom the viewer may see.
CREATE OR REPLACE FUNCTION chat_users(low bigint, high bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', u.id::text, 'username', u.username, 'display_name', u.display_name, 'avatar_url', u.avatar_url,
        'is_verified', u.is_verified) ORDER BY u.id), '[]')
    FROM users u WHERE u.id IN (low, high) AND u.status = 'active'
$$;
GRANT EXECUTE ON FUNCTION chat_users TO daira_worker;

---------------------------------------------------------------------------------------------------- changes

-- Each change of a chat or a member gets the version by which devices find it, within the marks of r0014.
CREATE OR REPLACE FUNCTION chat_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    passes boolean := NEW.last_at > OLD.listed_until;
BEGIN
    NEW.version := pg_current_xact_id();
    IF passes OR clock_timestamp() > OLD.changed_until THEN
        NEW.listed_until := CASE WHEN passes THEN NEW.last_at + interval '1 day' ELSE OLD.listed_until END;
        NEW.changed_until := clock_timestamp() + interval '1 day';
        -- In the order in which a block locks them.
        PERFORM FROM chat_members m WHERE m.chat_id = NEW.id AND m.state <> 'left' ORDER BY m.user_id FOR NO KEY UPDATE;
        UPDATE chat_members m SET listed_until = NEW.listed_until, changed_until = NEW.changed_until
        WHERE m.chat_id = NEW.id AND m.state <> 'left';
    END IF;
    RETURN NEW;
END $$;

-- A block or its end changes what both users see of the chats that they share. Locked in the order of ids.
CREATE OR REPLACE FUNCTION chats_blocked() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one bigint := coalesce(NEW.blocker_id, OLD.blocker_id);
    other bigint := coalesce(NEW.blocked_id, OLD.blocked_id);
BEGIN
    PERFORM FROM chat_members m
    WHERE m.user_id IN (one, other) AND m.chat_id IN (
        SELECT chat_id FROM chat_members WHERE user_id = one INTERSECT
        SELECT chat_id FROM chat_members WHERE user_id = other)
    ORDER BY m.chat_id, m.user_id FOR UPDATE;
    UPDATE chat_members m SET version = pg_current_xact_id()
    WHERE m.user_id IN (one, other) AND m.chat_id IN (
        SELECT chat_id FROM chat_members WHERE user_id = one INTERSECT
        SELECT chat_id FROM chat_members WHERE user_id = other);
    RETURN NULL;
END $$;

-- Whether the viewer may add this event to the outbox; see `may_tell_of_graph`.
CREATE OR REPLACE FUNCTION may_tell_of_chat(topic text, key text, event jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me text := viewer_id();
    chat bigint := event ->> 'chat_id';
BEGIN
    IF key IS DISTINCT FROM event ->> 'chat_id' THEN
        RETURN false;
    END IF;
    CASE topic
    WHEN 'chat.changed' THEN -- also by a member who has just left
        RETURN me = event ->> 'actor_id'
            AND EXISTS (SELECT FROM chat_members m WHERE m.chat_id = chat AND m.user_id = viewer_id());
    WHEN 'chat.message_changed' THEN
        RETURN me = event ->> 'actor_id' AND writes_in_chat(chat)
            AND sees_chat_message(chat, (event ->> 'seq')::integer);
    WHEN 'chat.marked' THEN
        RETURN me = event ->> 'user_id' AND sees_chat(chat);
    WHEN 'chat.message_sent' THEN
        RETURN writes_in_chat(chat) AND EXISTS (
            SELECT FROM chat_messages m WHERE m.chat_id = chat AND m.seq = (event ->> 'first_seq')::integer
                AND m.sender_id = viewer_id() AND event ->> 'last_seq' = event ->> 'first_seq');
    ELSE
        RETURN false;
    END CASE;
END $$;
GRANT EXECUTE ON FUNCTION may_tell_of_chat TO daira_app;

-- Whether the other user of the viewer's direct chat has not accepted it; null if the viewer is not in the chat.
CREATE OR REPLACE FUNCTION chat_waits(chat bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.kind = 'direct' AND EXISTS (
        SELECT FROM chat_members o WHERE o.chat_id = chat AND o.user_id <> m.user_id AND o.state <> 'active')
    FROM chats c JOIN chat_members m ON m.chat_id = c.id AND m.user_id = viewer_id()
    WHERE c.id = chat
$$;
GRANT EXECUTE ON FUNCTION chat_waits TO daira_app;
