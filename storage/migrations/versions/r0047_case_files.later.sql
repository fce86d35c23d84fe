-- Finds the copies of a user in evidence. They are erased with the account.
CREATE INDEX CONCURRENTLY IF NOT EXISTS reports_of_evidence ON reports USING gin (evidence jsonb_path_ops);

-- Store the owner of each copy. A copy whose owner is unknown is removed.
DO $$
DECLARE
    last bigint := 0;
    ids bigint[];
BEGIN
    LOOP
        ids := ARRAY (SELECT r.id FROM reports r WHERE r.id > last AND r.evidence <> '[]' ORDER BY r.id LIMIT 1000);
        EXIT WHEN ids = '{}';
        UPDATE reports r SET evidence = (
            SELECT jsonb_agg(CASE WHEN p.proof ? 'owner_id' THEN p.proof
                                  WHEN o.owner_id IS NULL THEN p.proof || '{"snapshot": {}}'
                                  ELSE p.proof || jsonb_build_object('owner_id', o.owner_id) END ORDER BY p.place)
            FROM jsonb_array_elements(r.evidence) WITH ORDINALITY AS p (proof, place)
            CROSS JOIN LATERAL (SELECT CASE p.proof ->> 'type'
                WHEN 'post' THEN (SELECT t.author_id FROM posts t WHERE t.id = (p.proof ->> 'id')::bigint)
                WHEN 'comment' THEN (SELECT t.author_id FROM comments t WHERE t.id = (p.proof ->> 'id')::bigint)
                WHEN 'message' THEN (SELECT t.sender_id FROM chat_messages t WHERE t.chat_id = (p.proof ->> 'id')::bigint
                                         AND t.seq = (p.proof ->> 'seq')::integer)
                WHEN 'media' THEN (SELECT t.owner_id FROM media t WHERE t.id = (p.proof ->> 'id')::bigint)
                WHEN 'room' THEN (SELECT t.host_id FROM rooms t WHERE t.id = (p.proof ->> 'id')::bigint)
                WHEN 'user' THEN (p.proof ->> 'id')::bigint END AS owner_id) o)
        WHERE r.id = ANY (ids);
        last := ids[cardinality(ids)];
        COMMIT;
    END LOOP;
END $$;

-- Open cases hold the files that they show.
DO $$
DECLARE
    last bigint := 0;
    ids bigint[];
BEGIN
    LOOP
        ids := ARRAY (SELECT c.id FROM cases c WHERE c.id > last AND c.status = 'open' ORDER BY c.id LIMIT 1000);
        EXIT WHEN ids = '{}';
        INSERT INTO case_files (case_id, media_id, owner_id)
        SELECT c.id, m.id, m.owner_id FROM cases c CROSS JOIN LATERAL jsonb_array_elements(c.snapshot -> 'media') file
        JOIN media m ON m.id = (file ->> 'id')::bigint AND m.status IN ('processing', 'ready')
        WHERE c.id = ANY (ids) ON CONFLICT DO NOTHING;
        last := ids[cardinality(ids)];
        COMMIT;
    END LOOP;
END $$;
