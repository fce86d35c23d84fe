-- Reports: what users may report, what their word weighs, and the counts of a case.

-- Whether the viewer sees the target, and so may report it. Users still see an account that they block themselves.
CREATE OR REPLACE FUNCTION reportable(type text, target bigint, seq integer) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN CASE type
        WHEN 'comment' THEN target_post('comment', target) IS NOT NULL
        WHEN 'media' THEN EXISTS (
            SELECT FROM media m
            WHERE m.id = target AND (m.owner_id = viewer_id()
                OR is_shown(m.standing) AND (m.labels = '{}' OR NOT viewer_too_young(m.labels))
                   AND sees_media_target(m.target_type, m.target_id, m.target_seq)))
        WHEN 'room' THEN sees_room(target)
        WHEN 'room_message' THEN EXISTS (
            SELECT FROM room_messages m
            WHERE m.id = target AND m.deleted_at IS NULL AND sees_room(m.room_id)
              AND m.sender_id NOT IN (SELECT h.user_id FROM hidden_users(viewer_id()) h)
              AND NOT EXISTS (SELECT FROM room_bans b WHERE b.room_id = m.room_id AND b.user_id = viewer_id()
                              AND (b.until IS NULL OR b.until > now())))
        ELSE sees_media_target(type, target, reportable.seq) END;
END $$;

-- How much a report of the user counts, from 0 to 1: the part of the user's decided reports that was right, as if two
-- more had been right and two wrong.
CREATE OR REPLACE FUNCTION report_weight(reporter bigint) RETURNS real
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN coalesce((SELECT (r.upheld + 2)::real / (r.upheld + r.rejected + 4) FROM public.reporters r
                     WHERE r.user_id = reporter), 0.5);

-- How grave a report makes a case, from 0 to 4. A user whose reports are mostly wrong cannot bring a case to the front by
-- naming a grave reason.
CREATE OR REPLACE FUNCTION report_severity(reporter bigint, why text, weight real) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN CASE WHEN weight < 0.25 THEN 0
                ELSE least(4, public.reason_severity(why) + public.is_minor(reporter)::integer) END;

-- Reports of the viewer with their targets, newest first.
CREATE OR REPLACE FUNCTION own_reports(before bigint, amount integer)
    RETURNS TABLE (id bigint, target_type text, target_id bigint, target_seq integer, reason text, text text,
                   created_at timestamptz, status text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, c.target_type, c.target_id, c.target_seq, r.reason, r.text, r.created_at,
           CASE WHEN r.retracted_at IS NOT NULL THEN 'retracted' ELSE coalesce(r.outcome, 'received') END
    FROM reports r JOIN cases c ON c.id = r.case_id
    WHERE r.reporter_id = viewer_id() AND r.id < before ORDER BY r.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION own_reports TO daira_app;

CREATE OR REPLACE FUNCTION tell_of_report(topic text, report bigint, reported_case bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), topic, reported_case::text,
        convert_to(jsonb_build_object('v', 1, 'report_id', report, 'case_id', reported_case)::text, 'UTF8'))
$$;

