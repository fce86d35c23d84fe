-- Workers look for the file of one kind and step that has waited longest.
DROP INDEX media_to_process;
CREATE INDEX media_to_process ON media (lane, status, kind, due_at) WHERE lane IS NOT NULL;

-- What the user uploaded has metadata that nobody should see: it goes as soon as no step needs it. The second step of an
-- image begins with it, that of a video does not.
CREATE TRIGGER media_processed AFTER UPDATE OF status, lane ON media FOR EACH ROW WHEN (NEW.status = 'ready' AND (
    CASE NEW.kind WHEN 'image' THEN OLD.lane IS NOT NULL AND NEW.lane IS NULL ELSE OLD.status = 'processing' END))
    EXECUTE FUNCTION media_told();
