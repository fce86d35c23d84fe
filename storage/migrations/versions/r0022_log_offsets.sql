-- Where worker groups go on in the partitions of Kafka. A reaction stores it in its own transaction. Who takes a
-- partition over raises the epoch, so that transactions of its former owner fail.
CREATE TABLE log_offsets (
    worker_group text NOT NULL CHECK (worker_group <> ''),
    topic text NOT NULL CHECK (topic <> ''),
    partition integer NOT NULL CHECK (partition >= 0),
    next_offset bigint NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
    epoch bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
    PRIMARY KEY (worker_group, topic, partition)
) WITH (fillfactor = 20); -- few rows, each updated by every batch

ALTER TABLE log_offsets ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT (worker_group, topic, partition), UPDATE (next_offset, epoch) ON log_offsets TO daira_worker;
CREATE POLICY worker_reads ON log_offsets FOR SELECT TO daira_worker USING (true);
CREATE POLICY worker_adds ON log_offsets FOR INSERT TO daira_worker WITH CHECK (next_offset = 0 AND epoch = 1);
CREATE POLICY worker_updates ON log_offsets FOR UPDATE TO daira_worker USING (true) WITH CHECK (true);
