-- Members of chats: opening, adding, leaving, roles, and marks of what they have received and read.

-- Opens the direct chat with another user, under that new id unless there is one. Returns its id and what happened:
-- found | accepted | created | requested (the other user does not follow the viewer) | refused | blocked | missing.
CREATE OR REPLACE FUNCTION open_direct_chat(new_id bigint, other bigint, OUT chat bigint, OUT outcome text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    own text;
BEGIN
    PERFORM take_turn(me, other); -- one after the other with a block, a follow, and the same call by the other user
    IF EXISTS (SELECT FROM blocks WHERE blocker_id = me AND blocked_id = other) THEN
        outcome := 'blocked';
    END IF;
    IF me = other OR (SELECT count(*) FROM users u WHERE u.id IN (me, other) AND u.status = 'active') < 2
        OR EXISTS (SELECT FROM blocks WHERE blocker_id = other AND blocked_id = me) THEN
        outcome := 'missing';
    END IF;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT c.id INTO chat FROM chats c WHERE c.low_id = least(me, other) AND c.high_id = greatest(me, other);
    IF FOUND THEN
        SELECT m.state INTO own FROM chat_members m WHERE m.chat_id = chat AND m.user_id = me;
        outcome := CASE own WHEN 'active' THEN 'found' ELSE 'accepted' END;
        IF own = 'requested' THEN
            PERFORM accept_chat(chat);
        ELSIF own = 'left' THEN
            PERFORM place_in_chat(chat, me, 'member', 'active');
        END IF;
        RETURN;
    END IF;
    IF NOT admits(other, me, 'messages') THEN
        outcome := 'refused';
        RETURN;
    END IF;
    chat := new_id;
    outcome := CASE WHEN follows_now(other, me) THEN 'created' ELSE 'requested' END;
    INSERT INTO chats (id, kind, creator_id, low_id, high_id)
        VALUES (chat, 'direct', me, least(me, other), greatest(me, other));
    PERFORM place_in_chat(chat, me, 'member', 'active');
    PERFORM place_in_chat(chat, other, 'member', CASE outcome WHEN 'created' THEN 'active' ELSE 'requested' END);
END $$;
GRANT EXECUTE ON FUNCTION open_direct_chat TO daira_app;

CREATE OR REPLACE FUNCTION create_group_chat(new_id bigint, new_title text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO chats (id, kind, title, creator_id)
    SELECT new_id, 'group', new_title, u.id FROM users u WHERE u.id = viewer_id() AND u.status = 'active';
    IF FOUND THEN
        PERFORM place_in_chat(new_id, viewer_id(), 'owner', 'active');
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION create_group_chat TO daira_app;

-- Adds users to a group that the viewer moderates. Users who follow the viewer become members at once, others get a
-- request; users who do not admit the viewer's messages are left out. Returns those who are in the chat then.
CREATE OR REPLACE FUNCTION add_to_chat(chat bigint, people bigint[])
    RETURNS TABLE (user_id bigint, state text, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    person bigint;
    standing text;
BEGIN
    PERFORM FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    IF NOT moderates_chat(chat) THEN
        RETURN;
    END IF;
    FOR person IN SELECT u.id FROM users u
        WHERE u.id = ANY (people) AND u.id <> viewer_id() AND u.status = 'active' AND NOT blocks_viewer(u.id)
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer_id() AND b.blocked_id = u.id)
        ORDER BY u.id LOOP
        SELECT m.state INTO standing FROM chat_members m
        WHERE m.chat_id = chat AND m.user_id = person AND m.state <> 'left';
        IF FOUND THEN
            RETURN QUERY SELECT person, standing, false;
        ELSIF admits(person, viewer_id(), 'messages') THEN
            standing := CASE WHEN follows_now(person, viewer_id()) THEN 'active' ELSE 'requested' END;
            PERFORM place_in_chat(chat, person, 'member', standing);
            RETURN QUERY SELECT person, standing, true;
        END IF;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION add_to_chat TO daira_app;

-- Adds a user who is not in the chat; they see messages from now on. Locks the chat.
CREATE OR REPLACE FUNCTION place_in_chat(chat bigint, person bigint, given_role text, given_state text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last integer;
    listed timestamptz;
BEGIN
    SELECT c.last_seq, c.listed_until INTO last, listed FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM chat_members m WHERE m.chat_id = chat AND m.state <> 'left') >= 1000 THEN
        RAISE check_violation USING MESSAGE = 'a chat can have at most 1000 members', CONSTRAINT = 'bounded';
    END IF;
    INSERT INTO chat_members AS m (chat_id, user_id, role, state, first_seq, received_seq, read_seq, listed_until)
        VALUES (chat, person, given_role, given_state, last + 1, last, last, listed)
    ON CONFLICT (chat_id, user_id) DO UPDATE
        SET role = excluded.role, state = excluded.state, first_seq = excluded.first_seq,
            received_seq = excluded.received_seq, read_seq = excluded.read_seq, joined_at = now(),
            listed_until = excluded.listed_until
        WHERE m.state = 'left';
END $$;

-- Whether one user follows another. VOLATILE, to see what was committed while a statement waited for a lock.
CREATE OR REPLACE FUNCTION follows_now(follower bigint, followee bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM follows f
                   WHERE f.follower_id = follower AND f.followee_id = followee AND f.status = 'active');
END $$;

-- The viewer takes a request; the first to do so in a group without members becomes its owner. Returns false if none
-- waits.
CREATE OR REPLACE FUNCTION accept_chat(chat bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    UPDATE chat_members m SET state = 'active', joined_at = now(),
        role = CASE WHEN c.kind = 'group' AND c.member_count = 0 THEN 'owner' ELSE m.role END
    FROM chats c
    WHERE c.id = chat AND m.chat_id = chat AND m.user_id = viewer_id() AND m.state = 'requested';
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION accept_chat TO daira_app;

-- The viewer refuses a request, without a notification. Returns false if none waits.
CREATE OR REPLACE FUNCTION reject_chat(chat bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    UPDATE chat_members m SET state = 'left'
    WHERE m.chat_id = chat AND m.user_id = viewer_id() AND m.state = 'requested';
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reject_chat TO daira_app;

-- The viewer leaves a group. If its owner leaves, the member of the highest role who joined first becomes the owner.
-- Returns the new owner, or null.
CREATE OR REPLACE FUNCTION leave_chat(chat bigint, OUT is_done boolean, OUT heir bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    had text;
BEGIN
    PERFORM FROM chats c WHERE c.id = chat AND c.kind = 'group' FOR NO KEY UPDATE;
    is_done := FOUND;
    IF is_done THEN
        SELECT m.role INTO had FROM chat_members m
        WHERE m.chat_id = chat AND m.user_id = viewer_id() AND m.state = 'active' FOR UPDATE;
        is_done := FOUND;
    END IF;
    IF is_done THEN
        UPDATE chat_members m SET state = 'left', role = 'member'
        WHERE m.chat_id = chat AND m.user_id = viewer_id();
        IF had = 'owner' THEN
            UPDATE chat_members m SET role = 'owner'
            WHERE m.chat_id = chat AND m.user_id = (
                SELECT n.user_id FROM chat_members n JOIN users u ON u.id = n.user_id
                WHERE n.chat_id = chat AND n.state = 'active'
                ORDER BY u.status <> 'active', n.role, n.joined_at, n.user_id LIMIT 1) -- admin stands before member
            RETURNING m.user_id INTO heir;
        END IF;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION leave_chat TO daira_app;

-- Removes a user, or a request, from a group: the owner removes anybody else, an admin removes members. Returns whether
-- the viewer did.
CREATE OR REPLACE FUNCTION remove_from_chat(chat bigint, person bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    UPDATE chat_members m SET state = 'left', role = 'member'
    WHERE m.chat_id = chat AND m.user_id = person AND m.state <> 'left' AND person <> viewer_id()
      AND moderates_chat(chat) AND (m.role = 'member' OR owns_chat(chat));
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION remove_from_chat TO daira_app;

-- The owner gives an active member a role. A new owner replaces the viewer, who becomes an admin. Returns whether it
-- changed.
CREATE OR REPLACE FUNCTION set_chat_role(chat bigint, person bigint, given text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    IF NOT owns_chat(chat) OR person = viewer_id() THEN
        RETURN false;
    END IF;
    UPDATE chat_members m SET role = given
    WHERE m.chat_id = chat AND m.user_id = person AND m.state = 'active' AND m.role <> given;
    IF FOUND AND given = 'owner' THEN
        UPDATE chat_members m SET role = 'admin' WHERE m.chat_id = chat AND m.user_id = viewer_id();
        RETURN true;
    END IF;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION set_chat_role TO daira_app;

-- Whether the viewer is the owner of the group. VOLATILE: it is asked after a lock.
CREATE OR REPLACE FUNCTION owns_chat(chat bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM chat_members m WHERE m.chat_id = chat AND m.user_id = viewer_id()
                   AND m.state = 'active' AND m.role = 'owner');
END $$;

-- Members in the order of their ids, without users who block the viewer. Marks are null where the viewer may not know
-- them: of a request, in a chat of more than `receipts` members, and between users of whom one hides the other.
-- The other user of a direct chat who refused it is shown as if they had not decided.
CREATE OR REPLACE FUNCTION chat_members_for(chat bigint, after bigint, amount integer, receipts integer)
    RETURNS TABLE (user_id bigint, role text, state text, received_seq integer, read_seq integer, member users)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.user_id, m.role, CASE m.state WHEN 'left' THEN 'requested' ELSE m.state END,
           CASE WHEN known.are THEN m.received_seq END,
           CASE WHEN known.are THEN m.read_seq END, u
    FROM chat_members m JOIN users u ON u.id = m.user_id JOIN chats c ON c.id = m.chat_id
    CROSS JOIN (SELECT hidden_ids(viewer_id()) AS ids OFFSET 0) mine
    CROSS JOIN LATERAL (
        SELECT m.user_id = viewer_id() OR writes_in_chat(chat) AND m.state = 'active' AND c.member_count <= receipts
               AND (c.kind = 'direct' OR m.user_id <> ALL (mine.ids)) AS are) known
    WHERE m.chat_id = chat AND m.user_id > after AND (m.state <> 'left' OR c.kind = 'direct') AND sees_chat(chat)
      AND (u.status = 'active' AND NOT blocks_viewer(u.id) OR u.id = viewer_id())
    ORDER BY m.user_id LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION chat_members_for TO daira_app;

-- Members who have read the message, with the time; null if it is older than the steps that are kept. Not in chats of
-- more than `receipts` members.
CREATE OR REPLACE FUNCTION chat_read_by(chat bigint, message integer, receipts integer)
    RETURNS TABLE (user_id bigint, read_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.user_id,
           CASE WHEN r.seqs[1] < message OR cardinality(r.seqs) < 50
                THEN (SELECT min(step.at) FROM unnest(r.seqs, r.ats) AS step (seq, at) WHERE step.seq >= message) END
    FROM chats c JOIN chat_members m ON m.chat_id = c.id LEFT JOIN chat_reads r USING (chat_id, user_id)
    WHERE c.id = chat AND c.member_count <= receipts AND writes_in_chat(chat) AND sees_chat_message(chat, message)
      AND m.state = 'active' AND m.first_seq <= message AND m.read_seq >= message
      AND m.user_id <> (SELECT s.sender_id FROM chat_messages s WHERE s.chat_id = chat AND s.seq = message)
      AND (c.kind = 'direct' OR m.user_id <> ALL (hidden_ids(viewer_id())))
    ORDER BY m.user_id
$$;
GRANT EXECUTE ON FUNCTION chat_read_by TO daira_app;

---------------------------------------------------------------------------------------------------- triggers

-- Marks never go back, whoever writes them: read ≤ received ≤ the last message.
CREATE OR REPLACE FUNCTION chat_member_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last integer;
BEGIN
    IF (NEW.read_seq, NEW.received_seq) IS DISTINCT FROM (OLD.read_seq, OLD.received_seq) THEN
        SELECT c.last_seq INTO last FROM chats c WHERE c.id = NEW.chat_id;
        NEW.read_seq := greatest(OLD.read_seq, least(NEW.read_seq, last));
        NEW.received_seq := greatest(OLD.received_seq, least(NEW.received_seq, last), NEW.read_seq);
    END IF;
    IF OLD.state <> NEW.state OR clock_timestamp() > NEW.changed_until THEN -- a chat that is left moves no mark
        NEW.changed_until := clock_timestamp() + interval '1 day';
    END IF;
    NEW.version := pg_current_xact_id();
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION chat_members_counted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step integer := (NEW.state = 'active')::integer - (TG_OP = 'UPDATE' AND OLD.state = 'active')::integer;
BEGIN
    IF step <> 0 THEN -- otherwise its version would reveal to others that a request was refused
        UPDATE chats c SET member_count = member_count + step WHERE c.id = NEW.chat_id;
    END IF;
    RETURN NULL;
END $$;

-- Appends a step to the log of the member's read mark, and drops the oldest beyond 50.
CREATE OR REPLACE FUNCTION chat_read_noted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO chat_reads AS r (chat_id, user_id, seqs, ats)
        VALUES (NEW.chat_id, NEW.user_id, ARRAY [NEW.read_seq], ARRAY [now()])
    ON CONFLICT (chat_id, user_id) DO UPDATE
        SET seqs = (r.seqs || excluded.seqs)[greatest(1, cardinality(r.seqs) - 48):],
            ats = (r.ats || excluded.ats)[greatest(1, cardinality(r.ats) - 48):];
    RETURN NULL;
END $$;
