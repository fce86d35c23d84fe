-- The chat of a live room.

-- Whether the viewer may send messages.
CREATE OR REPLACE FUNCTION may_speak(room bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN EXISTS (
        SELECT FROM public.rooms r
        WHERE r.id = room AND r.state = 'live'
          AND public.room_visible_to(public.viewer_id(), r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)
          AND NOT EXISTS (SELECT FROM public.room_bans b WHERE b.room_id = room AND b.user_id = public.viewer_id()
                          AND (b.until IS NULL OR b.until > now()))
          AND NOT EXISTS (SELECT FROM public.room_roles o WHERE o.room_id = room AND o.user_id = public.viewer_id()
                          AND o.is_muted));
GRANT EXECUTE ON FUNCTION may_speak TO daira_app;

-- Messages, newest first, without those of users whom the viewer blocks or mutes, or who block the viewer. A policy
-- for each row would cost more than the rows; this function checks the room once.
CREATE OR REPLACE FUNCTION room_messages_for(room bigint, before bigint, amount integer)
    RETURNS TABLE (id bigint, room_id bigint, text text, sender_id bigint, sender users)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.id, m.room_id, m.text, m.sender_id, u
    FROM room_messages m JOIN users u ON u.id = m.sender_id AND u.status = 'active'
    WHERE m.room_id = room AND m.id < before AND m.deleted_at IS NULL AND sees_room(room)
      AND m.sender_id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
    ORDER BY m.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION room_messages_for TO daira_app;
