-- Messages of chats: sending many at once, pages, unread counts, and what a change does.

-- Whether the viewer sees the message: not those from before they joined, nor of users whom a group hides from them.
CREATE OR REPLACE FUNCTION sees_chat_message(chat bigint, seq integer) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM chat_messages s JOIN chats c ON c.id = s.chat_id
        JOIN chat_members m ON m.chat_id = c.id AND m.user_id = viewer_id() AND s.seq >= m.first_seq
        WHERE s.chat_id = chat AND s.seq = sees_chat_message.seq AND (s.sender_id = viewer_id()
              OR is_shown(s.standing) AND (s.labels = '{}' OR NOT viewer_too_young(s.labels)))
          AND (c.kind = 'direct' OR s.sender_id <> ALL (hidden_ids(viewer_id()))))
        AND sees_chat(chat);
END $$;
GRANT EXECUTE ON FUNCTION sees_chat_message TO daira_app;

-- How many messages after `after` the member has not read, at most 1,000: not their own, nor deleted ones, nor such as
-- are hidden from them. Looks at the newest 10,000 alone.
CREATE OR REPLACE FUNCTION chat_unread(person bigint, chat bigint, after integer, hidden bigint[]) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*)::integer FROM (
        SELECT FROM chat_messages s
        WHERE s.chat_id = chat AND s.seq > greatest(after, (SELECT c.last_seq FROM chats c WHERE c.id = chat) - 10000)
          AND s.deleted_at IS NULL AND is_shown(s.standing) AND s.sender_id <> person AND s.sender_id <> ALL (hidden)
          AND NOT EXISTS (SELECT FROM chat_hidden h WHERE h.chat_id = chat AND h.user_id = person AND h.seq = s.seq)
        LIMIT 1000) counted
$$;

-- The same count for one member, by their own mark; 0 for others. For the viewer alone, or for all without one.
CREATE OR REPLACE FUNCTION unread_in_chat(person bigint, chat bigint) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((
        SELECT chat_unread(person, c.id, greatest(m.read_seq, m.first_seq - 1),
                           CASE c.kind WHEN 'group' THEN hidden_ids(person) ELSE '{}' END)
        FROM chats c JOIN chat_members m ON m.chat_id = c.id AND m.user_id = person
        WHERE c.id = chat AND (viewer_id() IS NULL OR person = viewer_id()) AND chat_visible_to(person, chat)), 0)
$$;
GRANT EXECUTE ON FUNCTION unread_in_chat TO daira_app, daira_worker;

