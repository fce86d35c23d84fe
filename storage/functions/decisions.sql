-- Decisions of moderation: making and ending them. Each writes its audit row and its event, and enforces what stands.

---------------------------------------------------------------------------------------------------- making

-- Whether the viewer may not decide because only admins decide about moderators.
CREATE OR REPLACE FUNCTION is_for_admins(type text, person bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN type = 'user' AND NOT public.viewer_is_admin()
           AND EXISTS (SELECT FROM public.users u WHERE u.id = person AND u.role IN ('moderator', 'admin'));

-- Writes the decision with its audit row, statement and event, and enforces it. Returns null if the target does not exist.
-- `draft` has the fields of storage/decisions.py. A target that its author has deleted since can still be decided
-- about in its case.
CREATE OR REPLACE FUNCTION make_decision(draft jsonb, decider bigint, is_automatic boolean) RETURNS decisions
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    type text := draft ->> 'target_type';
    target bigint := (draft ->> 'target_id')::bigint;
    seq integer := (draft ->> 'target_seq')::integer;
    of_case bigint := (draft ->> 'case_id')::bigint;
    person bigint;
    made decisions;
BEGIN
    PERFORM hold('enforce:' || type, target); -- decisions about a target follow one another
    SELECT coalesce((SELECT m.owner_id FROM moderated(type, target, seq) m),
                    (SELECT c.owner_id FROM cases c WHERE c.id = of_case AND c.target_type = type
                         AND c.target_id = target AND c.target_seq = seq)) INTO person;
    IF person IS NULL THEN
        RETURN NULL;
    END IF;
    IF person = decider THEN
        RAISE insufficient_privilege USING MESSAGE = 'moderators cannot decide about themselves';
    END IF;
    IF EXISTS (SELECT FROM cases c WHERE c.id = of_case AND decider = ANY (c.barred_ids)) THEN
        RAISE insufficient_privilege USING MESSAGE = 'another moderator must decide the appeal';
    END IF;
    IF decider IS NOT NULL AND is_for_admins(type, person) THEN
        RAISE insufficient_privilege USING MESSAGE = 'only admins can decide about moderators';
    END IF;
    INSERT INTO decisions (id, case_id, target_type, target_id, target_seq, user_id, action, reason, labels, until, note,
                           decided_by, rule_id, rule_version)
    VALUES (mint_id(), of_case, type, target, seq, person, draft ->> 'action', draft ->> 'reason',
            ARRAY (SELECT DISTINCT jsonb_array_elements_text(draft -> 'labels') AS label ORDER BY label),
            (draft ->> 'until')::timestamptz, draft ->> 'note', decider, (draft ->> 'rule_id')::bigint,
            (draft ->> 'rule_version')::integer)
    RETURNING * INTO made;
    INSERT INTO audit (id, actor_id, action, resource, changes, ip, user_agent) VALUES (
        mint_id(), decider, 'decision.make', 'decision:' || made.id,
        jsonb_strip_nulls(jsonb_build_object(
            'target', concat_ws(':', type, target, nullif(seq, 0)), 'user_id', person, 'action', made.action,
            'reason', made.reason, 'labels', nullif(made.labels, '{}'), 'until', made.until, 'case_id', of_case,
            'rule_id', made.rule_id, 'rule_version', made.rule_version, 'automatic', is_automatic)),
        draft ->> 'ip', draft ->> 'user_agent');
    PERFORM state_reasons(made, is_automatic, draft ->> 'facts_ar', draft ->> 'facts_en');
    PERFORM tell_of_decision('decision.made', made);
    IF made.action IN ('suspend', 'ban') THEN -- no socket and no device of the user gets it
        INSERT INTO account_mails (id, user_id, address, locale, kind, detail, expires_at)
        SELECT mint_id(), a.user_id, a.email, a.locale, 'suspended', s.facts, now() + interval '3 days'
        FROM accounts a JOIN statements s ON s.decision_id = made.id WHERE a.user_id = person;
    END IF;
    PERFORM enforce_decision(made);
    RETURN made;
END $$;

-- Writes the statement of reasons. An approval restricts nobody, so it has none.
CREATE OR REPLACE FUNCTION state_reasons(made decisions, is_automatic boolean, facts_ar text, facts_en text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO statements (decision_id, user_id, decision_visibility, decision_account, decision_ground, facts, category,
                            content_type, source, automated_detection, automated_decision, end_date, language)
    SELECT made.id, made.user_id,
           CASE made.action WHEN 'remove' THEN 'DECISION_VISIBILITY_CONTENT_REMOVED'
                            WHEN 'hold' THEN 'DECISION_VISIBILITY_CONTENT_DISABLED'
                            WHEN 'limit' THEN 'DECISION_VISIBILITY_CONTENT_DEMOTED'
                            WHEN 'shadow' THEN 'DECISION_VISIBILITY_CONTENT_DISABLED'
                            WHEN 'label' THEN 'DECISION_VISIBILITY_CONTENT_LABELLED'
                            WHEN 'warn' THEN 'DECISION_VISIBILITY_OTHER' END,
           CASE made.action WHEN 'suspend' THEN 'DECISION_ACCOUNT_SUSPENDED'
                            WHEN 'ban' THEN 'DECISION_ACCOUNT_TERMINATED' END,
           CASE made.reason WHEN 'illegal' THEN 'DECISION_GROUND_ILLEGAL_CONTENT'
                            ELSE 'DECISION_GROUND_INCOMPATIBLE_CONTENT' END,
           CASE spoken.language WHEN 'ar' THEN facts_ar ELSE facts_en END,
           CASE made.reason WHEN 'harassment' THEN 'STATEMENT_CATEGORY_ONLINE_BULLYING_INTIMIDATION'
                            WHEN 'hate' THEN 'STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH'
                            WHEN 'violence' THEN 'STATEMENT_CATEGORY_VIOLENCE'
                            WHEN 'sexual' THEN 'STATEMENT_CATEGORY_PORNOGRAPHY_OR_SEXUALIZED_CONTENT'
                            WHEN 'self_harm' THEN 'STATEMENT_CATEGORY_SELF_HARM'
                            WHEN 'minors' THEN 'STATEMENT_CATEGORY_PROTECTION_OF_MINORS'
                            WHEN 'scam' THEN 'STATEMENT_CATEGORY_SCAMS_AND_FRAUD'
                            WHEN 'impersonation' THEN 'STATEMENT_CATEGORY_SCAMS_AND_FRAUD'
                            WHEN 'private_information' THEN 'STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS'
                            WHEN 'copyright' THEN 'STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS'
                            ELSE 'STATEMENT_CATEGORY_SCOPE_OF_PLATFORM_SERVICE' END,
           CASE made.target_type WHEN 'media' THEN coalesce((
                                     SELECT 'CONTENT_TYPE_' || upper(m.kind) FROM media m WHERE m.id = made.target_id),
                                     'CONTENT_TYPE_OTHER')
                                 WHEN 'room' THEN 'CONTENT_TYPE_AUDIO'
                                 WHEN 'user' THEN 'CONTENT_TYPE_OTHER'
                                 ELSE 'CONTENT_TYPE_TEXT' END,
           CASE WHEN found.source <> 'report' OR found.source IS NULL THEN 'SOURCE_VOLUNTARY'
                WHEN made.reason = 'illegal' THEN 'SOURCE_ARTICLE_16'
                ELSE 'SOURCE_TYPE_OTHER_NOTIFICATION' END,
           is_automatic OR coalesce(found.source IN ('rule', 'classifier'), false), is_automatic, made.until,
           spoken.language
    FROM (SELECT CASE WHEN coalesce((SELECT a.locale FROM accounts a WHERE a.user_id = made.user_id), 'ar') LIKE 'ar%'
                      THEN 'ar' ELSE 'en' END AS language) spoken
    LEFT JOIN cases found ON found.id = made.case_id
    WHERE made.action <> 'approve'
$$;

CREATE OR REPLACE FUNCTION tell_of_decision(topic text, told decisions) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), topic, told.target_id::text,
        convert_to(jsonb_build_object(
            'v', 1, 'decision_id', told.id, 'target_type', told.target_type, 'target_id', told.target_id,
            'target_seq', told.target_seq, 'user_id', told.user_id, 'action', told.action)::text, 'UTF8'))