-- Files the viewer's report. A user has one report in each case: a second one returns the first, unless that was
-- retracted. `proofs` are other targets (type, id, seq), which are kept as they are now.
-- Verdicts: filed | missing (the viewer does not see the target) | own | proof (`faulty` is the first place in `proofs`,
-- from 0, that the viewer does not see).
CREATE OR REPLACE FUNCTION file_report(new_id bigint, type text, target bigint, seq integer, why text, words text,
                                       proofs jsonb, OUT verdict text, OUT faulty integer, OUT filed bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    trust real := report_weight(me);
    joined bigint;
    standing cases;
    kept jsonb;
BEGIN
    IF me IS NULL OR reportable(type, target, seq) IS NOT TRUE THEN
        verdict := 'missing';
        RETURN;
    END IF;
    IF (SELECT m.owner_id FROM moderated(type, target, seq) m) = me THEN
        verdict := 'own';
        RETURN;
    END IF;
    SELECT min(p.place) FILTER (WHERE m.contents IS NULL) - 1,
           coalesce(jsonb_agg(p.proof || jsonb_build_object('owner_id', m.owner_id, 'snapshot', m.contents)
                              ORDER BY p.place), '[]')
    INTO faulty, kept
    FROM jsonb_array_elements(proofs) WITH ORDINALITY AS p (proof, place)
    LEFT JOIN LATERAL moderated(p.proof ->> 'type', (p.proof ->> 'id')::bigint, (p.proof ->> 'seq')::integer) m
        ON reportable(p.proof ->> 'type', (p.proof ->> 'id')::bigint, (p.proof ->> 'seq')::integer);
    IF faulty IS NOT NULL THEN
        verdict := 'proof';
        RETURN;
    END IF;
    joined := case_for(type, target, seq, 'report', why, report_severity(me, why, trust));
    SELECT c.* INTO standing FROM cases c WHERE c.id = joined;
    IF standing.id IS NULL THEN
        verdict := 'missing'; -- it was deleted in the meantime
        RETURN;
    END IF;
    verdict := 'filed';
    INSERT INTO reports AS r (id, case_id, reporter_id, reason, text, evidence, weight, outcome)
    VALUES (new_id, standing.id, me, why, words, kept, trust,
            CASE WHEN standing.status = 'decided' THEN report_outcome(standing.action) END)
    ON CONFLICT (case_id, reporter_id) DO UPDATE SET
        reason = excluded.reason, text = excluded.text, evidence = excluded.evidence, weight = excluded.weight,
        outcome = excluded.outcome, retracted_at = NULL, created_at = now()
    WHERE r.retracted_at IS NOT NULL
    RETURNING r.id INTO filed;
    IF filed IS NULL THEN
        SELECT r.id INTO filed FROM reports r WHERE r.case_id = standing.id AND r.reporter_id = me;
    ELSE
        PERFORM hold_files(standing.id, p.proof ->> 'type', (p.proof ->> 'id')::bigint, (p.proof ->> 'seq')::integer)
        FROM jsonb_array_elements(proofs) AS p (proof);
        PERFORM tell_of_report('report.created', filed, standing.id);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION file_report TO daira_app;

-- The outcome of the reports of a decided case.
CREATE OR REPLACE FUNCTION report_outcome(action text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN action = 'approve' THEN 'rejected' ELSE 'upheld' END;

-- Retracts a report of the viewer, if it is not decided yet. Returns false if the viewer has no such report. The lock is
-- the one of `case_for`.
CREATE OR REPLACE FUNCTION retract_report(report bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    reported cases;
BEGIN
    SELECT c.* INTO reported FROM reports r JOIN cases c ON c.id = r.case_id
    WHERE r.id = report AND r.reporter_id = viewer_id();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM hold_shared('cases of a ' || reported.target_type, reported.target_id);
    UPDATE reports SET retracted_at = now() WHERE id = report AND retracted_at IS NULL AND outcome IS NULL;
    IF FOUND THEN
        PERFORM tell_of_report('report.retracted', report, reported.id);
    END IF;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION retract_report TO daira_app;

-- Counts the reports of a case that stand. Its severity comes from them alone if nothing else has found it. No row if the
-- numbers are those of before.
CREATE OR REPLACE FUNCTION count_reports(counted bigint)
    RETURNS TABLE (report_count integer, severity smallint, priority integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- First the lock, then the numbers: otherwise an older count could overwrite a newer one.
    PERFORM FROM cases c WHERE c.id = counted FOR NO KEY UPDATE;
    PERFORM settle_reports(c.id, c.action) FROM cases c WHERE c.id = counted AND c.status = 'decided';
    RETURN QUERY
    WITH standing AS (
        SELECT count(*)::integer AS amount, coalesce(sum(r.weight), 0)::real AS weight,
               coalesce(max(report_severity(r.reporter_id, r.reason, r.weight)), 0) AS severity
        FROM reports r WHERE r.case_id = counted AND r.retracted_at IS NULL
    ), judged AS (
        SELECT s.amount, s.weight, CASE WHEN c.source = 'report'
            THEN least(4, s.severity + (s.amount > 0 AND is_minor(c.owner_id))::integer)
            ELSE greatest(c.severity, s.severity) END::smallint AS severity
        FROM standing s JOIN cases c ON c.id = counted
    )
    UPDATE cases c SET report_count = j.amount, report_weight = j.weight, severity = j.severity
    FROM judged j WHERE c.id = counted
      AND (c.report_count, c.report_weight, c.severity) IS DISTINCT FROM (j.amount, j.weight, j.severity)
    RETURNING c.report_count, c.severity, c.priority;
END $$;
GRANT EXECUTE ON FUNCTION count_reports TO daira_worker;
