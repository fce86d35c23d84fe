-- Media. Each file has one row and one use: who sees the target that uses it sees the file; before that, its owner does.

CREATE TABLE media (
    id              bigint PRIMARY KEY,
    owner_id        bigint NOT NULL REFERENCES users,
    kind            text NOT NULL CHECK (kind IN ('image', 'video', 'audio')),
    status          text NOT NULL DEFAULT 'uploading' CHECK (status IN ('uploading', 'processing', 'ready', 'failed')),
    content_type    text NOT NULL,                  -- as declared; once uploaded, by the file's first bytes
    filename        text NOT NULL,
    size_bytes      bigint NOT NULL CHECK (size_bytes > 0),
    sha256          bytea CHECK (octet_length(sha256) = 32), -- as declared; checked before the file is processed
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,                    -- when the sweeper deletes it; null while it is used

    -- Its use. A message is the one with that `target_seq` in the chat `target_id`. Null until it is used.
    target_type     text CHECK (target_type IN ('post', 'comment', 'message', 'user', 'room')),
    target_id       bigint,
    target_seq      integer,
    position        smallint,

    -- Its objects.
    object_key      text NOT NULL UNIQUE CHECK (object_key ~ '^private/.+/$'), -- begins the keys of all its objects
    public_key      text UNIQUE CHECK (public_key ~ '^public/.+/$'), -- begins the keys of copies for everybody
    upload_id       text,                           -- of the store's multipart upload

    -- What clients show.
    alt             text NOT NULL DEFAULT '',
    is_sensitive    boolean NOT NULL DEFAULT false,
    width           integer,
    height          integer,
    duration_ms     bigint CHECK (duration_ms >= 0), -- of a video: as declared, then as found
    blurhash        text,
    waveform        smallint[],                     -- of audio: 0 to 100
    variants        jsonb NOT NULL DEFAULT '[]',    -- name, file (after the key), content_type, width, height, size_bytes
    perceptual_hash bytea,
    error_code      text,                           -- of a file that failed, with a text for its owner
    error_text      text,

    -- Its processing. Null without work to do: a ready image may wait for more variants in the bulk lane.
    lane            text CHECK (lane IN ('quick', 'bulk')),
    attempts        integer NOT NULL DEFAULT 0,
    started_at      timestamptz,                    -- a worker has begun
    due_at          timestamptz,                    -- a worker may begin; after it has begun, when it is late

    CHECK ((target_type IS NULL) = (target_id IS NULL) AND (target_type IS NULL) = (position IS NULL)),
    CHECK ((target_type IS NOT DISTINCT FROM 'message') = (target_seq IS NOT NULL)),
    CHECK ((status = 'failed') = (error_code IS NOT NULL)),
    CHECK (target_type IS NULL OR status <> 'uploading')
);
CREATE INDEX media_of_target ON media (target_type, target_id, target_seq, position) WHERE target_type IS NOT NULL;
CREATE INDEX media_of_owner ON media (owner_id, id DESC);
CREATE INDEX media_uploading ON media (owner_id) WHERE status = 'uploading';
CREATE INDEX media_public ON media (owner_id) WHERE public_key IS NOT NULL;
CREATE INDEX media_expiring ON media (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX media_to_process ON media (lane, due_at) WHERE lane IS NOT NULL;

-- What the files of a user take of the user's quota; those that failed take nothing. Triggers keep it.
CREATE TABLE media_usage (
    user_id  bigint PRIMARY KEY REFERENCES users,
    bytes    bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    video_ms bigint NOT NULL DEFAULT 0 CHECK (video_ms >= 0)
);

---------------------------------------------------------------------------------------------------- triggers

CREATE FUNCTION media_counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_added AFTER INSERT ON media FOR EACH ROW EXECUTE FUNCTION media_counted();
CREATE TRIGGER media_counted AFTER UPDATE OF status, size_bytes, duration_ms ON media FOR EACH ROW WHEN (
    (OLD.status, OLD.size_bytes, OLD.duration_ms) IS DISTINCT FROM (NEW.status, NEW.size_bytes, NEW.duration_ms))
    EXECUTE FUNCTION media_counted();
CREATE TRIGGER media_removed AFTER DELETE ON media FOR EACH ROW EXECUTE FUNCTION media_counted();
CREATE TRIGGER media_bounded AFTER INSERT ON media REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('owner_id', '100', 'status = ''uploading''', 'a user has no more than %s unfinished uploads');

-- Events, for whatever wrote the row: a file is to be processed, objects are to be deleted.
CREATE FUNCTION media_told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_uploaded AFTER INSERT OR UPDATE OF status ON media FOR EACH ROW WHEN (NEW.status = 'processing')
    EXECUTE FUNCTION media_told();
CREATE TRIGGER media_hidden AFTER UPDATE OF status, public_key ON media FOR EACH ROW WHEN (
    NEW.status = 'failed' OR OLD.public_key IS DISTINCT FROM NEW.public_key) EXECUTE FUNCTION media_told();
CREATE TRIGGER media_told AFTER DELETE ON media FOR EACH ROW EXECUTE FUNCTION media_told();

-- Deleting or narrowing what uses a file, in whatever way.
CREATE FUNCTION media_lost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_lost AFTER DELETE OR UPDATE OF status, visibility ON posts
    FOR EACH ROW EXECUTE FUNCTION media_lost('post');
CREATE TRIGGER media_lost AFTER DELETE OR UPDATE OF status ON comments
    FOR EACH ROW EXECUTE FUNCTION media_lost('comment');
CREATE TRIGGER media_lost AFTER DELETE OR UPDATE OF deleted_at ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION media_lost('message');
CREATE TRIGGER media_lost AFTER DELETE ON rooms FOR EACH ROW EXECUTE FUNCTION media_lost('room');
CREATE FUNCTION media_of_user_lost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_of_user_lost AFTER UPDATE OF status, is_private ON users
    FOR EACH ROW EXECUTE FUNCTION media_of_user_lost();

---------------------------------------------------------------------------------------------------- doors

CREATE FUNCTION sees_media_target(type text, target bigint, seq integer) RETURNS boolean
    LANGUAGE sql RETURN NULL::boolean;

ALTER TABLE media ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_usage ENABLE ROW LEVEL SECURITY;

-- Functions create, complete, use and drop files: each of these depends on the quota or on other rows.
GRANT SELECT, UPDATE (alt, is_sensitive) ON media TO daira_app;
GRANT SELECT ON media_usage TO daira_app;
GRANT SELECT, DELETE,
    INSERT (id, owner_id, kind, status, content_type, filename, size_bytes, target_type, target_id, position,
            object_key, lane, due_at),
    UPDATE (status, content_type, expires_at, public_key, width, height, duration_ms, blurhash, waveform, variants,
            perceptual_hash, error_code, error_text, lane, attempts, started_at, due_at)
    ON media TO daira_worker;
GRANT SELECT ON media_usage TO daira_worker;

CREATE POLICY visible ON media FOR SELECT TO daira_app
    USING (owner_id = viewer_id() OR sees_media_target(target_type, target_id, target_seq));
CREATE POLICY described ON media FOR UPDATE TO daira_app
    USING (owner_id = viewer_id()) WITH CHECK (owner_id = viewer_id());
CREATE POLICY self ON media_usage FOR SELECT TO daira_app USING (user_id = viewer_id());

CREATE POLICY worker_reads ON media FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_reads ON media_usage FOR SELECT TO daira_worker USING (true);
-- Workers process what was uploaded; the sweeper deletes what has expired.
CREATE POLICY worker_changes ON media FOR UPDATE TO daira_worker
    USING (status IN ('processing', 'ready')) WITH CHECK (status <> 'uploading');
CREATE POLICY worker_deletes ON media FOR DELETE TO daira_worker USING (expires_at < now());
-- A recording belongs to the host of its room.
CREATE POLICY worker_adds ON media FOR INSERT TO daira_worker WITH CHECK (
    status = 'processing' AND target_type = 'room' AND EXISTS (
        SELECT FROM rooms r WHERE r.id = target_id AND r.host_id = media.owner_id));
