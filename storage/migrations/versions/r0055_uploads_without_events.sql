DROP TRIGGER media_uploaded ON media;
