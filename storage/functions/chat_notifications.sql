-- Notifications of chats: they are not in the list, but devices get messages that stay unread.

-- Schedule a push at `due` for each member who has not read the message `last` and has a device. A member for whom one
-- waits, or whose devices have got that message, gets no other.
CREATE OR REPLACE FUNCTION notify_of_messages(chat bigint, last integer, due timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH waiting AS MATERIALIZED (
        SELECT m.user_id FROM chat_members m
        WHERE m.chat_id = chat AND m.state = 'active' AND m.read_seq < last
          AND (m.muted_until IS NULL OR m.muted_until <= now())
          AND EXISTS (SELECT FROM push_devices d WHERE d.user_id = m.user_id AND d.kind <> 'email')
          AND NOT EXISTS (
              SELECT FROM notifications n
              JOIN notification_deliveries d ON d.notification_id = n.id AND d.channel = 'push'
              WHERE n.user_id = m.user_id AND n.group_key = 'chat_message:chat:' || chat
                AND (n.told_seq >= last OR d.outcome IS NULL))
    ), known AS (
        INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, group_key)
        SELECT mint_id(), w.user_id, 'chat_message', 'chat', chat, 'push', 'chat_message:chat:' || chat FROM waiting w
        ON CONFLICT (user_id, group_key) WHERE group_key IS NOT NULL DO UPDATE SET updated_at = now()
        RETURNING id, user_id)
    INSERT INTO notification_deliveries AS d (notification_id, channel, user_id, due_at)
    SELECT k.id, 'push', k.user_id, due FROM known k
    ON CONFLICT (notification_id, channel) DO UPDATE
    SET due_at = excluded.due_at, outcome = NULL, attempts = 0, sent_to = '{}'
    WHERE d.outcome IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION notify_of_messages TO daira_worker;

-- What a member is to be told of a chat: how many messages are unread, their senders, and the text and the kinds of the
-- files of the newest. None while the chat is muted, nor those of users whom the member mutes, which a direct chat shows but does not push.
CREATE OR REPLACE FUNCTION unread_messages(person bigint, chat bigint)
    RETURNS TABLE (unread integer, last_seq integer, sender_count integer, senders users[], text text,
                  kinds text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH newest AS MATERIALIZED (
        SELECT s.seq, s.sender_id, s.text, s.media
        FROM chats c JOIN chat_members m ON m.chat_id = c.id AND m.user_id = person
        CROSS JOIN LATERAL shown_chat_messages(
            person, c.id, greatest(m.read_seq + 1, m.first_seq, c.last_seq - 99), c.last_seq, 100,
            hidden_ids(person)) s
        WHERE c.id = chat AND s.sender_id <> person AND NOT s.is_deleted
          AND (m.muted_until IS NULL OR m.muted_until <= now())
    ), senders AS (SELECT sender_id, max(seq) AS seq FROM newest GROUP BY sender_id)
    SELECT CASE WHEN EXISTS (SELECT FROM newest) THEN unread_in_chat(person, chat) ELSE 0 END,
           (SELECT last_seq FROM chats WHERE id = chat),
           (SELECT count(*)::integer FROM senders),
           ARRAY (SELECT u FROM senders s JOIN users u ON u.id = s.sender_id ORDER BY s.seq DESC LIMIT 8),
           n.text, n.kinds
    FROM (SELECT) one LEFT JOIN (
        SELECT left(text, 300) AS text,
               ARRAY (SELECT file ->> 'kind' FROM jsonb_array_elements(media) file) AS kinds
        FROM newest ORDER BY seq DESC LIMIT 1) n ON true
$$;
GRANT EXECUTE ON FUNCTION unread_messages TO daira_worker;

-- The member has read the chat: devices dismiss their notifications of it.
CREATE OR REPLACE FUNCTION dismiss_messages(person bigint, chat bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT dismiss_deliveries(ARRAY (
        SELECT n.id FROM notifications n JOIN chat_members m ON m.chat_id = n.target_id AND m.user_id = n.user_id
        WHERE n.user_id = person AND n.group_key = 'chat_message:chat:' || chat AND m.read_seq >= n.told_seq))
$$;
GRANT EXECUTE ON FUNCTION dismiss_messages TO daira_worker;
