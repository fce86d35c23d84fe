-- One-time codes by e-mail: to verify an address, to reset a password, to change the address.

ALTER TABLE accounts ADD email_verified_at timestamptz;

-- The present code of each purpose and subject: a user, or a hash of the address for which a reset was asked. The code
-- itself is stored nowhere: it derives from the id under a key of the application.
CREATE TABLE one_time_codes (
    purpose     text NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'change_email')),
    subject     text NOT NULL,
    id          bigint NOT NULL UNIQUE,             -- also of its mail
    user_id     bigint REFERENCES users,            -- null: no account has the address
    address     text,                               -- where it was sent; null: nowhere
    address_key text,                               -- lower case
    attempts    integer NOT NULL DEFAULT 0,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (purpose, subject)
);
CREATE INDEX one_time_codes_of_user ON one_time_codes (user_id);
CREATE INDEX one_time_codes_age ON one_time_codes (expires_at);

-- Sent at once by workers. They need no preference and no registered device.
CREATE TABLE account_mails (
    id           bigint PRIMARY KEY,
    user_id      bigint REFERENCES users,
    address      text,                              -- null: nobody gets it
    locale       text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('verify_email', 'reset_password', 'change_email', 'email_changed')),
    due_at       timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,              -- it is not sent after this
    leased_until timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    outcome      text                               -- null: not finished
);
CREATE INDEX account_mails_due ON account_mails (due_at) WHERE outcome IS NULL;
CREATE INDEX account_mails_of_user ON account_mails (user_id);
CREATE INDEX account_mails_age ON account_mails (expires_at);

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE one_time_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_mails ENABLE ROW LEVEL SECURITY;

GRANT SELECT, UPDATE (due_at, leased_until, attempts, outcome) ON account_mails TO daira_worker;
CREATE POLICY worker_reads ON account_mails FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_changes ON account_mails FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);

-- A failed reset has no viewer either.
ALTER POLICY written ON audit WITH CHECK (
    actor_id = viewer_id() OR viewer_id() IS NULL AND action IN ('auth.login_failed', 'auth.reset_failed'));
