-- Appeals against decisions, and what limits a user.

-- The decisions that limit the viewer or what is the viewer's, and warnings of the last half year; the newest first.
-- Decisions about a thing before its newest approval do not count, as for `enforce`. Nobody is told of spam that is
-- shadowed.
CREATE OR REPLACE FUNCTION account_limits(before bigint, amount integer)
    RETURNS TABLE (id bigint, target_type text, target_id bigint, target_seq integer, action text, reason text,
                   labels text[], until timestamptz, created_at timestamptz, facts text, language text,
                   decision_ground text, category text, is_automatic boolean, is_appealable boolean, appeal text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.id, d.target_type, d.target_id, d.target_seq, d.action, d.reason, d.labels, d.until, d.created_at, s.facts,
           s.language, s.decision_ground, s.category, s.automated_decision,
           a.id IS NULL AND d.created_at > now() - interval '6 months', a.status
    FROM decisions d JOIN statements s ON s.decision_id = d.id LEFT JOIN appeals a ON a.decision_id = d.id
    WHERE d.user_id = viewer_id() AND d.id < before AND d.action NOT IN ('approve', 'shadow') AND d.ended_at IS NULL
      AND (d.until IS NULL OR d.until > now())
      AND (d.action <> 'warn' OR d.created_at > now() - interval '6 months')
      AND (d.target_type = 'user' OR NOT EXISTS (
          SELECT FROM decisions ok
          WHERE ok.target_type = d.target_type AND ok.target_id = d.target_id AND ok.target_seq = d.target_seq
            AND ok.id > d.id AND ok.action = 'approve' AND ok.ended_at IS NULL))
    ORDER BY d.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION account_limits TO daira_app;

-- Appeals against a decision that concerns the viewer. The moderator who decided may not decide again.
-- Verdicts: made | found (with the appeal that was made before) | missing | ended | late (after 6 months) | gone (the
-- target was deleted).
CREATE OR REPLACE FUNCTION appeal(decision bigint, words text, OUT verdict text, OUT made bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    judged decisions;
    opened bigint;
    due timestamptz := now() + interval '72 hours';
BEGIN
    SELECT * INTO judged FROM decisions d
    WHERE d.id = decision AND d.user_id = viewer_id() AND d.action NOT IN ('approve', 'shadow') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        verdict := 'missing';
        RETURN;
    END IF;
    SELECT a.id INTO made FROM appeals a WHERE a.decision_id = decision;
    IF FOUND THEN
        verdict := 'found';
        RETURN;
    END IF;
    verdict := CASE WHEN judged.ended_at IS NOT NULL OR judged.until <= now() THEN 'ended'
                    WHEN judged.created_at <= now() - interval '6 months' THEN 'late' END;
    IF verdict IS NOT NULL THEN
        RETURN;
    END IF;
    opened := case_for(judged.target_type, judged.target_id, judged.target_seq, 'appeal', judged.reason,
                       reason_severity(judged.reason), array_remove(ARRAY [judged.decided_by], NULL), due);
    IF opened IS NULL THEN
        verdict := 'gone';
        RETURN;
    END IF;
    verdict := 'made';
    INSERT INTO appeals (id, decision_id, user_id, text, case_id, due_at)
    VALUES (mint_id(), decision, viewer_id(), words, opened, due) RETURNING id INTO made;
    INSERT INTO audit (id, actor_id, action, resource, changes) VALUES (
        mint_id(), viewer_id(), 'appeal.create', 'appeal:' || made, jsonb_build_object('decision_id', decision));
END $$;
GRANT EXECUTE ON FUNCTION appeal TO daira_app;

-- A case was decided: so are its open appeals. An approval overturns the decisions that they are against.
CREATE OR REPLACE FUNCTION appeals_settled() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    settled appeals;
BEGIN
    FOR settled IN
        UPDATE appeals a SET status = CASE NEW.action WHEN 'approve' THEN 'overturned' ELSE 'upheld' END,
            decided_at = now(), decided_by = NEW.decided_by
        WHERE a.case_id = NEW.id AND a.status = 'open' RETURNING a.*
    LOOP
        PERFORM FROM decisions d WHERE d.id = settled.decision_id AND d.decided_by = NEW.decided_by;
        IF FOUND THEN
            RAISE insufficient_privilege USING MESSAGE = 'another moderator must decide the appeal';
        END IF;
        PERFORM settle_appeal(settled);
    END LOOP;
    RETURN NULL;
END $$;

-- A moderator decided the appeal. An overturned decision ends.
CREATE OR REPLACE FUNCTION settle_appeal(settled appeals) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM note_appeal(settled);
    IF settled.status = 'overturned' THEN
        PERFORM end_decision(settled.decision_id, settled.decided_by, 'overturned', NULL, NULL);
        PERFORM reject_reports(d.case_id) FROM decisions d WHERE d.id = settled.decision_id;
    END IF;
END $$;

-- The decision of the case was overturned or undone: the reports that it upheld are rejected, and count against their
-- reporters.
CREATE OR REPLACE FUNCTION reject_reports(overturned bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH rejected AS (
        UPDATE reports r SET outcome = 'rejected'
        WHERE r.case_id = overturned AND r.outcome = 'upheld' RETURNING r.reporter_id
    )
    INSERT INTO reporters AS p (user_id, rejected)
    SELECT r.reporter_id, 1 FROM rejected r ORDER BY r.reporter_id -- as in `settle_reports`
    ON CONFLICT (user_id) DO UPDATE SET upheld = greatest(p.upheld - 1, 0), rejected = p.rejected + 1
$$;

-- Audits the outcome, and writes its event.
CREATE OR REPLACE FUNCTION note_appeal(settled appeals) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO audit (id, actor_id, action, resource, changes) VALUES (
        mint_id(), settled.decided_by, 'appeal.decide', 'appeal:' || settled.id,
        jsonb_build_object('decision_id', settled.decision_id, 'status', settled.status));
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'appeal.decided', settled.user_id::text,
        convert_to(jsonb_build_object('v', 1, 'appeal_id', settled.id, 'user_id', settled.user_id)::text, 'UTF8'))
$$;

-- The decision was undone before its appeal was decided: nobody judges it any more.
CREATE OR REPLACE FUNCTION appeal_ended(decision bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended appeals;
BEGIN
    UPDATE appeals a SET status = 'overturned', decided_at = now()
    WHERE a.decision_id = decision AND a.status = 'open' RETURNING * INTO ended;
    IF FOUND THEN
        PERFORM note_appeal(ended);
        PERFORM drop_finding(ended.case_id, 'appeal')
        WHERE NOT EXISTS (SELECT FROM appeals a WHERE a.case_id = ended.case_id AND a.status = 'open');
    END IF;
END $$;

-- A moderator decides the appeal, without a new decision about its target: it is upheld or overturned. Its case is decided
-- with its last open appeal: by the newest decision that was upheld, or approved if none was.
-- Verdicts: decided | missing | before (the appeal was decided before) | taken | barred | admins, as in `claim_case`.
CREATE OR REPLACE FUNCTION decide_appeal(appealed bigint, overturns boolean) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    judged decisions;
    asked appeals;
    standing cases;
    refusal text;
BEGIN
    SELECT d.* INTO judged FROM appeals a JOIN decisions d ON d.id = a.decision_id
    WHERE a.id = appealed AND viewer_is_moderator();
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    PERFORM hold('enforce:' || judged.target_type, judged.target_id); -- the order of locks: see `close_case`
    PERFORM hold('cases of a ' || judged.target_type, judged.target_id);
    SELECT * INTO asked FROM appeals a WHERE a.id = appealed;
    IF asked.status <> 'open' THEN
        RETURN 'before';
    END IF;
    SELECT * INTO standing FROM cases c WHERE c.id = asked.case_id FOR NO KEY UPDATE;
    refusal := CASE WHEN me IN (judged.decided_by, judged.user_id) THEN 'barred' ELSE case_refusal(standing) END;
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    UPDATE appeals a SET status = CASE WHEN overturns THEN 'overturned' ELSE 'upheld' END, decided_at = now(),
        decided_by = me
    WHERE a.id = appealed RETURNING * INTO asked;
    PERFORM settle_appeal(asked);
    UPDATE cases c SET status = 'decided', decided_at = now(), decided_by = me, action = coalesce((
        SELECT d.action FROM appeals a JOIN decisions d ON d.id = a.decision_id
        WHERE a.case_id = c.id AND a.status = 'upheld' ORDER BY d.id DESC LIMIT 1), 'approve')
    WHERE c.id = standing.id AND NOT EXISTS (SELECT FROM appeals a WHERE a.case_id = c.id AND a.status = 'open');
    IF FOUND THEN
        PERFORM note_act(standing.id, 'decided');
    END IF;
    RETURN 'decided';
END $$;
GRANT EXECUTE ON FUNCTION decide_appeal TO daira_app;
