CREATE TRIGGER most_followed AFTER INSERT ON follows REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('follower_id', '7500', 'true', 'nobody follows more than %s users: unfollow some first');
CREATE TRIGGER most_blocked AFTER INSERT ON blocks REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('blocker_id', '10000', 'true', 'nobody blocks more than %s users: unblock some first');
CREATE TRIGGER most_muted AFTER INSERT ON mutes REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION
    bounded('user_id', '10000', 'true', 'nobody mutes more than %s users: unmute some first');

DROP FUNCTION IF EXISTS feed_candidates(bigint[], integer);
