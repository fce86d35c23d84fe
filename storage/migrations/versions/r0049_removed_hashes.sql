-- Hashes of files that decisions remove now, by what was removed: a file, or a thing with its files. Functions alone write
-- and read them (storage/functions/removed_hashes.sql).
CREATE TABLE removed_hashes (
    target_type text NOT NULL,
    target_id   bigint NOT NULL,
    target_seq  integer NOT NULL,
    media_id    bigint NOT NULL,                    -- the file itself may be gone
    reason      text NOT NULL,                      -- of the decision
    hash        bit(64) NOT NULL,
    parts       integer[] NOT NULL,                 -- by which it is found: see `reasons_near`
    PRIMARY KEY (target_type, target_id, target_seq, media_id)
);
CREATE INDEX removed_hashes_part_1 ON removed_hashes ((parts[1]));
CREATE INDEX removed_hashes_part_2 ON removed_hashes ((parts[2]));
CREATE INDEX removed_hashes_part_3 ON removed_hashes ((parts[3]));
CREATE INDEX removed_hashes_part_4 ON removed_hashes ((parts[4]));
ALTER TABLE removed_hashes ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION media_hashed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER media_hashed AFTER UPDATE OF perceptual_hash ON media FOR EACH ROW WHEN (
    OLD.perceptual_hash IS NULL AND NEW.perceptual_hash IS NOT NULL AND NEW.target_type IS NOT NULL)
    EXECUTE FUNCTION media_hashed();
