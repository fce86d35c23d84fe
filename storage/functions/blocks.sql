-- Blocks between two users.

-- The blockers, if one of the two blocks the other. Without SECURITY DEFINER, so that it becomes part of its caller's
-- plan: two lookups by keys.
CREATE OR REPLACE FUNCTION blocks_between(one bigint, other bigint) RETURNS TABLE (blocker_id bigint)
    LANGUAGE sql STABLE AS $$
    SELECT b.blocker_id FROM public.blocks b WHERE b.blocker_id = one AND b.blocked_id = other
    UNION ALL SELECT b.blocker_id FROM public.blocks b WHERE b.blocker_id = other AND b.blocked_id = one
$$;
