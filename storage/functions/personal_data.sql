-- Written by `make erasure` from storage/personal_data.py: change that instead.

-- Erase up to `amount` rows of a person, in the step of that name. `following` is where to go on, null once the step is
-- done. It does nothing until the erasure of the person is due, nor after it.
CREATE OR REPLACE FUNCTION erase_step(person bigint, step text, amount integer, since bigint,
                                      OUT erased integer, OUT following bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    erased := 0;
    -- A user who cancels locks the same row.
    PERFORM FROM account_deletions d
    WHERE d.user_id = person AND d.erased_at IS NULL AND d.erase_at <= now() FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    CASE step
    WHEN 'posts' THEN
        WITH blanked AS (UPDATE posts SET text = '', hashtags = '{}', topics = '{}', mention_ids = '{}', status = 'deleted', deleted_at = coalesce(deleted_at, now()), version = version + 1
        WHERE (id) IN (
            SELECT id FROM posts WHERE author_id = person
                AND NOT (status = 'deleted') LIMIT amount) RETURNING posts.*)
        INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), 'post.deleted', person::text, convert_to(jsonb_build_object('v', 1, 'post_id', id, 'author_id', author_id)::text, 'UTF8')
        FROM blanked;
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'posts.1' THEN
        WITH passed AS (
            SELECT id FROM posts
            WHERE id > greatest(erase_step.since, person) ORDER BY id LIMIT amount * 10),
        blanked AS (
            UPDATE posts SET text = '', hashtags = '{}', topics = '{}', mention_ids = '{}'
            WHERE id IN (SELECT id FROM passed) AND author_id = person
                AND NOT (text = '' AND hashtags = '{}' AND topics = '{}' AND mention_ids = '{}') RETURNING 1)
        SELECT (SELECT max(id) FROM passed), (SELECT count(*) FROM blanked) INTO following, erased;
    WHEN 'post_mentions' THEN
        DELETE FROM post_mentions WHERE (user_id, post_id) IN (
            SELECT user_id, post_id FROM post_mentions WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'tag_uses' THEN
        DELETE FROM tag_uses WHERE (tag, hour, user_id, post_id) IN (
            SELECT tag, hour, user_id, post_id FROM tag_uses WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'comments' THEN
        UPDATE comments SET text = '', mention_ids = '{}', status = 'deleted', deleted_at = coalesce(deleted_at, now())
        WHERE (id) IN (
            SELECT id FROM comments WHERE author_id = person
                AND NOT (status = 'deleted') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'comments.1' THEN
        UPDATE comments SET text = '', mention_ids = '{}'
        WHERE (id) IN (
            SELECT id FROM comments WHERE author_id = person
                AND NOT (status = 'published' OR text = '') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'reactions' THEN
        DELETE FROM reactions WHERE (target_type, target_id, user_id) IN (
            SELECT target_type, target_id, user_id FROM reactions WHERE user_id = person AND target_type = 'post' LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'reactions.1' THEN
        DELETE FROM reactions WHERE (target_type, target_id, user_id) IN (
            SELECT target_type, target_id, user_id FROM reactions WHERE user_id = person AND target_type = 'comment' LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'saves' THEN
        DELETE FROM saves WHERE (post_id, user_id) IN (
            SELECT post_id, user_id FROM saves WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'collections' THEN
        DELETE FROM collections WHERE (id) IN (
            SELECT id FROM collections WHERE owner_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_messages' THEN
        UPDATE chat_messages SET deleted_at = now()
        WHERE (chat_id, seq) IN (
            SELECT chat_id, seq FROM chat_messages WHERE sender_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person)
                AND NOT (deleted_at IS NOT NULL) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_edits' THEN
        DELETE FROM chat_edits WHERE (chat_id, seq, number) IN (
            SELECT chat_id, seq, number FROM chat_edits WHERE chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person) AND EXISTS (SELECT FROM chat_messages m WHERE m.chat_id = chat_edits.chat_id AND m.seq = chat_edits.seq AND m.sender_id = person) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_reactions' THEN
        DELETE FROM chat_reactions WHERE (chat_id, seq, user_id) IN (
            SELECT chat_id, seq, user_id FROM chat_reactions WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_hidden' THEN
        DELETE FROM chat_hidden WHERE (chat_id, user_id, seq) IN (
            SELECT chat_id, user_id, seq FROM chat_hidden WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_reads' THEN
        DELETE FROM chat_reads WHERE (chat_id, user_id) IN (
            SELECT chat_id, user_id FROM chat_reads WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'chat_members' THEN
        erased := erase_memberships(person, amount);
    WHEN 'room_digests' THEN
        erased := erase_digests(person, amount);
    WHEN 'rooms' THEN
        UPDATE rooms SET topic = '', state = 'ended', ended_at = coalesce(ended_at, now()), version = version + 1
        WHERE (id) IN (
            SELECT id FROM rooms WHERE owner_id = person
                AND NOT (topic = '' AND state = 'ended') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'room_roles' THEN
        DELETE FROM room_roles WHERE (room_id, user_id) IN (
            SELECT room_id, user_id FROM room_roles WHERE user_id = person AND role <> 'listener' LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'room_turns' THEN
        DELETE FROM room_turns WHERE (room_id, user_id, began_at) IN (
            SELECT room_id, user_id, began_at FROM room_turns WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'room_bans' THEN
        DELETE FROM room_bans WHERE (room_id, user_id) IN (
            SELECT room_id, user_id FROM room_bans WHERE person IN (user_id, actor_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'room_invitations' THEN
        DELETE FROM room_invitations WHERE (room_id, user_id) IN (
            SELECT room_id, user_id FROM room_invitations WHERE person IN (user_id, inviter_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'room_messages' THEN
        DELETE FROM room_messages WHERE (id) IN (
            SELECT id FROM room_messages WHERE sender_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'media' THEN
        DELETE FROM media WHERE (id) IN (
            SELECT id FROM media WHERE owner_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'media_usage' THEN
        DELETE FROM media_usage WHERE (user_id) IN (
            SELECT user_id FROM media_usage WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'reports' THEN
        UPDATE reports SET text = '', evidence = '[]'
        WHERE (id) IN (
            SELECT id FROM reports WHERE reporter_id = person
                AND NOT (text = '' AND evidence = '[]') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'reports.1' THEN
        UPDATE reports SET text = '', evidence = '[]'
        WHERE (id) IN (
            SELECT id FROM reports WHERE case_id IN (SELECT c.id FROM cases c WHERE c.owner_id = person)
                AND NOT (text = '' AND evidence = '[]') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'reporters' THEN
        DELETE FROM reporters WHERE (user_id) IN (
            SELECT user_id FROM reporters WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'case_acts' THEN
        UPDATE case_acts SET note = '', details = '{}'
        WHERE (id) IN (
            SELECT id FROM case_acts WHERE case_id IN (SELECT c.id FROM cases c WHERE c.owner_id = person)
                AND NOT (note = '' AND details = '{}') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'cases' THEN
        UPDATE cases SET snapshot = '{}', content_hash = sha256('')
        WHERE (id) IN (
            SELECT id FROM cases WHERE owner_id = person
                AND NOT (snapshot = '{}') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'decisions' THEN
        UPDATE decisions SET note = ''
        WHERE (id) IN (
            SELECT id FROM decisions WHERE user_id = person
                AND NOT (note = '') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'one_time_codes' THEN
        DELETE FROM one_time_codes WHERE (purpose, subject) IN (
            SELECT purpose, subject FROM one_time_codes WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'account_mails' THEN
        DELETE FROM account_mails WHERE (id) IN (
            SELECT id FROM account_mails WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'rule_hits' THEN
        DELETE FROM rule_hits WHERE (id) IN (
            SELECT id FROM rule_hits WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'text_prints' THEN
        DELETE FROM text_prints WHERE (id) IN (
            SELECT id FROM text_prints WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'idempotency' THEN
        DELETE FROM idempotency WHERE (user_id, method, key) IN (
            SELECT user_id, method, key FROM idempotency WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'sessions' THEN
        DELETE FROM sessions WHERE (id) IN (
            SELECT id FROM sessions WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'second_factors' THEN
        DELETE FROM second_factors WHERE (user_id) IN (
            SELECT user_id FROM second_factors WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'recovery_codes' THEN
        DELETE FROM recovery_codes WHERE (user_id, code_hash) IN (
            SELECT user_id, code_hash FROM recovery_codes WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'push_devices' THEN
        DELETE FROM push_devices WHERE (id) IN (
            SELECT id FROM push_devices WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'follows' THEN
        DELETE FROM follows WHERE (follower_id, followee_id) IN (
            SELECT follower_id, followee_id FROM follows WHERE person IN (follower_id, followee_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'blocks' THEN
        DELETE FROM blocks WHERE (blocker_id, blocked_id) IN (
            SELECT blocker_id, blocked_id FROM blocks WHERE person IN (blocker_id, blocked_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'mutes' THEN
        DELETE FROM mutes WHERE (user_id, muted_id, kind) IN (
            SELECT user_id, muted_id, kind FROM mutes WHERE person IN (user_id, muted_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'circle_members' THEN
        DELETE FROM circle_members WHERE (circle_id, user_id) IN (
            SELECT circle_id, user_id FROM circle_members WHERE person IN (owner_id, user_id) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'circles' THEN
        DELETE FROM circles WHERE (id) IN (
            SELECT id FROM circles WHERE owner_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'dismissed_people' THEN
        DELETE FROM dismissed_people WHERE (user_id, dismissed_id) IN (
            SELECT user_id, dismissed_id FROM dismissed_people WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'affinities' THEN
        DELETE FROM affinities WHERE (user_id, other_id) IN (
            SELECT user_id, other_id FROM affinities WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'user_vectors' THEN
        DELETE FROM user_vectors WHERE (user_id) IN (
            SELECT user_id FROM user_vectors WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'feed_hides' THEN
        DELETE FROM feed_hides WHERE (user_id, post_id) IN (
            SELECT user_id, post_id FROM feed_hides WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'recent_searches' THEN
        DELETE FROM recent_searches WHERE (user_id, folded) IN (
            SELECT user_id, folded FROM recent_searches WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'search_uses' THEN
        DELETE FROM search_uses WHERE (id) IN (
            SELECT id FROM search_uses WHERE cardinality(author_ids) = 1 AND author_ids[1] = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'notification_deliveries' THEN
        DELETE FROM notification_deliveries WHERE (notification_id, channel) IN (
            SELECT notification_id, channel FROM notification_deliveries WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'notification_causes' THEN
        DELETE FROM notification_causes WHERE (user_id, kind, target_type, target_id, actor_id) IN (
            SELECT user_id, kind, target_type, target_id, actor_id FROM notification_causes WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'notifications' THEN
        DELETE FROM notifications WHERE (id) IN (
            SELECT id FROM notifications WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'notification_preferences' THEN
        DELETE FROM notification_preferences WHERE (user_id) IN (
            SELECT user_id FROM notification_preferences WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'system_messages' THEN
        DELETE FROM system_messages WHERE (id) IN (
            SELECT id FROM system_messages WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'audit' THEN
        UPDATE audit SET ip = NULL, user_agent = NULL
        WHERE (id) IN (
            SELECT id FROM audit WHERE actor_id = person
                AND NOT (ip IS NULL AND user_agent IS NULL) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'accounts' THEN
        DELETE FROM accounts WHERE (user_id) IN (
            SELECT user_id FROM accounts WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'users' THEN
        UPDATE users SET username = 'deleted:' || id, username_key = 'deleted:' || id, display_name = '', bio = '', avatar_url = NULL, role = 'user', is_verified = false, is_private = true, presence_status = 'invisible', presence_text = '', presence_audience = 'nobody', status = 'deleted'
        WHERE (id) IN (
            SELECT id FROM users WHERE id = person
                AND NOT (status = 'deleted') LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    END CASE;
    IF following IS NULL AND erased >= amount THEN following := 0; END IF;
    UPDATE account_deletions SET at_step = step, since = following, claimed_until = now() + interval '5 minutes'
    WHERE user_id = person;
END $$;
GRANT EXECUTE ON FUNCTION erase_step TO daira_worker;
