-- Closing cases by decisions.

-- Closes a case by a decision of the viewer, which the caller makes in the same transaction and rolls back if the verdict
-- is not 'closed'. Verdicts: closed | missing | decided | taken | barred | admins, as in `claim_case`.
--
-- The caller decides first, and so takes the locks in the order in which rules take them: of the target's decisions, then
-- of its cases.
CREATE OR REPLACE FUNCTION close_case(closed bigint, given text, words text, more jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    standing cases;
    refusal text;
BEGIN
    IF NOT viewer_is_moderator() THEN
        RETURN 'missing';
    END IF;
    -- No report can join the case at the same time: see `case_for`.
    PERFORM hold('cases of a ' || c.target_type, c.target_id) FROM cases c WHERE c.id = closed;
    SELECT * INTO standing FROM cases c WHERE c.id = closed FOR NO KEY UPDATE;
    refusal := case_refusal(standing);
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    UPDATE cases c SET status = 'decided', action = given, decided_at = clock_timestamp(), decided_by = me
    WHERE c.id = closed;
    PERFORM note_act(closed, 'decided', words, more);
    RETURN 'closed';
END $$;
GRANT EXECUTE ON FUNCTION close_case TO daira_app;

-- A case was decided, by whichever function: its claim ends, reports that stand get their outcome and count for or against
-- their reporters, and moderators are told.
CREATE OR REPLACE FUNCTION case_decided() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE cases c SET claimed_by = NULL, claimed_until = NULL WHERE c.id = NEW.id AND c.claimed_by IS NOT NULL;
    UPDATE case_files f SET until = NEW.decided_at + interval '6 months' WHERE f.case_id = NEW.id;
    PERFORM settle_reports(NEW.id, NEW.action);
    PERFORM tell_of_case('case.changed', NEW.id, jsonb_build_object('change', 'decided'));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION settle_reports(decided bigint, given text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH settled AS (
        UPDATE reports r SET outcome = report_outcome(given)
        WHERE r.case_id = decided AND r.retracted_at IS NULL AND r.outcome IS NULL RETURNING r.reporter_id, r.outcome
    )
    INSERT INTO reporters AS p (user_id, upheld, rejected)
    SELECT s.reporter_id, (s.outcome = 'upheld')::integer, (s.outcome = 'rejected')::integer
    FROM settled s ORDER BY s.reporter_id -- so that two decisions do not deadlock
    ON CONFLICT (user_id) DO UPDATE SET upheld = p.upheld + excluded.upheld, rejected = p.rejected + excluded.rejected
$$;
