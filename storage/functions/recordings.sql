-- Recordings of live rooms: what follows when one begins, stops or ends.

-- Show at the room whether it is recorded, write the event, and delete the objects of a failed recording.
CREATE OR REPLACE FUNCTION recording_told() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- Also while it stops: until LiveKit has confirmed the end, words may still be recorded.
    recorded boolean := EXISTS (
        SELECT FROM room_recordings o JOIN rooms r ON r.id = o.room_id AND r.state = 'live'
        WHERE o.room_id = NEW.room_id AND o.state IN ('recording', 'stopping'));
BEGIN
    UPDATE rooms SET is_recorded = recorded, version = version + 1
    WHERE id = NEW.room_id AND is_recorded <> recorded;
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'room.changed', NEW.room_id::text, convert_to(jsonb_build_object(
            'v', 1, 'room_id', NEW.room_id, 'actor_id', NEW.started_by, 'user_id', 0, 'change', 'recording')::text, 'UTF8'));
    IF NEW.state = 'failed' THEN
        INSERT INTO outbox (id, topic, key, payload) VALUES (
            mint_id(), 'media.deleted', NEW.id::text, convert_to(jsonb_build_object(
                'v', 1, 'media_id', NEW.id, 'prefixes', ARRAY [NEW.object_key])::text, 'UTF8'));
    END IF;
    RETURN NULL;
END $$;

-- Recordings end with their room.
CREATE OR REPLACE FUNCTION recordings_end() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE room_recordings SET state = 'stopping', ended_at = coalesce(ended_at, now())
    WHERE room_id = NEW.id AND state IN ('recording', 'stopping');
    RETURN NULL;
END $$;
