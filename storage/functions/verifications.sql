-- Verification of creators. No rule of media shows the documents to anybody but their owner: `verification_documents`
-- is the only way, for moderators, and its caller adds an audit row.

-- The viewer asks to be verified by these images. Returns how many of them can be used: fewer than all if one is not a
-- ready image of the viewer's that is not used yet, and then the caller rolls back. Null if the viewer is verified.
CREATE OR REPLACE FUNCTION request_verification(new_id bigint, asked bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    used integer;
BEGIN
    PERFORM FROM users u WHERE u.id = viewer_id() AND u.status = 'active' AND NOT u.is_verified FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO verifications (id, user_id) VALUES (new_id, viewer_id());
    UPDATE media m SET target_type = 'verification', target_id = new_id, position = w.place - 1, expires_at = NULL
    FROM (SELECT id, min(place)::integer AS place FROM unnest(asked) WITH ORDINALITY AS w (id, place) GROUP BY id) w
    WHERE m.id = w.id AND m.owner_id = viewer_id() AND m.target_type IS NULL AND m.kind = 'image'
        AND m.status = 'ready';
    GET DIAGNOSTICS used = ROW_COUNT;
    RETURN used;
END $$;
GRANT EXECUTE ON FUNCTION request_verification TO daira_app;

-- The viewer's newest one.
CREATE OR REPLACE FUNCTION own_verification() RETURNS SETOF verifications
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT * FROM verifications v WHERE v.user_id = viewer_id() ORDER BY v.id DESC LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION own_verification TO daira_app;

-- Those that wait, the oldest first, for moderators. Those whose user is hidden wait on.
CREATE OR REPLACE FUNCTION verification_queue(above bigint, amount integer) RETURNS SETOF verifications
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT v.* FROM verifications v JOIN users u ON u.id = v.user_id
    WHERE v.status = 'waiting' AND v.id > above AND u.status = 'active' AND viewer_is_moderator()
    ORDER BY v.id LIMIT amount
$$;
GRANT EXECUTE ON FUNCTION verification_queue TO daira_app;

-- The documents of one that waits, for moderators, in order.
CREATE OR REPLACE FUNCTION verification_documents(asked bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT jsonb_agg(media_object(m) ORDER BY m.position)
    FROM media m JOIN verifications v ON v.id = m.target_id AND v.status = 'waiting'
    WHERE m.target_type = 'verification' AND m.target_id = asked AND viewer_is_moderator()
$$;
GRANT EXECUTE ON FUNCTION verification_documents TO daira_app;

-- A moderator decides. An approved user becomes a verified creator; the documents are deleted, and the user is notified.
-- `stands` is the status then; null if the viewer may not decide it. The first decision stands.
CREATE OR REPLACE FUNCTION decide_verification(asked bigint, decision text, told_reason text,
                                               OUT stands text, OUT is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v verifications;
    message_id bigint := mint_id();
    is_arabic boolean;
BEGIN
    is_new := false;
    IF NOT viewer_is_moderator() OR decision NOT IN ('approved', 'refused') THEN RETURN; END IF;
    SELECT * INTO v FROM verifications WHERE id = asked AND user_id <> viewer_id() FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    stands := v.status;
    IF v.status <> 'waiting' THEN RETURN; END IF;
    stands := decision;
    is_new := true;
    UPDATE verifications SET status = decision, reason = told_reason, decided_at = now(), decided_by = viewer_id()
    WHERE id = asked;
    DELETE FROM media WHERE target_type = 'verification' AND target_id = asked;
    IF decision = 'approved' THEN
        UPDATE users SET is_verified = true, role = CASE role WHEN 'user' THEN 'creator' ELSE role END
        WHERE id = v.user_id;
    END IF;
    SELECT a.locale LIKE 'ar%' INTO is_arabic FROM accounts a WHERE a.user_id = v.user_id;
    INSERT INTO system_messages (id, text, user_id, told_id, finished_at) VALUES (
        message_id,
        left(CASE WHEN coalesce(is_arabic, true) AND decision = 'approved' THEN 'تم توثيق حسابك.'
                  WHEN coalesce(is_arabic, true) THEN 'لم نتمكن من توثيق حسابك. ' || told_reason
                  WHEN decision = 'approved' THEN 'Your account is verified now.'
                  ELSE 'We could not verify your account. ' || told_reason END, 300),
        v.user_id, v.user_id, now());
    INSERT INTO outbox (id, topic, key, payload) VALUES (
        mint_id(), 'system.message_sent', message_id::text, convert_to(jsonb_build_object(
            'v', 1, 'message_id', message_id, 'first_id', v.user_id, 'last_id', v.user_id)::text, 'UTF8'));
END $$;
GRANT EXECUTE ON FUNCTION decide_verification TO daira_app;