-- Messages of that range as the member sees them, newest first; those that are withheld from the member as deleted ones.
-- `hidden`: users whose acts are left out.
CREATE OR REPLACE FUNCTION shown_chat_messages(person bigint, chat bigint, low integer, high integer, amount integer,
                                               hidden bigint[])
    RETURNS TABLE (chat_id bigint, seq integer, sender_id bigint, text text, reply_to_seq integer,
                   created_at timestamptz, edited_at timestamptz, is_deleted boolean, media jsonb, reactions json,
                   my_reaction text, labels text[], told_standing text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.chat_id, s.seq, s.sender_id, CASE WHEN state.is_gone THEN '' ELSE s.text END, s.reply_to_seq, s.created_at,
           s.edited_at, state.is_gone, CASE WHEN NOT state.is_gone THEN message_media(chat, s.seq) END,
           CASE WHEN state.is_gone THEN '{}' ELSE given.counts END, CASE WHEN NOT state.is_gone THEN given.mine END,
           s.labels, CASE WHEN s.sender_id = person AND s.standing <> 'shadowed' THEN s.standing ELSE 'visible' END
    FROM chat_messages s
    CROSS JOIN LATERAL (
        SELECT s.deleted_at IS NOT NULL OR s.sender_id <> person
               AND (NOT is_shown(s.standing) OR s.labels <> '{}' AND too_young_for(s.labels, person)) AS is_gone) state
    CROSS JOIN LATERAL (
        SELECT coalesce(json_object_agg(r.emoji, r.amount ORDER BY r.amount DESC, r.emoji), '{}') AS counts,
               max(r.mine) AS mine
        FROM (SELECT g.emoji, count(*) AS amount, max(g.emoji) FILTER (WHERE g.user_id = person) AS mine
              FROM chat_reactions g
              WHERE g.chat_id = chat AND g.seq = s.seq AND g.user_id <> ALL (hidden) GROUP BY g.emoji) r) given
    WHERE s.chat_id = chat AND s.seq BETWEEN low AND high AND s.sender_id <> ALL (hidden)
      AND NOT EXISTS (SELECT FROM chat_hidden h WHERE h.chat_id = chat AND h.user_id = person AND h.seq = s.seq)
    ORDER BY s.seq DESC LIMIT amount
$$;

-- The page of at most `amount` numbers before, after or around that one, or the newest. No row if the viewer does not
-- see the chat. Numbers are dense, so each page costs the same, and one may show fewer messages than it has numbers.
CREATE OR REPLACE FUNCTION chat_history(chat bigint, before integer, after integer, around integer, amount integer)
    RETURNS TABLE (first_seq integer, last_seq integer, from_seq integer, to_seq integer, messages json)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.first_seq, c.last_seq, page.low, page.high, (
        SELECT coalesce(json_agg(shown ORDER BY shown.seq), '[]')
        FROM shown_chat_messages(viewer_id(), chat, page.low, page.high, amount,
                                 CASE c.kind WHEN 'group' THEN hidden_ids(viewer_id()) ELSE '{}' END) shown)
    FROM chats c JOIN chat_members m ON m.chat_id = c.id AND m.user_id = viewer_id()
    CROSS JOIN LATERAL (
        SELECT CASE WHEN after IS NOT NULL THEN after + 1
                    WHEN around IS NOT NULL THEN around - amount / 2
                    ELSE least(before, c.last_seq + 1) - amount END AS low) start
    CROSS JOIN LATERAL (
        SELECT greatest(start.low, m.first_seq) AS low, least(start.low + amount - 1, c.last_seq) AS high) page
    WHERE c.id = chat AND sees_chat(chat)
$$;
GRANT EXECUTE ON FUNCTION chat_history TO daira_app;

-- Sends many messages to one chat in one transaction, in their order: it locks the chat once, numbers them densely, and
-- adds one event. For the viewer's own messages, or for all senders without a viewer.
-- `files`: the media of each message, as the text of an array, or null. `spends`: whether the sender's limit admits it.
-- Idempotency keys are kept where those of other methods are.
-- Verdicts: sent | kept (the first answer to the key) | used (the key, with other arguments) | again (a draft with the
-- same key or file stands before it) | missing | requested | waiting (three messages wait for an answer) | limit | reply
-- (there is no such message) | media (`unusable` is the first place in `files`, from 0, that cannot be used).
CREATE OR REPLACE FUNCTION send_chat_messages(chat bigint, senders bigint[], texts text[], replies integer[],
                                              keys text[], hashes bytea[], spends boolean[], files text[])
    RETURNS TABLE (number bigint, verdict text, seq integer, created_at timestamptz, unusable integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    standing chats;
    sent_at timestamptz;
    file_ids bigint[] := ARRAY(SELECT DISTINCT unnest(each::bigint[]) FROM unnest(files) each WHERE each IS NOT NULL);
BEGIN
    IF viewer_id() IS NOT NULL AND EXISTS (SELECT FROM unnest(senders) sender WHERE sender <> viewer_id()) THEN
        RETURN;
    END IF;
    -- As `first_answer` in storage/idempotency.py, in one order for all.
    PERFORM pg_advisory_xact_lock(locks.lock) FROM (
        SELECT DISTINCT hashtextextended('chat.send' || E'\n' || d.key, d.sender) AS lock
        FROM unnest(senders, keys) AS d (sender, key) WHERE d.key IS NOT NULL ORDER BY lock) locks;
    SELECT * INTO standing FROM chats c WHERE c.id = chat FOR NO KEY UPDATE;
    sent_at := clock_timestamp();
    IF file_ids <> '{}' THEN -- nothing else can use them until this transaction ends
        PERFORM FROM media f WHERE f.id = ANY (file_ids) ORDER BY f.id FOR NO KEY UPDATE;
    END IF;
    RETURN QUERY
    WITH drafts AS (
        SELECT * FROM unnest(senders, texts, replies, keys, hashes, spends, files)
            WITH ORDINALITY AS d (sender, text, reply, key, hash, spends, files, number)
    ), named AS (
        SELECT d.number, w.id, w.place - 1 AS place,
               min(d.number) OVER (PARTITION BY d.sender, w.id) < d.number AS is_taken,
               row_number() OVER (PARTITION BY d.number, w.id ORDER BY w.place) = 1 AND coalesce((
                   SELECT f.owner_id = d.sender AND f.target_type IS NULL AND f.status IN ('processing', 'ready')
                   FROM media f WHERE f.id = w.id), false) AS is_usable
        FROM drafts d CROSS JOIN unnest(d.files::bigint[]) WITH ORDINALITY AS w (id, place)
    ), checked AS (
        SELECT n.number, bool_or(n.is_taken) AS is_taken,
               (min(n.place) FILTER (WHERE NOT n.is_usable))::integer AS unusable
        FROM named n GROUP BY n.number
    ), people AS (
        SELECT m.user_id, m.state, m.first_seq, chat_visible_to(m.user_id, chat) AS sees, hidden_ids(m.user_id) AS hidden,
               standing.kind = 'direct' AND EXISTS (
                   SELECT FROM chat_members o
                   WHERE o.chat_id = chat AND o.user_id <> m.user_id AND o.state <> 'active') AS waits
        FROM chat_members m WHERE m.chat_id = chat AND m.user_id = ANY (senders)
    ), judged AS (
        SELECT d.*, k.answer, m.waits, n.unusable, CASE
            WHEN k.request_hash = d.hash THEN 'kept'
            WHEN k.request_hash IS NOT NULL THEN 'used'
            WHEN m.sees IS NOT TRUE THEN 'missing'
            WHEN m.state <> 'active' THEN 'requested'
            WHEN d.key IS NOT NULL
                AND row_number() OVER (PARTITION BY d.sender, d.key ORDER BY d.number) > 1 THEN 'again'
            WHEN n.is_taken THEN 'again'
            WHEN NOT d.spends THEN 'limit'
            WHEN d.reply IS NOT NULL AND NOT EXISTS (
                SELECT FROM chat_messages r WHERE r.chat_id = chat AND r.seq = d.reply AND r.deleted_at IS NULL
                    AND (is_shown(r.standing) OR r.sender_id = d.sender)
                    AND r.seq >= m.first_seq AND (standing.kind = 'direct' OR r.sender_id <> ALL (m.hidden))) THEN 'reply'
            WHEN n.unusable IS NOT NULL THEN 'media'
            ELSE 'sent' END AS verdict
        FROM drafts d LEFT JOIN people m ON m.user_id = d.sender LEFT JOIN checked n ON n.number = d.number
        LEFT JOIN idempotency k ON k.user_id = d.sender AND k.method = 'chat.send' AND k.key = d.key
            AND k.created_at > now() - interval '24 hours'
    ), numbered AS (
        SELECT j.*, (standing.last_seq + row_number() OVER (ORDER BY j.number))::integer AS seq
        FROM judged j WHERE j.verdict = 'sent'
    ), accepted AS (
        SELECT * FROM numbered n WHERE NOT (n.waits AND n.seq > 3)
    ), inserted AS (
        INSERT INTO chat_messages (chat_id, seq, sender_id, text, reply_to_seq, created_at)
        SELECT chat, a.seq, a.sender, a.text, a.reply, sent_at FROM accepted a ORDER BY a.seq
    ), used AS (
        UPDATE media f SET target_type = 'message', target_id = chat, target_seq = a.seq, position = n.place,
            expires_at = NULL
        FROM named n JOIN accepted a ON a.number = n.number WHERE f.id = n.id AND f.id = ANY (file_ids)
    ), remembered AS (
        INSERT INTO idempotency AS i (user_id, method, key, request_hash, answer)
        SELECT a.sender, 'chat.send', a.key, a.hash,
               convert_to(a.seq || ' ' || (extract(epoch FROM sent_at) * 1000000)::bigint, 'UTF8')
        FROM accepted a WHERE a.key IS NOT NULL
        ON CONFLICT (user_id, method, key) DO UPDATE
            SET request_hash = excluded.request_hash, answer = excluded.answer, created_at = now()
    ), counted AS (
        UPDATE chats c SET last_seq = ends.last, last_at = sent_at,
            last_event_id = greatest(c.last_event_id + 1, mint_id())
        FROM (SELECT min(a.seq) AS first, max(a.seq) AS last FROM accepted a) ends
        WHERE c.id = chat AND ends.first IS NOT NULL
        RETURNING c.last_event_id, ends.first, ends.last
    ), told AS (
        INSERT INTO outbox (id, topic, key, payload)
        SELECT c.last_event_id, 'chat.message_sent', chat::text, convert_to(json_build_object(
            'v', 1, 'chat_id', chat, 'first_seq', c.first, 'last_seq', c.last)::text, 'UTF8')
        FROM counted c
    )
    SELECT j.number,
           CASE WHEN j.verdict = 'sent' AND a.seq IS NULL THEN 'waiting' ELSE j.verdict END,
           coalesce(a.seq, split_part(convert_from(j.answer, 'UTF8'), ' ', 1)::integer),
           CASE WHEN a.seq IS NOT NULL THEN sent_at
                ELSE to_timestamp(split_part(convert_from(j.answer, 'UTF8'), ' ', 2)::numeric / 1000000) END,
           CASE j.verdict WHEN 'media' THEN j.unusable END
    FROM judged j LEFT JOIN accepted a ON a.number = j.number;
END $$;
GRANT EXECUTE ON FUNCTION send_chat_messages TO daira_app;

---------------------------------------------------------------------------------------------------- triggers

-- Keeps the earlier text of an edited message. A deleted one loses its text, its earlier texts and its reactions.
CREATE OR REPLACE FUNCTION chat_message_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    edits integer;
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.text := '';
        NEW.deleted_at := now();
        DELETE FROM chat_edits e WHERE e.chat_id = NEW.chat_id AND e.seq = NEW.seq;
        DELETE FROM chat_reactions r WHERE r.chat_id = NEW.chat_id AND r.seq = NEW.seq;
    ELSIF NEW.text <> OLD.text THEN
        IF OLD.sender_id <> viewer_id() THEN
            RAISE insufficient_privilege USING MESSAGE = 'only the sender can edit a message';
        END IF;
        SELECT count(*) + 1 INTO edits FROM chat_edits e WHERE e.chat_id = NEW.chat_id AND e.seq = NEW.seq;
        IF edits > 50 THEN
            RAISE check_violation USING MESSAGE = 'a message can be edited at most 50 times', CONSTRAINT = 'bounded';
        END IF;
        INSERT INTO chat_edits (chat_id, seq, number, text, written_at)
            VALUES (OLD.chat_id, OLD.seq, edits, OLD.text, coalesce(OLD.edited_at, OLD.created_at));
        NEW.edited_at := now();
    END IF;
    UPDATE chats SET title = title WHERE id = NEW.chat_id; -- a new version
    RETURN NEW;
END $$;

-- The list of the member's other devices changes.
CREATE OR REPLACE FUNCTION chat_message_hidden() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE chat_members m SET muted_until = muted_until WHERE m.chat_id = NEW.chat_id AND m.user_id = NEW.user_id;
    RETURN NULL;
END $$;
