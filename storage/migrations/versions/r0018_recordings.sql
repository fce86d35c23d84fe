DROP FUNCTION IF EXISTS room_scene(bigint, bigint[], bigint[], integer);

ALTER TABLE rooms ADD COLUMN is_recorded boolean NOT NULL DEFAULT false; -- triggers keep it

-- A recording of a live room. It becomes the media with the same id, or fails.
CREATE TABLE room_recordings (
    id         bigint PRIMARY KEY,
    room_id    bigint NOT NULL REFERENCES rooms ON DELETE CASCADE,
    started_by bigint NOT NULL REFERENCES users,
    state      text NOT NULL DEFAULT 'recording' CHECK (state IN ('recording', 'stopping', 'saved', 'failed')),
    object_key text NOT NULL UNIQUE CHECK (object_key ~ ('^private/' || id || '/[A-Za-z0-9_-]{20,40}/$')),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,                         -- when it was told to stop, or ended by itself
    checked_at timestamptz NOT NULL DEFAULT now(),  -- when a worker claimed it last, to compare it with LiveKit
    error_code text,
    error_text text,                                -- for the host and cohosts
    CHECK ((state = 'failed') = (error_code IS NOT NULL) AND (error_code IS NULL) = (error_text IS NULL)),
    CHECK ((state = 'recording') = (ended_at IS NULL))
);
CREATE INDEX room_recordings_of_room ON room_recordings (room_id, id DESC);
CREATE UNIQUE INDEX room_recordings_running ON room_recordings (room_id) WHERE state = 'recording';
CREATE INDEX room_recordings_open ON room_recordings (checked_at) WHERE state IN ('recording', 'stopping');

CREATE TRIGGER recordings_bounded AFTER INSERT ON room_recordings REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION bounded('room_id', '50', 'true', 'a room has no more than %s recordings');
CREATE FUNCTION recording_told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER recording_told AFTER INSERT OR UPDATE OF state ON room_recordings
    FOR EACH ROW EXECUTE FUNCTION recording_told();
CREATE FUNCTION recordings_end() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER recordings_end AFTER UPDATE OF state ON rooms FOR EACH ROW WHEN (NEW.state = 'ended')
    EXECUTE FUNCTION recordings_end();

ALTER TABLE room_recordings ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT (id, room_id, started_by, object_key), UPDATE (state, ended_at, error_code, error_text)
    ON room_recordings TO daira_app;
GRANT SELECT, UPDATE (state, ended_at, checked_at, error_code, error_text) ON room_recordings TO daira_worker;

CREATE POLICY visible ON room_recordings FOR SELECT TO daira_app USING (sees_media_target('room', room_id, NULL));
CREATE POLICY started ON room_recordings FOR INSERT TO daira_app WITH CHECK (
    started_by = viewer_id() AND state = 'recording' AND moderates_room(room_id)
    AND EXISTS (SELECT FROM rooms r WHERE r.id = room_id AND r.state = 'live'));
-- Moderators stop a recording, or record that LiveKit refused it.
CREATE POLICY stopped ON room_recordings FOR UPDATE TO daira_app
    USING (state IN ('recording', 'stopping') AND moderates_room(room_id))
    WITH CHECK (state IN ('stopping', 'failed') AND moderates_room(room_id));

CREATE POLICY worker_reads ON room_recordings FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_changes ON room_recordings FOR UPDATE TO daira_worker
    USING (state IN ('recording', 'stopping'))
    WITH CHECK (state <> 'saved' OR EXISTS (
        SELECT FROM media m WHERE m.id = room_recordings.id AND m.target_type = 'room' AND m.target_id = room_id));
