-- Consents of users, with their end. Rows are only added and ended: they prove what was agreed to at a time.
-- Functions alone write them (storage/functions/consents.sql).
CREATE TABLE consents (
    id           bigint PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    purpose      text NOT NULL CHECK (purpose IN ('terms', 'privacy', 'personalisation', 'location')),
    version      text NOT NULL CHECK (char_length(version) BETWEEN 1 AND 40), -- of the text that the user saw
    given_at     timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz                        -- or replaced by a consent to a newer text
);
CREATE UNIQUE INDEX consents_standing ON consents (user_id, purpose) WHERE withdrawn_at IS NULL;
CREATE INDEX consents_of_user ON consents (user_id, id DESC);
CREATE TRIGGER consents_bounded AFTER INSERT ON consents REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION bounded('user_id', '500', 'true', 'nobody changes their consents more than %s times');

ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON consents TO daira_app;
CREATE POLICY self ON consents FOR SELECT TO daira_app USING (user_id = viewer_id());

-- When the user corrected the birth date; only once.
ALTER TABLE accounts ADD COLUMN birth_date_corrected_at timestamptz;

-- The account of a minor is private, and stays so.
CREATE FUNCTION minor_stays_private() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER minor_stays_private BEFORE UPDATE OF is_private ON users
    FOR EACH ROW WHEN (OLD.is_private AND NOT NEW.is_private) EXECUTE FUNCTION minor_stays_private();
