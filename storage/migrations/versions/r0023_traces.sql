-- An event has the trace of the transaction that adds it (W3C `traceparent`). A default needs no right on the column.
ALTER TABLE outbox ADD COLUMN trace text;
ALTER TABLE outbox ALTER COLUMN trace SET DEFAULT nullif(current_setting('app.trace', true), '');
