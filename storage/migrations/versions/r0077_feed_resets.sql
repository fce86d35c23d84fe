ALTER TABLE accounts ADD COLUMN feed_reset_at timestamptz;
