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
    WHEN 'reports.2' THEN
        UPDATE reports SET evidence = evidence_without(evidence, person)
        WHERE (id) IN (
            SELECT id FROM reports WHERE evidence @> jsonb_build_array(jsonb_build_object('owner_id', person))
                AND NOT (false) LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'case_files' THEN
        DELETE FROM case_files WHERE (media_id, case_id) IN (
            SELECT media_id, case_id FROM case_files WHERE owner_id = person LIMIT amount);
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
    WHEN 'appeals' THEN
        UPDATE appeals SET text = ''
        WHERE (id) IN (
            SELECT id FROM appeals WHERE user_id = person
                AND NOT (text = '') LIMIT amount);
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
    WHEN 'api_keys' THEN
        DELETE FROM api_keys WHERE (id) IN (
            SELECT id FROM api_keys WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'former_usernames' THEN
        DELETE FROM former_usernames WHERE (username_key) IN (
            SELECT username_key FROM former_usernames WHERE user_id = person LIMIT amount);
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
    WHEN 'verifications' THEN
        DELETE FROM verifications WHERE (id) IN (
            SELECT id FROM verifications WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'consents' THEN
        DELETE FROM consents WHERE (id) IN (
            SELECT id FROM consents WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'account_exports' THEN
        DELETE FROM account_exports WHERE (id) IN (
            SELECT id FROM account_exports WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'accounts' THEN
        DELETE FROM accounts WHERE (user_id) IN (
            SELECT user_id FROM accounts WHERE user_id = person LIMIT amount);
        GET DIAGNOSTICS erased = ROW_COUNT;
    WHEN 'users' THEN
        UPDATE users SET username = 'deleted:' || id, username_key = 'deleted:' || id, display_name = '', bio = '', avatar_url = NULL, role = 'user', is_verified = false, is_private = true, presence_status = 'invisible', presence_text = '', presence_audience = 'nobody', suspended_until = NULL, status = 'deleted'
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

-- The rows of a table that are exported to the person, while the export of that person runs.
CREATE OR REPLACE FUNCTION export_rows(person bigint, from_table text) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT export_runs(person) THEN RETURN; END IF;
    CASE from_table
    WHEN 'posts' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'text', t.text, 'visibility', coalesce(t.chosen_visibility, t.visibility), 'circle_id', coalesce(t.chosen_circle_id, t.circle_id), 'reply_policy', t.reply_policy, 'hashtags', t.hashtags, 'mention_ids', t.mention_ids, 'status', t.status, 'reactions', t.reactions, 'comment_count', t.comment_count, 'share_count', t.share_count, 'save_count', t.save_count, 'view_count', t.view_count, 'edited_at', t.edited_at, 'deleted_at', t.deleted_at, 'shared_post_id', t.shared_post_id, 'labels', t.labels)
            FROM posts t WHERE (id) IN (SELECT id FROM posts WHERE author_id = person);
    WHEN 'comments' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'post_id', t.post_id, 'parent_id', t.parent_id, 'text', t.text, 'mention_ids', t.mention_ids, 'status', t.status, 'reply_count', t.reply_count, 'reactions', t.reactions, 'edited_at', t.edited_at, 'deleted_at', t.deleted_at, 'labels', t.labels)
            FROM comments t WHERE (id) IN (SELECT id FROM comments WHERE author_id = person);
    WHEN 'reactions' THEN
        RETURN QUERY SELECT jsonb_build_object('target_type', t.target_type, 'target_id', t.target_id, 'kind', t.kind)
            FROM reactions t WHERE (target_type, target_id, user_id) IN (SELECT target_type, target_id, user_id FROM reactions WHERE user_id = person);
    WHEN 'saves' THEN
        RETURN QUERY SELECT jsonb_build_object('post_id', t.post_id, 'collection_id', t.collection_id)
            FROM saves t WHERE (post_id, user_id) IN (SELECT post_id, user_id FROM saves WHERE user_id = person);
    WHEN 'collections' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'name', t.name, 'created_at', t.created_at)
            FROM collections t WHERE (id) IN (SELECT id FROM collections WHERE owner_id = person);
    WHEN 'chat_messages' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'seq', t.seq, 'text', t.text, 'reply_to_seq', t.reply_to_seq, 'created_at', t.created_at, 'edited_at', t.edited_at, 'deleted_at', t.deleted_at, 'labels', t.labels)
            FROM chat_messages t WHERE (chat_id, seq) IN (SELECT chat_id, seq FROM chat_messages WHERE sender_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person));
    WHEN 'chat_edits' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'seq', t.seq, 'number', t.number, 'text', t.text, 'written_at', t.written_at)
            FROM chat_edits t WHERE (chat_id, seq, number) IN (SELECT chat_id, seq, number FROM chat_edits WHERE chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person) AND EXISTS (SELECT FROM chat_messages m WHERE m.chat_id = chat_edits.chat_id AND m.seq = chat_edits.seq AND m.sender_id = person));
    WHEN 'chat_reactions' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'seq', t.seq, 'emoji', t.emoji)
            FROM chat_reactions t WHERE (chat_id, seq, user_id) IN (SELECT chat_id, seq, user_id FROM chat_reactions WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person));
    WHEN 'chat_hidden' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'seq', t.seq)
            FROM chat_hidden t WHERE (chat_id, user_id, seq) IN (SELECT chat_id, user_id, seq FROM chat_hidden WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person));
    WHEN 'chat_reads' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'seqs', t.seqs, 'ats', t.ats)
            FROM chat_reads t WHERE (chat_id, user_id) IN (SELECT chat_id, user_id FROM chat_reads WHERE user_id = person AND chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person));
    WHEN 'chat_members' THEN
        RETURN QUERY SELECT jsonb_build_object('chat_id', t.chat_id, 'role', t.role, 'state', t.state, 'received_seq', t.received_seq, 'read_seq', t.read_seq, 'muted_until', t.muted_until, 'joined_at', t.joined_at)
            FROM chat_members t WHERE (chat_id, user_id) IN (SELECT chat_id, user_id FROM chat_members WHERE user_id = person);
    WHEN 'chats' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'title', t.title, 'created_at', t.created_at)
            FROM chats t WHERE (id) IN (SELECT id FROM chats WHERE creator_id = person AND kind = 'group');
    WHEN 'rooms' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'owner_id', t.owner_id, 'host_id', t.host_id, 'topic', t.topic, 'state', t.state, 'visibility', coalesce(t.chosen_visibility, t.visibility), 'circle_id', coalesce(t.chosen_circle_id, t.circle_id), 'capacity', t.capacity, 'slow_mode_s', t.slow_mode_s, 'starts_at', t.starts_at, 'started_at', t.started_at, 'ended_at', t.ended_at, 'is_recorded', t.is_recorded, 'labels', t.labels)
            FROM rooms t WHERE (id) IN (SELECT id FROM rooms WHERE person IN (owner_id, host_id));
    WHEN 'room_roles' THEN
        RETURN QUERY SELECT jsonb_build_object('room_id', t.room_id, 'role', t.role, 'granted_at', t.granted_at)
            FROM room_roles t WHERE (room_id, user_id) IN (SELECT room_id, user_id FROM room_roles WHERE user_id = person AND role <> 'listener');
    WHEN 'room_turns' THEN
        RETURN QUERY SELECT jsonb_build_object('room_id', t.room_id, 'began_at', t.began_at, 'ended_at', t.ended_at)
            FROM room_turns t WHERE (room_id, user_id, began_at) IN (SELECT room_id, user_id, began_at FROM room_turns WHERE user_id = person);
    WHEN 'room_invitations' THEN
        RETURN QUERY SELECT jsonb_build_object('room_id', t.room_id, 'created_at', t.created_at)
            FROM room_invitations t WHERE (room_id, user_id) IN (SELECT room_id, user_id FROM room_invitations WHERE user_id = person);
    WHEN 'room_messages' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'room_id', t.room_id, 'text', t.text, 'deleted_at', t.deleted_at, 'is_removed', t.is_removed)
            FROM room_messages t WHERE (id) IN (SELECT id FROM room_messages WHERE sender_id = person);
    WHEN 'room_recordings' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'room_id', t.room_id, 'state', t.state, 'created_at', t.created_at, 'ended_at', t.ended_at)
            FROM room_recordings t WHERE (id) IN (SELECT id FROM room_recordings WHERE started_by = person);
    WHEN 'media' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'kind', t.kind, 'status', t.status, 'content_type', t.content_type, 'filename', t.filename, 'size_bytes', t.size_bytes, 'created_at', t.created_at, 'target_type', t.target_type, 'target_id', t.target_id, 'alt', t.alt, 'is_sensitive', t.is_sensitive, 'width', t.width, 'height', t.height, 'duration_ms', t.duration_ms, 'labels', t.labels)
            FROM media t WHERE (id) IN (SELECT id FROM media WHERE owner_id = person);
    WHEN 'media_usage' THEN
        RETURN QUERY SELECT jsonb_build_object('bytes', t.bytes, 'video_ms', t.video_ms)
            FROM media_usage t WHERE (user_id) IN (SELECT user_id FROM media_usage WHERE user_id = person);
    WHEN 'reports' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'reason', t.reason, 'text', t.text, 'created_at', t.created_at, 'retracted_at', t.retracted_at, 'outcome', t.outcome)
            FROM reports t WHERE (id) IN (SELECT id FROM reports WHERE reporter_id = person);
    WHEN 'decisions' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'target_type', t.target_type, 'target_id', t.target_id, 'target_seq', t.target_seq, 'action', t.action, 'reason', t.reason, 'labels', t.labels, 'until', t.until, 'created_at', t.created_at, 'ended_at', t.ended_at, 'end_reason', t.end_reason)
            FROM decisions t WHERE (id) IN (SELECT id FROM decisions WHERE user_id = person AND action <> 'shadow');
    WHEN 'statements' THEN
        RETURN QUERY SELECT jsonb_build_object('decision_id', t.decision_id, 'decision_visibility', t.decision_visibility, 'decision_account', t.decision_account, 'decision_ground', t.decision_ground, 'facts', t.facts, 'category', t.category, 'content_type', t.content_type, 'territorial_scope', t.territorial_scope, 'source', t.source, 'automated_detection', t.automated_detection, 'automated_decision', t.automated_decision, 'applies_from', t.applies_from, 'end_date', t.end_date, 'language', t.language)
            FROM statements t WHERE (decision_id) IN (SELECT decision_id FROM statements WHERE decision_id IN (SELECT d.id FROM decisions d WHERE d.user_id = person AND d.action <> 'shadow'));
    WHEN 'appeals' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'decision_id', t.decision_id, 'text', t.text, 'status', t.status, 'due_at', t.due_at, 'created_at', t.created_at, 'decided_at', t.decided_at)
            FROM appeals t WHERE (id) IN (SELECT id FROM appeals WHERE user_id = person);
    WHEN 'sessions' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'device_name', t.device_name, 'ip', t.ip, 'user_agent', t.user_agent, 'created_at', t.created_at, 'last_seen_at', t.last_seen_at, 'expires_at', t.expires_at, 'revoked_at', t.revoked_at, 'revoked_reason', t.revoked_reason, 'second_factor_at', t.second_factor_at)
            FROM sessions t WHERE (id) IN (SELECT id FROM sessions WHERE user_id = person);
    WHEN 'api_keys' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'name', t.name, 'prefix', t.prefix, 'methods', t.methods, 'created_at', t.created_at, 'last_used_at', t.last_used_at)
            FROM api_keys t WHERE (id) IN (SELECT id FROM api_keys WHERE user_id = person);
    WHEN 'former_usernames' THEN
        RETURN QUERY SELECT jsonb_build_object('username_key', t.username_key, 'until', t.until)
            FROM former_usernames t WHERE (username_key) IN (SELECT username_key FROM former_usernames WHERE user_id = person);
    WHEN 'second_factors' THEN
        RETURN QUERY SELECT jsonb_build_object('confirmed_at', t.confirmed_at, 'created_at', t.created_at)
            FROM second_factors t WHERE (user_id) IN (SELECT user_id FROM second_factors WHERE user_id = person);
    WHEN 'push_devices' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'kind', t.kind, 'created_at', t.created_at, 'registered_at', t.registered_at)
            FROM push_devices t WHERE (id) IN (SELECT id FROM push_devices WHERE user_id = person);
    WHEN 'follows' THEN
        RETURN QUERY SELECT jsonb_build_object('follower_id', t.follower_id, 'followee_id', t.followee_id, 'status', t.status, 'created_at', t.created_at)
            FROM follows t WHERE (follower_id, followee_id) IN (SELECT follower_id, followee_id FROM follows WHERE person IN (follower_id, followee_id));
    WHEN 'blocks' THEN
        RETURN QUERY SELECT jsonb_build_object('blocked_id', t.blocked_id, 'reason', t.reason, 'created_at', t.created_at)
            FROM blocks t WHERE (blocker_id, blocked_id) IN (SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id = person);
    WHEN 'mutes' THEN
        RETURN QUERY SELECT jsonb_build_object('muted_id', t.muted_id, 'kind', t.kind, 'until', t.until, 'created_at', t.created_at)
            FROM mutes t WHERE (user_id, muted_id, kind) IN (SELECT user_id, muted_id, kind FROM mutes WHERE user_id = person);
    WHEN 'circle_members' THEN
        RETURN QUERY SELECT jsonb_build_object('circle_id', t.circle_id, 'user_id', t.user_id, 'added_at', t.added_at)
            FROM circle_members t WHERE (circle_id, user_id) IN (SELECT circle_id, user_id FROM circle_members WHERE owner_id = person);
    WHEN 'circles' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'name', t.name, 'created_at', t.created_at)
            FROM circles t WHERE (id) IN (SELECT id FROM circles WHERE owner_id = person);
    WHEN 'dismissed_people' THEN
        RETURN QUERY SELECT jsonb_build_object('dismissed_id', t.dismissed_id, 'created_at', t.created_at)
            FROM dismissed_people t WHERE (user_id, dismissed_id) IN (SELECT user_id, dismissed_id FROM dismissed_people WHERE user_id = person);
    WHEN 'affinities' THEN
        RETURN QUERY SELECT jsonb_build_object('other_id', t.other_id, 'points', t.points, 'skips', t.skips, 'as_of', t.as_of)
            FROM affinities t WHERE (user_id, other_id) IN (SELECT user_id, other_id FROM affinities WHERE user_id = person);
    WHEN 'user_vectors' THEN
        RETURN QUERY SELECT jsonb_build_object('vector', t.vector, 'learnt_at', t.learnt_at)
            FROM user_vectors t WHERE (user_id) IN (SELECT user_id FROM user_vectors WHERE user_id = person);
    WHEN 'feed_hides' THEN
        RETURN QUERY SELECT jsonb_build_object('post_id', t.post_id, 'reason', t.reason, 'topics', t.topics, 'created_at', t.created_at)
            FROM feed_hides t WHERE (user_id, post_id) IN (SELECT user_id, post_id FROM feed_hides WHERE user_id = person);
    WHEN 'recent_searches' THEN
        RETURN QUERY SELECT jsonb_build_object('q', t.q, 'searched_at', t.searched_at)
            FROM recent_searches t WHERE (user_id, folded) IN (SELECT user_id, folded FROM recent_searches WHERE user_id = person);
    WHEN 'notifications' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'kind', t.kind, 'target_type', t.target_type, 'target_id', t.target_id, 'place', t.place, 'actor_ids', t.actor_ids, 'actor_count', t.actor_count, 'first_at', t.first_at, 'updated_at', t.updated_at, 'seen_at', t.seen_at, 'read_at', t.read_at)
            FROM notifications t WHERE (id) IN (SELECT id FROM notifications WHERE user_id = person);
    WHEN 'notification_preferences' THEN
        RETURN QUERY SELECT jsonb_build_object('channels', t.channels, 'ungrouped', t.ungrouped, 'quiet_from', t.quiet_from, 'quiet_until', t.quiet_until, 'strangers', t.strangers, 'new_accounts', t.new_accounts)
            FROM notification_preferences t WHERE (user_id) IN (SELECT user_id FROM notification_preferences WHERE user_id = person);
    WHEN 'system_messages' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'text', t.text, 'created_at', t.created_at)
            FROM system_messages t WHERE (id) IN (SELECT id FROM system_messages WHERE user_id = person);
    WHEN 'audit' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'action', t.action, 'resource', t.resource, 'ip', t.ip, 'user_agent', t.user_agent, 'recorded_at', t.recorded_at)
            FROM audit t WHERE (id) IN (SELECT id FROM audit WHERE actor_id = person);
    WHEN 'verifications' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'status', t.status, 'reason', t.reason, 'requested_at', t.requested_at, 'decided_at', t.decided_at)
            FROM verifications t WHERE (id) IN (SELECT id FROM verifications WHERE user_id = person);
    WHEN 'consents' THEN
        RETURN QUERY SELECT jsonb_build_object('purpose', t.purpose, 'version', t.version, 'given_at', t.given_at, 'withdrawn_at', t.withdrawn_at)
            FROM consents t WHERE (id) IN (SELECT id FROM consents WHERE user_id = person);
    WHEN 'account_exports' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'state', t.state, 'created_at', t.created_at, 'size_bytes', t.size_bytes, 'expires_at', t.expires_at)
            FROM account_exports t WHERE (id) IN (SELECT id FROM account_exports WHERE user_id = person);
    WHEN 'accounts' THEN
        RETURN QUERY SELECT jsonb_build_object('email', t.email, 'email_verified_at', t.email_verified_at, 'birth_date', t.birth_date, 'locale', t.locale, 'timezone', t.timezone, 'created_at', t.created_at, 'messages_from', t.messages_from, 'comments_from', t.comments_from, 'mentions_from', t.mentions_from, 'governorate', t.governorate, 'suggest_me', t.suggest_me, 'label_choices', t.label_choices, 'username_changed_at', t.username_changed_at, 'feed_reset_at', t.feed_reset_at)
            FROM accounts t WHERE (user_id) IN (SELECT user_id FROM accounts WHERE user_id = person);
    WHEN 'users' THEN
        RETURN QUERY SELECT jsonb_build_object('id', t.id, 'username', t.username, 'display_name', t.display_name, 'bio', t.bio, 'avatar_url', t.avatar_url, 'role', t.role, 'status', t.status, 'is_verified', t.is_verified, 'is_private', t.is_private, 'follower_count', t.follower_count, 'following_count', t.following_count, 'post_count', t.post_count, 'created_at', t.created_at, 'presence_status', t.presence_status, 'presence_text', t.presence_text, 'presence_audience', t.presence_audience, 'suspended_until', t.suspended_until)
            FROM users t WHERE (id) IN (SELECT id FROM users WHERE id = person);
    WHEN 'account_deletions' THEN
        RETURN QUERY SELECT jsonb_build_object('requested_at', t.requested_at, 'erase_at', t.erase_at)
            FROM account_deletions t WHERE (user_id) IN (SELECT user_id FROM account_deletions WHERE user_id = person);
    END CASE;
END $$;
GRANT EXECUTE ON FUNCTION export_rows TO daira_worker;
