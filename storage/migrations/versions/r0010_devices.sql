CREATE TABLE push_devices (
    id            bigint PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES users,
    session_id    bigint REFERENCES sessions ON DELETE CASCADE, -- null for e-mail, which belongs to the account
    kind          text NOT NULL CHECK (kind IN ('fcm', 'apns', 'webpush', 'email')),
    token         text NOT NULL CHECK (octet_length(token) BETWEEN 1 AND 2048), -- an index entry holds at most 2,700
    created_at    timestamptz NOT NULL DEFAULT now(),
    registered_at timestamptz NOT NULL DEFAULT now(),           -- the last time; apps register at each start
    UNIQUE (kind, token),
    UNIQUE (session_id, kind),                                  -- a session is one app on one device
    CHECK ((kind = 'email') = (session_id IS NULL)),
    CHECK (kind <> 'apns' OR token ~ '^([0-9a-f]{2}){32,100}$'),      -- it becomes a part of a path
    CHECK (kind <> 'webpush' OR token LIKE '{"endpoint":"https://%')
);
CREATE INDEX push_devices_of_user ON push_devices (user_id, registered_at);

CREATE FUNCTION device_registered() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER device_registered BEFORE INSERT ON push_devices FOR EACH ROW EXECUTE FUNCTION device_registered();

CREATE FUNCTION session_loses_devices() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER session_loses_devices AFTER UPDATE OF revoked_at ON sessions
    FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION session_loses_devices();

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE push_devices ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT (id, user_id, session_id, kind, token), UPDATE (session_id, registered_at), DELETE
    ON push_devices TO daira_app;
GRANT SELECT, DELETE ON push_devices TO daira_worker;

-- A device belongs to a session of its user that is alive; e-mail goes to the account's own address alone.
CREATE POLICY self ON push_devices TO daira_app USING (user_id = viewer_id()) WITH CHECK (
    user_id = viewer_id() AND CASE kind
        WHEN 'email' THEN EXISTS (SELECT FROM accounts a WHERE a.user_id = viewer_id() AND a.email = token)
        ELSE EXISTS (SELECT FROM sessions s WHERE s.id = session_id AND s.user_id = viewer_id()
                     AND s.revoked_at IS NULL AND s.expires_at > now())
    END);
CREATE POLICY worker ON push_devices TO daira_worker USING (true);
