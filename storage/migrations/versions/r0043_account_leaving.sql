-- Wider than before.
-- squawk-ignore ban-drop-constraint
ALTER TABLE account_mails DROP CONSTRAINT account_mails_kind_check, ADD CONSTRAINT account_mails_kind_check CHECK (
    kind IN ('verify_email', 'reset_password', 'change_email', 'email_changed', 'totp_enabled', 'totp_disabled',
             'recovery_code_used', 'new_device', 'password_changed', 'username_changed', 'suspended',
             'account_leaving')) NOT VALID;
