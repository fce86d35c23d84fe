-- Cases: what a target is now, and one open case for each target. Reports, rules, classifiers and appeals open them.

CREATE OR REPLACE FUNCTION reason_severity(reason text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN reason = 'minors' THEN 4
                WHEN reason IN ('self_harm', 'violence', 'illegal') THEN 3
                WHEN reason IN ('hate', 'harassment', 'sexual', 'scam', 'private_information') THEN 2
                WHEN reason IN ('impersonation', 'copyright') THEN 1
                ELSE 0 END;

-- Whether not everybody may see the post.
CREATE OR REPLACE FUNCTION post_is_private(post bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN NOT EXISTS (SELECT FROM public.posts p JOIN public.users u ON u.id = p.author_id
                       WHERE p.id = post AND p.visibility = 'public' AND NOT u.is_private);

-- A file, as snapshots show it; `case_files` has the place of its objects. Code before revision 0047 reads `key`.
CREATE OR REPLACE FUNCTION moderated_file(file public.media) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN jsonb_build_object('id', file.id::text, 'kind', file.kind, 'key', 'private/' || file.id || '/',
                              'alt', file.alt);

-- The files of a target, as snapshots show them.
CREATE OR REPLACE FUNCTION moderated_files(type text, target bigint, seq integer) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(jsonb_agg(moderated_file(m) ORDER BY m.position), '[]') FROM files_of(type, target, seq) m
$$;

-- The target as it is now: its owner, its contents, and whether its audience is limited. No row if it was deleted.
CREATE OR REPLACE FUNCTION moderated(type text, target bigint, seq integer)
    RETURNS TABLE (owner_id bigint, contents jsonb, is_private boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 1 AS $$
BEGIN
    CASE type
    WHEN 'post' THEN
        RETURN QUERY SELECT p.author_id, jsonb_build_object('text', p.text, 'media', moderated_files(type, target, 0),
                                                            'shared_post_id', p.shared_post_id::text),
                            post_is_private(p.id)
        FROM posts p WHERE p.id = target AND p.status = 'published';
    WHEN 'comment' THEN
        RETURN QUERY SELECT c.author_id, jsonb_build_object('text', c.text, 'media', moderated_files(type, target, 0),
                                                            'post_id', c.post_id::text),
                            post_is_private(c.post_id)
        FROM comments c WHERE c.id = target AND c.status = 'published';
    WHEN 'message' THEN
        RETURN QUERY SELECT m.sender_id,
                            jsonb_build_object('text', m.text, 'media', moderated_files(type, target, moderated.seq)),
                            true
        FROM chat_messages m WHERE m.chat_id = target AND m.seq = moderated.seq AND m.deleted_at IS NULL;
    WHEN 'media' THEN
        RETURN QUERY SELECT f.owner_id, jsonb_build_object('media', moderated_files(type, target, 0)),
                            CASE f.target_type
                                WHEN 'user' THEN false
                                WHEN 'post' THEN post_is_private(f.target_id)
                                WHEN 'comment' THEN post_is_private(
                                    (SELECT c.post_id FROM comments c WHERE c.id = f.target_id))
                                WHEN 'room' THEN NOT EXISTS (
                                    SELECT FROM rooms r WHERE r.id = f.target_id AND r.visibility = 'public')
                                ELSE true END
        FROM media f WHERE f.id = target AND f.status <> 'uploading';
    WHEN 'room' THEN
        RETURN QUERY SELECT r.host_id, jsonb_build_object('topic', r.topic), r.visibility <> 'public'
        FROM rooms r WHERE r.id = target;
    WHEN 'room_message' THEN
        RETURN QUERY SELECT m.sender_id, jsonb_build_object('text', m.text, 'room_id', m.room_id::text),
                            r.visibility <> 'public'
        FROM room_messages m JOIN rooms r ON r.id = m.room_id
        WHERE m.id = target AND (m.deleted_at IS NULL OR m.is_removed);
    WHEN 'user' THEN
        RETURN QUERY SELECT u.id, jsonb_build_object('username', u.username, 'display_name', u.display_name,
                                                     'bio', u.bio, 'avatar_url', u.avatar_url), false
        FROM users u WHERE u.id = target AND u.status <> 'deleted';
    ELSE
        RETURN;
    END CASE;
END $$;

CREATE OR REPLACE FUNCTION tell_of_case(topic text, told_case bigint, more jsonb DEFAULT '{}') RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), topic, told_case::text,
        convert_to((jsonb_build_object('v', 1, 'case_id', told_case) || more)::text, 'UTF8'))
$$;

CREATE OR REPLACE FUNCTION fingerprint_of(contents jsonb) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN sha256(convert_to(contents::text, 'UTF8'));

-- Whether the newest judgement of the viewer's post, comment, room or profile as it is now is an approval that was not
-- undone.
CREATE OR REPLACE FUNCTION is_approved(type text, target bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    RETURN coalesce((
        SELECT c.action = 'approve'
               AND NOT EXISTS (SELECT FROM public.decisions d WHERE d.case_id = c.id AND d.end_reason = 'undone')
        FROM public.moderated(type, target, 0) m
        JOIN public.cases c ON c.target_type = type AND c.target_id = target AND c.target_seq = 0
            AND c.decided_by IS NOT NULL AND c.content_hash = public.fingerprint_of(m.contents)
        WHERE m.owner_id = public.viewer_id() ORDER BY c.id DESC LIMIT 1), false);
GRANT EXECUTE ON FUNCTION is_approved TO daira_app;

-- The case that a report or finding about the target belongs to; null if the target is gone. `found_by`: report,
-- classifier, appeal, or rule:ID; code before revision 0065 says rule. What was judged stays
-- judged until it changes or its decision is undone: a decided case takes further reports. A judgement of a user or a
-- room, who change without a change of their texts, stays for a week or an hour. An appeal always opens a case, and so
-- does what a rule holds again, unless it was approved.
--
-- The shared lock is held until the transaction ends, and a decision takes it alone: so a decision counts each report
-- that belongs to it.
CREATE OR REPLACE FUNCTION case_for(type text, target bigint, seq integer, found_by text, why text, gravity integer,
                                    barred bigint[] DEFAULT '{}', due timestamptz DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kind text := split_part(found_by, ':', 1);
    subject record;
    fingerprint bytea;
    standing cases;
    opened bigint;
BEGIN
    PERFORM hold_shared('cases of a ' || type, target);
    SELECT m.*, jsonb_build_object('author', jsonb_build_object(
               'id', u.id::text, 'username', u.username, 'display_name', u.display_name)) || m.contents AS snapshot
    INTO subject FROM moderated(type, target, seq) m JOIN users u ON u.id = m.owner_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    fingerprint := fingerprint_of(subject.contents);
    gravity := least(4, gravity + is_minor(subject.owner_id)::integer);
    LOOP
        SELECT * INTO standing FROM cases c
        WHERE c.target_type = type AND c.target_id = target AND c.target_seq = seq ORDER BY c.id DESC LIMIT 1;
        IF standing.status = 'open' THEN
            IF standing.content_hash <> fingerprint OR standing.severity < gravity OR found_by = 'appeal'
                OR found_by <> ALL (standing.findings) THEN
                PERFORM add_to_case(standing.id, found_by, why, gravity, barred, due, subject.snapshot, fingerprint,
                                    subject.is_private);
                PERFORM hold_files(standing.id, type, target, seq);
            END IF;
            RETURN standing.id;
        END IF;
        IF standing.status = 'decided' AND standing.decided_by IS NOT NULL AND kind <> 'appeal'
            AND standing.content_hash = fingerprint
            AND (kind <> 'rule' OR type = 'user' OR standing.action = 'approve')
            AND (type <> 'user' OR standing.decided_at > now() - interval '7 days')
            AND (type <> 'room' OR standing.decided_at > now() - interval '1 hour')
            AND NOT EXISTS (SELECT FROM decisions d WHERE d.case_id = standing.id AND d.end_reason = 'undone') THEN
            RETURN standing.id;
        END IF;
        INSERT INTO cases (id, target_type, target_id, target_seq, owner_id, source, reason, severity, snapshot,
                           content_hash, is_private, barred_ids, due_at, findings)
        VALUES (mint_id(), type, target, seq, subject.owner_id, kind, why, gravity, subject.snapshot, fingerprint,
                subject.is_private, barred, due, ARRAY [found_by])
        ON CONFLICT DO NOTHING RETURNING id INTO opened;
        IF opened IS NOT NULL THEN
            INSERT INTO case_acts (id, case_id, kind) VALUES (mint_id(), opened, 'opened');
            PERFORM hold_files(opened, type, target, seq);
            PERFORM tell_of_case('case.opened', opened);
            RETURN opened;
        END IF; -- otherwise another transaction has opened it, and has committed
    END LOOP;
END $$;

-- Notes in an open case what a new report or finding changes. The gravest reason stays. An earlier snapshot of a target
-- that has changed goes to the history.
CREATE OR REPLACE FUNCTION add_to_case(standing bigint, found_by text, why text, gravity integer, barred bigint[],
                                       due timestamptz, seen jsonb, fingerprint bytea, hidden boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before cases;
BEGIN
    SELECT * INTO before FROM cases c WHERE c.id = standing FOR NO KEY UPDATE;
    IF before.content_hash <> fingerprint THEN
        INSERT INTO case_acts (id, case_id, kind, details)
        VALUES (mint_id(), standing, 'changed', jsonb_build_object('snapshot', before.snapshot));
    END IF;
    UPDATE cases c SET
        snapshot = CASE WHEN c.content_hash = fingerprint THEN c.snapshot ELSE seen END,
        content_hash = fingerprint,
        is_private = c.is_private OR hidden,
        reason = CASE WHEN gravity > c.severity THEN why ELSE c.reason END,
        severity = greatest(gravity, c.severity),
        source = CASE WHEN found_by = 'appeal' THEN 'appeal' ELSE c.source END,
        findings = CASE WHEN found_by = ANY (c.findings) THEN c.findings ELSE c.findings || found_by END,
        barred_ids = c.barred_ids || barred,
        due_at = least(c.due_at, due)
    WHERE c.id = standing;
END $$;

-- A finding was undone: the hold of a rule, or the decision that an appeal is against. If nothing else has found the target,
-- the case closes without a judge, and the next report or finding opens another.
CREATE OR REPLACE FUNCTION drop_finding(found_case bigint, finding text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- No report can join the case at the same time: see `case_for`.
    PERFORM hold('cases of a ' || c.target_type, c.target_id) FROM cases c WHERE c.id = found_case;
    UPDATE cases c SET findings = array_remove(c.findings, finding)
    WHERE c.id = found_case AND c.status = 'open' AND finding = ANY (c.findings);
    IF FOUND THEN
        UPDATE cases c SET status = 'decided', action = 'approve', decided_at = clock_timestamp()
        WHERE c.id = found_case AND c.findings = '{}';
        IF FOUND THEN
            INSERT INTO case_acts (id, case_id, kind) VALUES (mint_id(), found_case, 'decided');
        END IF;
    END IF;
END $$;

-- `case_for`, for rules, classifiers and appeals. Users may open cases about what is theirs, as rules do when they write
-- it; moderators and workers about everything.
CREATE OR REPLACE FUNCTION open_case(type text, target bigint, seq integer, found_by text, why text, gravity integer,
                                     barred bigint[], due timestamptz) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT case_for(type, target, seq, found_by, why, coalesce(gravity, reason_severity(why)), barred, due)
    FROM moderated(type, target, seq) m
    WHERE viewer_id() IS NULL OR m.owner_id = viewer_id() OR viewer_is_moderator()
$$;
GRANT EXECUTE ON FUNCTION open_case TO daira_app, daira_worker;