$$;

-- Enforces what stands after the decision was made or ended. A status that changes by it has no audit row but that of the
-- decision.
CREATE OR REPLACE FUNCTION enforce_decision(changed decisions) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.by_decision', 'on', true);
    PERFORM enforce(changed.target_type, changed.target_id, changed.target_seq);
    PERFORM set_config('app.by_decision', '', true);
END $$;

-- A moderator decides about everything; a rule decides about what the viewer writes, and can only restrict it. Returns
-- null for others, and if the target is gone.
CREATE OR REPLACE FUNCTION decide(draft jsonb) RETURNS decisions
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    type text := draft ->> 'target_type';
BEGIN
    IF viewer_is_moderator() AND draft ->> 'rule_id' IS NULL THEN
        RETURN make_decision(draft, viewer_id(), false);
    ELSIF draft ->> 'rule_id' IS NOT NULL AND draft ->> 'action' IN ('label', 'limit', 'shadow', 'hold')
        AND type <> 'user' AND draft ->> 'case_id' IS NULL
        AND EXISTS (SELECT FROM moderated(type, (draft ->> 'target_id')::bigint, (draft ->> 'target_seq')::integer) m
                    WHERE m.owner_id = viewer_id()) THEN
        RETURN make_decision(draft, NULL, true);
    END IF;
    RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION decide TO daira_app;

