-- Files that snapshots and evidence of a case show. Functions alone write them (storage/functions/case_files.sql).
CREATE TABLE case_files (
    case_id    bigint NOT NULL REFERENCES cases,
    media_id   bigint NOT NULL,
    owner_id   bigint NOT NULL REFERENCES users,
    object_key text,                                -- begins the keys of the objects that are left; null while the file exists
    variants   jsonb NOT NULL DEFAULT '[]',         -- of a file that is gone
    until      timestamptz,                         -- when the case lets go of it; null while it is open
    PRIMARY KEY (media_id, case_id)
);
CREATE INDEX case_files_of_case ON case_files (case_id);
CREATE INDEX case_files_of_owner ON case_files (owner_id);
CREATE INDEX case_files_until ON case_files (until) WHERE until IS NOT NULL;

CREATE FUNCTION case_file_let_go() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER case_file_let_go AFTER DELETE ON case_files
    FOR EACH ROW WHEN (OLD.object_key IS NOT NULL) EXECUTE FUNCTION case_file_let_go();

ALTER TABLE case_files ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON case_files TO daira_worker;
CREATE POLICY worker_reads ON case_files FOR SELECT TO daira_worker USING (true);
