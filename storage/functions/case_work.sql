-- The work of moderators on cases: the queue, claims, notes, and closing a case. For moderators alone.

-- Which of these users are moderators. For the viewer, or for all without one.
CREATE OR REPLACE FUNCTION moderators_among(people bigint[]) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id FROM users u
    WHERE u.id = ANY (people) AND (viewer_id() IS NULL OR u.id = viewer_id())
      AND u.role IN ('moderator', 'admin') AND u.status = 'active'
$$;
GRANT EXECUTE ON FUNCTION moderators_among TO daira_app;

-- Open cases with their ranks, the highest priority first (the lowest rank), then the oldest, after that place. With
-- choices, it reads the first cases of each combination of them in the order of an index, and merges these: at most 364
-- combinations. Null stands for all choices. `claimed`: 'free' leaves out cases that a colleague has claimed, 'mine' is
-- what the viewer has claimed.
CREATE OR REPLACE FUNCTION case_queue(types text[], reasons text[], sources text[], least_severity integer, claimed text,
                                      after_rank integer, after_id bigint, amount integer)
    RETURNS TABLE (id bigint, rank integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    last_rank integer := -1000000 * least_severity;
BEGIN
    IF NOT viewer_is_moderator() THEN
        RETURN;
    END IF;
    IF claimed = 'mine' THEN
        RETURN QUERY SELECT c.id, -c.priority FROM cases c
        WHERE c.claimed_by = me AND c.status = 'open' AND c.claimed_until > now()
          AND (types IS NULL OR c.target_type = ANY (types)) AND (reasons IS NULL OR c.reason = ANY (reasons))
          AND (sources IS NULL OR c.source = ANY (sources)) AND -c.priority <= last_rank
          AND (-c.priority, c.id) > (after_rank, after_id) ORDER BY -c.priority, c.id LIMIT amount;
    ELSIF types IS NULL AND reasons IS NULL AND sources IS NULL THEN
        RETURN QUERY SELECT c.id, -c.priority FROM cases c
        WHERE c.status = 'open' AND (-c.priority, c.id) > (after_rank, after_id) AND -c.priority <= last_rank
          AND (claimed = 'all' OR c.claimed_by IS NULL OR c.claimed_by = me OR c.claimed_until <= now())
        ORDER BY -c.priority, c.id LIMIT amount;
    ELSE
        RETURN QUERY SELECT found.* FROM
            unnest(coalesce(types, '{post,comment,message,media,room,room_message,user}')) AS t (type)
            CROSS JOIN unnest(coalesce(reasons, '{spam,harassment,hate,violence,sexual,self_harm,minors,scam,'
                'impersonation,private_information,copyright,illegal,other}')) AS r (reason)
            CROSS JOIN unnest(coalesce(sources, '{report,rule,classifier,appeal}')) AS s (source)
            CROSS JOIN LATERAL (
                SELECT c.id, -c.priority AS rank FROM cases c
                WHERE c.status = 'open' AND c.target_type = t.type AND c.reason = r.reason AND c.source = s.source
                  AND (-c.priority, c.id) > (after_rank, after_id) AND -c.priority <= last_rank
                  AND (claimed = 'all' OR c.claimed_by IS NULL OR c.claimed_by = me OR c.claimed_until <= now())
                ORDER BY -c.priority, c.id LIMIT amount) found
        ORDER BY found.rank, found.id LIMIT amount;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION case_queue TO daira_app;

-- Cases with the names of the moderators who act on them. For moderators, and for all without a viewer.
CREATE OR REPLACE FUNCTION shown_cases(ids bigint[])
    RETURNS TABLE (found cases, claimer jsonb, decider jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 20 AS $$
    SELECT c, case_user(CASE WHEN c.claimed_until > now() AND c.status = 'open' THEN c.claimed_by END),
           case_user(c.decided_by)
    FROM unnest(ids) WITH ORDINALITY AS asked (id, place) JOIN cases c ON c.id = asked.id
    WHERE viewer_id() IS NULL OR viewer_is_moderator() ORDER BY asked.place
$$;
GRANT EXECUTE ON FUNCTION shown_cases TO daira_app, daira_worker;

CREATE OR REPLACE FUNCTION case_user(person bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN (SELECT jsonb_build_object('id', u.id::text, 'username', u.username, 'display_name', u.display_name)
            FROM public.users u WHERE u.id = person);

-- Reports of a case that stand, those of the most reliable reporters first.
CREATE OR REPLACE FUNCTION case_reports(reported bigint, amount integer)
    RETURNS TABLE (id bigint, reporter jsonb, reason text, text text, evidence jsonb, weight real,
                   created_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.id, case_user(r.reporter_id), r.reason, r.text, r.evidence, r.weight, r.created_at
    FROM reports r WHERE r.case_id = reported AND r.retracted_at IS NULL AND viewer_is_moderator()
    ORDER BY r.weight DESC, r.id LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION case_reports TO daira_app;

-- The history of a case, newest first.
CREATE OR REPLACE FUNCTION case_history(shown bigint, before bigint, amount integer)
    RETURNS TABLE (id bigint, kind text, actor jsonb, note text, details jsonb, created_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.id, a.kind, case_user(a.actor_id), a.note, a.details, a.created_at
    FROM case_acts a WHERE a.case_id = shown AND a.id < before AND viewer_is_moderator()
    ORDER BY a.id DESC LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION case_history TO daira_app;

-- Adds an act of the viewer to the history.
CREATE OR REPLACE FUNCTION note_act(acted_on bigint, what text, words text DEFAULT '', more jsonb DEFAULT '{}')
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO case_acts (id, case_id, actor_id, kind, note, details)
    VALUES (mint_id(), acted_on, viewer_id(), what, words, more)
$$;

-- Why the viewer may not act on a locked case: missing | decided | barred | admins | taken, as in `claim_case`; null if
-- the viewer may.
CREATE OR REPLACE FUNCTION case_refusal(standing cases) RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN standing.id IS NULL THEN 'missing'
                WHEN standing.status = 'decided' THEN 'decided'
                WHEN viewer_id() = ANY (standing.barred_ids) OR viewer_id() = standing.owner_id THEN 'barred'
                WHEN is_for_admins(standing.target_type, standing.owner_id) THEN 'admins'
                WHEN standing.claimed_by <> viewer_id() AND standing.claimed_until > clock_timestamp() THEN 'taken' END
$$;

-- Claims a case for the viewer for 10 minutes, or renews the claim. A moderator has at most 20 claims.
-- Verdicts: claimed | missing | decided | taken (a colleague has it) | barred (the viewer has decided it before, or it is
-- about the viewer) | admins (it is about a moderator: only admins decide) | full.
CREATE OR REPLACE FUNCTION claim_case(wanted bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me bigint := viewer_id();
    standing cases;
    renews boolean;
    refusal text;
BEGIN
    IF NOT viewer_is_moderator() THEN
        RETURN 'missing';
    END IF;
    PERFORM hold('claims', me);
    SELECT * INTO standing FROM cases c WHERE c.id = wanted FOR NO KEY UPDATE;
    refusal := case_refusal(standing);
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    renews := coalesce(standing.claimed_by = me AND standing.claimed_until > clock_timestamp(), false);
    IF NOT renews AND (SELECT count(*) FROM cases c WHERE c.claimed_by = me AND c.status = 'open'
                       AND c.claimed_until > clock_timestamp()) >= 20 THEN
        RETURN 'full';
    END IF;
    UPDATE cases c SET claimed_by = me, claimed_until = clock_timestamp() + interval '10 minutes' WHERE c.id = wanted;
    IF NOT renews THEN
        PERFORM note_act(wanted, 'claimed');
    END IF;
    PERFORM tell_of_case('case.changed', wanted, jsonb_build_object('change', 'claimed'));
    RETURN 'claimed';
END $$;
GRANT EXECUTE ON FUNCTION claim_case TO daira_app;

-- Gives back a claim of the viewer. Returns false if there is no such case; without a claim, it changes nothing.
CREATE OR REPLACE FUNCTION release_case(claimed bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT viewer_is_moderator() OR NOT EXISTS (SELECT FROM cases c WHERE c.id = claimed) THEN
        RETURN false;
    END IF;
    UPDATE cases c SET claimed_by = NULL, claimed_until = NULL
    WHERE c.id = claimed AND c.claimed_by = viewer_id() AND c.status = 'open';
    IF FOUND THEN
        PERFORM note_act(claimed, 'released');
        PERFORM tell_of_case('case.changed', claimed, jsonb_build_object('change', 'released'));
    END IF;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION release_case TO daira_app;

-- Adds a note of the viewer. Returns false if there is no such case.
CREATE OR REPLACE FUNCTION note_case(noted bigint, words text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT viewer_is_moderator() OR NOT EXISTS (SELECT FROM cases c WHERE c.id = noted) THEN
        RETURN false;
    END IF;
    PERFORM note_act(noted, 'noted', words);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION note_case TO daira_app;