-- For rules and classifiers in workers, and for the operator, whose decisions are not automatic.
CREATE OR REPLACE FUNCTION decide_without_viewer(draft jsonb, is_automatic boolean) RETURNS decisions
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT made FROM make_decision(draft, NULL, is_automatic) made WHERE viewer_id() IS NULL $$;
GRANT EXECUTE ON FUNCTION decide_without_viewer TO daira_worker;

---------------------------------------------------------------------------------------------------- ending

-- Ends the decision, and enforces what the others leave. Returns null if it has ended before.
CREATE OR REPLACE FUNCTION end_decision(decision bigint, actor bigint, why text, ip text, agent text) RETURNS decisions
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended decisions;
BEGIN
    PERFORM hold('enforce:' || d.target_type, d.target_id) FROM decisions d WHERE d.id = decision;
    UPDATE decisions d SET ended_at = now(), ended_by = actor, end_reason = why
    WHERE d.id = decision AND d.ended_at IS NULL RETURNING * INTO ended;
    IF ended.id IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit (id, actor_id, action, resource, changes, ip, user_agent) VALUES (
        mint_id(), actor, 'decision.end', 'decision:' || ended.id,
        jsonb_build_object('target', concat_ws(':', ended.target_type, ended.target_id, nullif(ended.target_seq, 0)),
                           'user_id', ended.user_id, 'action', ended.action, 'why', why), ip, agent);
    PERFORM tell_of_decision('decision.ended', ended);
    IF why = 'undone' THEN
        PERFORM appeal_ended(ended.id);
        PERFORM reject_reports(ended.case_id);
        PERFORM drop_finding(c.id, 'rule:' || ended.rule_id) FROM cases c
        WHERE c.target_type = ended.target_type AND c.target_id = ended.target_id AND c.target_seq = ended.target_seq
          AND c.status = 'open' AND NOT EXISTS (
              SELECT FROM decisions d
              WHERE d.target_type = c.target_type AND d.target_id = c.target_id AND d.target_seq = c.target_seq
                AND d.rule_id = ended.rule_id AND d.ended_at IS NULL);
    END IF;
    PERFORM enforce_decision(ended);
    RETURN ended;
