-- Whoever sees a file is told that its owner has described it anew.
CREATE TRIGGER media_described AFTER UPDATE OF alt, is_sensitive ON media FOR EACH ROW WHEN (
    (OLD.alt, OLD.is_sensitive) IS DISTINCT FROM (NEW.alt, NEW.is_sensitive)) EXECUTE FUNCTION media_told();

-- It also returns the kinds of the files of the newest message.
DROP FUNCTION IF EXISTS unread_messages(bigint, bigint);
