-- Relays of newer code know no such topic, and would leave these rows unsent.
DO $$
BEGIN
    LOOP
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE topic = 'media.uploaded' AND sent_batch IS NULL ORDER BY id LIMIT 1000);
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END $$
