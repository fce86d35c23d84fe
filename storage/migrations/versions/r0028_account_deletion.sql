-- Users whose account is to be deleted. Until `erase_at`, the user may cancel it; afterwards workers erase the account.
-- The row stays as the record of it: it has no personal data.
CREATE TABLE account_deletions (
    user_id      bigint PRIMARY KEY REFERENCES users,
    requested_at timestamptz NOT NULL DEFAULT now(),
    erase_at     timestamptz NOT NULL,
    erased_at    timestamptz
);
CREATE INDEX account_deletions_due ON account_deletions (erase_at) WHERE erased_at IS NULL;

-- Only functions write and read it (storage/functions/deletions.sql).
ALTER TABLE account_deletions ENABLE ROW LEVEL SECURITY;

-- `leaving`: hidden as a suspended user is, and signs in only to cancel. Rows that exist have other values. Wider than
-- before, so older code relies on nothing that is gone.
-- squawk-ignore ban-drop-constraint
ALTER TABLE users DROP CONSTRAINT users_status_check,
    ADD CONSTRAINT users_status_check CHECK (status IN ('active', 'suspended', 'banned', 'leaving', 'deleted')) NOT VALID;

CREATE FUNCTION deletion_holds() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER deletion_holds BEFORE UPDATE OF status ON users
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status = 'active') EXECUTE FUNCTION deletion_holds();
