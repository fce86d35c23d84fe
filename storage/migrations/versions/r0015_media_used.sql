DROP FUNCTION IF EXISTS shown_chat_messages(bigint, bigint, integer, integer, integer, bigint[]),
    send_chat_messages(bigint, bigint[], text[], integer[], text[], bytea[], boolean[]);

CREATE FUNCTION media_finished() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_finished AFTER UPDATE OF status, lane, target_type ON media FOR EACH ROW WHEN (
    NEW.status = 'ready' AND NEW.lane IS NULL AND NEW.target_type IN ('post', 'user') AND NEW.public_key IS NULL
    AND (OLD.status, OLD.lane, OLD.target_type) IS DISTINCT FROM (NEW.status, NEW.lane, NEW.target_type))
    EXECUTE FUNCTION media_finished();
