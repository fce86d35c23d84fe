-- Where the erasure of the account goes on, and until when a worker has claimed it.
ALTER TABLE account_deletions
    ADD COLUMN at_step text,
    ADD COLUMN since bigint,                        -- null: the step is done
    ADD COLUMN claimed_until timestamptz;

-- Usernames that nobody may take yet, by their SHA-256, so that the table does not keep the names of erased users.
CREATE TABLE username_reservations (
    key_hash bytea PRIMARY KEY CHECK (octet_length(key_hash) = 32),
    until    timestamptz NOT NULL
);
CREATE INDEX username_reservations_age ON username_reservations (until);
ALTER TABLE username_reservations ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION username_is_free() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER username_is_free BEFORE INSERT OR UPDATE OF username_key ON users
    FOR EACH ROW EXECUTE FUNCTION username_is_free();