END $$;

-- Moderators undo their own decisions, admins all. Returns the decision, also if it has ended before; null for others.
CREATE OR REPLACE FUNCTION undo_decision(decision bigint, ip text, agent text) RETURNS decisions
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found decisions;
BEGIN
    SELECT * INTO found FROM decisions d WHERE d.id = decision AND viewer_is_moderator();
    IF found.id IS NULL OR found.ended_at IS NOT NULL THEN
        RETURN found;
    ELSIF found.user_id = viewer_id() OR found.decided_by IS DISTINCT FROM viewer_id() AND NOT viewer_is_admin() THEN
        RAISE insufficient_privilege USING MESSAGE = 'only admins can undo decisions of others';
    END IF;
    RETURN end_decision(decision, viewer_id(), 'undone', ip, agent);
END $$;
GRANT EXECUTE ON FUNCTION undo_decision TO daira_app;

-- Ends the next decisions of a rule, or of a moderator, that were made since then and stand, the newest first; then what
-- the rule has found about users, of whom it only opens cases. Returns how many. `actor` is null for the operator. See
-- `expire_decisions` for the order of locks.
CREATE OR REPLACE FUNCTION end_decisions(of_rule bigint, of_moderator bigint, since timestamptz, amount integer,
                                         actor bigint, ip text, agent text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    finding text := 'rule:' || of_rule;
    undone integer;
    found_case bigint;
BEGIN
    WITH standing AS MATERIALIZED (
        SELECT o.id FROM (
            SELECT d.id, d.target_type, d.target_id FROM decisions d
            WHERE (d.rule_id = of_rule OR d.decided_by = of_moderator) AND d.created_at >= since AND d.ended_at IS NULL
              AND d.user_id IS DISTINCT FROM actor
            ORDER BY d.id DESC LIMIT amount) o
        ORDER BY o.target_type, o.target_id)
    SELECT count((e.ended).id)::integer INTO undone
    FROM standing CROSS JOIN LATERAL (SELECT end_decision(standing.id, actor, 'undone', ip, agent) AS ended) e;
    FOR found_case IN
        SELECT c.id FROM cases c
        WHERE c.target_type = 'user' AND c.status = 'open' AND finding = ANY (c.findings) AND c.opened_at >= since
          AND c.owner_id IS DISTINCT FROM actor
        ORDER BY c.target_id LIMIT amount - undone
    LOOP
        PERFORM drop_finding(found_case, finding);
        undone := undone + 1;
    END LOOP;
    RETURN undone;
END $$;

-- The same for admins; 0 for others.
CREATE OR REPLACE FUNCTION undo_decisions(of_rule bigint, of_moderator bigint, since timestamptz, amount integer, ip text,
                                          agent text) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT end_decisions(of_rule, of_moderator, since, amount, viewer_id(), ip, agent)
                     WHERE viewer_is_admin()), 0)
$$;
GRANT EXECUTE ON FUNCTION undo_decisions TO daira_app;

-- Ends decisions whose time is over, the oldest first. Returns how many. Targets are locked in the order of their ids, so
-- that two processes do not deadlock.
CREATE OR REPLACE FUNCTION expire_decisions(amount integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH due AS MATERIALIZED (
        SELECT o.id FROM (
            SELECT d.id, d.target_type, d.target_id FROM decisions d
            WHERE d.ended_at IS NULL AND d.until <= now() AND viewer_id() IS NULL ORDER BY d.until LIMIT amount) o
        ORDER BY o.target_type, o.target_id)
    SELECT count((e.ended).id)::integer
    FROM due CROSS JOIN LATERAL (SELECT end_decision(due.id, NULL, 'expired', NULL, NULL) AS ended) e
$$;
GRANT EXECUTE ON FUNCTION expire_decisions TO daira_worker;
