-- Runs when a case is decided, by whichever function.
CREATE FUNCTION case_decided() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

CREATE TRIGGER case_decided AFTER UPDATE OF status ON cases
    FOR EACH ROW WHEN (OLD.status = 'open' AND NEW.status = 'decided') EXECUTE FUNCTION case_decided();
