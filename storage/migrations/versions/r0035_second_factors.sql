-- The second factor of accounts: authenticator apps (TOTP) and recovery codes.

CREATE TABLE second_factors (
    user_id       bigint PRIMARY KEY REFERENCES users,
    sealed        bytea NOT NULL,                   -- the secret, encrypted under a key of DAIRA_SEALING_KEYS
    confirmed_at  timestamptz,                      -- null: it protects nothing yet
    last_step     bigint NOT NULL DEFAULT 0,        -- the last 30 seconds whose code was accepted
    failures      integer NOT NULL DEFAULT 0,       -- wrong codes in a row
    blocked_until timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recovery_codes (
    user_id   bigint NOT NULL REFERENCES users,
    code_hash bytea NOT NULL,                       -- SHA-256
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

ALTER TABLE sessions ADD second_factor_at timestamptz;  -- the last time when the session passed it

ALTER TABLE account_mails ADD detail text;              -- a device's name

-- Wider than before. Rows that exist have other values.
-- squawk-ignore ban-drop-constraint
ALTER TABLE account_mails DROP CONSTRAINT account_mails_kind_check, ADD CONSTRAINT account_mails_kind_check CHECK (
    kind IN ('verify_email', 'reset_password', 'change_email', 'email_changed', 'totp_enabled', 'totp_disabled',
             'recovery_code_used', 'new_device', 'password_changed', 'username_changed')) NOT VALID;

---------------------------------------------------------------------------------------------------- doors

ALTER TABLE second_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
