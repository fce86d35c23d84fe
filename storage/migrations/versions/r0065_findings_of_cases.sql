-- report, classifier, appeal, or rule:ID. A finding that was undone is removed, and the case closes without any. Cases from
-- before this revision keep 'before'.
ALTER TABLE cases ADD COLUMN findings text[] NOT NULL DEFAULT '{before}';

DROP FUNCTION IF EXISTS appeals_overturned(bigint, bigint);
