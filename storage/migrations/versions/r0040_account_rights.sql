-- Former usernames, and keys of services.

-- Names that users gave up: for 30 days, nobody else can take them.
CREATE TABLE former_usernames (
    username_key text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    until        timestamptz NOT NULL
);
CREATE INDEX former_usernames_of_user ON former_usernames (user_id);

CREATE TRIGGER username_is_still_free AFTER INSERT OR UPDATE OF username_key ON users
    FOR EACH ROW EXECUTE FUNCTION username_is_free();

ALTER TABLE accounts ADD username_changed_at timestamptz;

-- A key signs in as the admin who made it, but may call only the methods that it names. Its session is what ends it.
CREATE TABLE api_keys (
    id           bigint PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    session_id   bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    name         text NOT NULL,
    prefix       text NOT NULL,                     -- the beginning of the key, by which people recognise it
    key_hash     bytea NOT NULL UNIQUE,             -- SHA-256
    methods      text[] NOT NULL CHECK (cardinality(methods) BETWEEN 1 AND 100),
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);
CREATE INDEX api_keys_of_user ON api_keys (user_id);
CREATE INDEX api_keys_of_session ON api_keys (session_id);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE former_usernames ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
