-- Archives of everything about a user. Functions alone write them (storage/functions/exports.sql).
CREATE TABLE account_exports (
    id            bigint PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES users,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'failed', 'expired')),
    object_key    text NOT NULL UNIQUE CHECK (object_key ~ ('^exports/' || id || '/[A-Za-z0-9_-]{20,40}/$')),
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,                      -- a worker makes it
    created_at    timestamptz NOT NULL DEFAULT now(),
    size_bytes    bigint,
    expires_at    timestamptz,                      -- when a ready one is deleted
    CHECK ((state IN ('ready', 'expired')) = (size_bytes IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX account_exports_waiting ON account_exports (user_id) WHERE state = 'waiting';
CREATE INDEX account_exports_of_user ON account_exports (user_id, id DESC);
CREATE INDEX account_exports_due ON account_exports (id) WHERE state = 'waiting';
CREATE INDEX account_exports_expiring ON account_exports (expires_at) WHERE state = 'ready';

-- An archive that has expired, or whose user is erased, goes from the bucket.
CREATE FUNCTION export_told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER export_deleted AFTER DELETE ON account_exports FOR EACH ROW EXECUTE FUNCTION export_told();
CREATE TRIGGER export_expired AFTER UPDATE OF state ON account_exports
    FOR EACH ROW WHEN (NEW.state IN ('expired', 'failed')) EXECUTE FUNCTION export_told();

CREATE FUNCTION export_runs(person bigint) RETURNS boolean LANGUAGE sql RETURN false;

ALTER TABLE account_exports ENABLE ROW LEVEL SECURITY;
