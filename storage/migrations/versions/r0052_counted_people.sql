-- Whether the row is part of counts: workers change it when its user is suspended, and when the user is back.
ALTER TABLE reactions ADD COLUMN is_counted boolean NOT NULL DEFAULT true;
ALTER TABLE comments ADD COLUMN is_counted boolean NOT NULL DEFAULT true;

CREATE TRIGGER reactions_recounted AFTER UPDATE OF is_counted ON reactions
    FOR EACH ROW EXECUTE FUNCTION reactions_changed();
CREATE TRIGGER comments_recounted AFTER UPDATE OF is_counted ON comments
    FOR EACH ROW EXECUTE FUNCTION comments_changed();
