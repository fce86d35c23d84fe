"""The viewers whom each function of the database answers, for functions that the application's role may call.

A viewer is answered if the first row of the query is not empty. Of two commands, the viewer runs the first, and the
owner of the tables checks its effect with the second.
"""

from tests.storage.policies import (
    candidates,
    cases,
    decisions,
    enforcement,
    explore,
    feeds,
    lifecycle,
    media,
    notifications,
    oversight,
    rulebook,
    search,
)
from tests.storage.policies.world import ANYONE, VIEWERS

NO_ONE = ""
_EVERYBODY = " ".join(VIEWERS)
_SIGNED_IN = _EVERYBODY.replace(" nobody", "")
_FOLLOWERS = "owner cohost other muted banned"  # the owner and the followers
_LAST = "9223372036854775807"

_SEND = """SELECT verdict = 'sent' FROM send_chat_messages({{{chat}}}, ARRAY [{{{sender}}}]::bigint[], ARRAY ['x'],
    ARRAY [NULL]::integer[], ARRAY [NULL], ARRAY [NULL]::bytea[], ARRAY [true], ARRAY [NULL])"""

FUNCTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    **candidates.ANSWERED,
    **enforcement.ANSWERED,
    **feeds.ANSWERED,
    **lifecycle.ANSWERED,
    **media.ANSWERED,
    **notifications.ANSWERED,
    **search.ANSWERED,
    **explore.ANSWERED,
    **cases.ANSWERED,
    **decisions.ANSWERED,
    **rulebook.ANSWERED,
    **oversight.ANSWERED,
    # The viewer and their relations.
    "viewer_id": ((_SIGNED_IN, "SELECT viewer_id() = {me}"),),
    "snowflake_at": ((_EVERYBODY, "SELECT snowflake_at(now())"),),
    "blocks_viewer": (("blocked", "SELECT blocks_viewer({owner})"),),
    "relations": (
        ("cohost other muted banned", "SELECT follows FROM relations(ARRAY [{owner}])"),
        ("blocked", "SELECT blocked_by FROM relations(ARRAY [{owner}])"),
        ("owner", "SELECT blocks FROM relations(ARRAY [{blocked}])"),
    ),
    "graph_open": (
        (_FOLLOWERS, "SELECT graph_open({owner})"),
        (_SIGNED_IN, "SELECT graph_open({open})"),
    ),
    # Everybody may see whether an account is private, except users whom it blocks; a trigger stops those.
    "is_open_now": (
        (_EVERYBODY, "SELECT is_open_now({open})"),
        (NO_ONE, "SELECT is_open_now({owner})"),
    ),
    "follower_ids": ((_FOLLOWERS, f"SELECT true FROM follower_ids({{owner}}, {_LAST}, 9)"),),
    "following_ids": ((_SIGNED_IN, f"SELECT true FROM following_ids({{other}}, {_LAST}, 9)"),),
    "post_visible": (
        (_FOLLOWERS, "SELECT post_visible({owner}, 'followers', NULL)"),
        ("owner other", "SELECT post_visible({owner}, 'circle', {circle})"),
        ("owner", "SELECT post_visible({owner}, 'private', NULL)"),
    ),
    "sees_post": (
        (_FOLLOWERS, "SELECT sees_post({post})"),
        (_SIGNED_IN, "SELECT sees_post({open_post})"),
        (NO_ONE, "SELECT sees_post({deleted_post})"),
    ),
    "sees_user": ((_SIGNED_IN.replace(" blocked", ""), "SELECT sees_user({owner})"),),
    "admits_mention": (
        (_EVERYBODY, "SELECT admits_mention({open})"),
        (NO_ONE, "SELECT admits_mention({shy})"),
    ),
    # Comments and reactions.
    "may_comment": (
        (_FOLLOWERS, "SELECT may_comment({post}, NULL)"),
        (_FOLLOWERS, "SELECT may_comment({post}, {comment})"),
        (NO_ONE, "SELECT may_comment({post}, {deleted_comment})"),
        (NO_ONE, "SELECT may_comment({open_post}, NULL)"),
    ),
    "comment_page": (
        (_FOLLOWERS, f"SELECT id FROM comment_page({{post}}, NULL, {_LAST}, 9, 2)"),
        # The owner hides the label of the reply.
        (_FOLLOWERS.replace("owner ", ""), "SELECT id FROM comment_page({post}, {comment}, 0, 9, 2)"),
    ),
    "shown_replies": (
        (f"{_FOLLOWERS} nobody", "SELECT shown_replies({comment}) IS NOT NULL"),
        ("nobody", "SELECT shown_replies({lost_comment}) IS NOT NULL"),
    ),
    "delete_comment": (
        ("owner other", "SELECT is_new FROM delete_comment({comment})"),
        ("banned", "SELECT is_new FROM delete_comment({lost_comment})"),
    ),
    "target_post": (
        (_FOLLOWERS, "SELECT target_post('post', {post})"),
        (_SIGNED_IN.replace(" blocked", ""), "SELECT target_post('comment', {owner_comment})"),
        (NO_ONE, "SELECT target_post('comment', {deleted_comment})"),
        (NO_ONE, "SELECT target_post('comment', {lost_comment})"),
    ),
    "reactions_to": ((_FOLLOWERS, f"SELECT id FROM reactions_to('post', {{post}}, ARRAY ['like'], {_LAST}, 9)"),),
    "large_author_post_ids": ((NO_ONE, f"SELECT true FROM large_author_post_ids({_LAST}, 9) id WHERE id = {{post}}"),),
    "inbox_post_ids": (
        (_FOLLOWERS.replace("owner ", ""), "SELECT true FROM inbox_post_ids(100) id WHERE id = {post}"),
        (NO_ONE, "SELECT true FROM inbox_post_ids(100) id WHERE id = {lost_post}"),
    ),
    "originals_shared_above": (
        (NO_ONE, "SELECT true FROM originals_shared_above(ARRAY [{share}], 0, 9) id WHERE id = {open_post}"),
    ),
    "viewer_marks": (
        ("owner blocked", "SELECT hidden IS NOT NULL FROM viewer_marks('post', ARRAY [{open_post}])"),
        ("other", "SELECT reaction FROM viewer_marks('post', ARRAY [{post}])"),
        ("other", "SELECT is_saved FROM viewer_marks('post', ARRAY [{lost_post}])"),
    ),
    "may_share": (
        (_SIGNED_IN, "SELECT may_share({open_post})"),
        (NO_ONE, "SELECT may_share({share})"),
        (NO_ONE, "SELECT may_share({post})"),
    ),
    "may_view": (
        (_FOLLOWERS.replace("owner ", ""), "SELECT may_view({post})"),
        (NO_ONE, "SELECT may_view({deleted_post})"),
    ),
    "may_watch": (
        ("other nobody", "SELECT may_watch(ARRAY [{owner}], ARRAY [{other}])"),
        (_FOLLOWERS, "SELECT may_watch(ARRAY [{owner}], ARRAY [{me}])"),
    ),
    # Before sign-in.
    "account_for_login": (("nobody", "SELECT user_id FROM account_for_login('{owner}')"),),
    "session_owner": (
        ("nobody", "SELECT session_owner({session}, 'f')"),
        (NO_ONE, "SELECT session_owner({session}, 'g')"),
    ),
    "registered_just_now": ((NO_ONE, "SELECT registered_just_now('{open}', '{open}')"),),
    "hold": ((_EVERYBODY, "SELECT true FROM hold('rooms', {room})"),),
    "ended_sessions": (("nobody", "SELECT session_id FROM ended_sessions(ARRAY [{revoked_session}])"),),
    "sign_in": (
        ("nobody", "SELECT session_id FROM sign_in(ARRAY [{session}], ARRAY [{owner}])"),
        (NO_ONE, "SELECT session_id FROM sign_in(ARRAY [{session}], ARRAY [{other}])"),
        (NO_ONE, "SELECT session_id FROM sign_in(ARRAY [{revoked_session}], ARRAY [{owner}])"),
    ),
    "media_backlog": ((_EVERYBODY, "SELECT every(age IS NOT NULL) FROM media_backlog()"),),
    "counts_backlog": ((_EVERYBODY, "SELECT age IS NOT NULL FROM counts_backlog()"),),
    "outbox_backlog": ((_EVERYBODY, "SELECT age IS NOT NULL FROM outbox_backlog()"),),
    # Codes by e-mail; their effects are tested in `tests/contract/test_email_codes.py`.
    "begin_code": (
        ("owner", "SELECT begin_code({new}, 'verify_email', '', NULL, NULL)"),
        ("owner", "SELECT begin_code({new}, 'change_email', '', '{new}', '{new}')"),
        ("nobody", "SELECT begin_code({new}, 'reset_password', 'whose', '{shy}', NULL)"),
        ("nobody", "SELECT begin_code({new}, 'reset_password', 'whose', 'no address', NULL)"),
    ),
    "attempt_code": (
        ("owner", "SELECT user_id = {owner} FROM attempt_code('change_email', '')"),
        ("nobody", "SELECT user_id = {shy} FROM attempt_code('reset_password', 'of {shy}')"),
        (NO_ONE, "SELECT user_id FROM attempt_code('change_email', '{owner}') WHERE user_id <> {me}"),
    ),
    "use_code": (
        ("owner", "SELECT use_code({code})"),
        (NO_ONE, "SELECT use_code({code_of_shy})"),
    ),
    # The second factor: each viewer's own. Its effects are tested in `tests/contract/test_second_factors.py`.
    "has_second_factor": (("owner", "SELECT has_second_factor()"),),
    "lock_second_factor": (("owner", "SELECT sealed FROM lock_second_factor()"),),
    "begin_second_factor": (
        (ANYONE.replace("owner ", ""), "SELECT begin_second_factor('s')"),
        (NO_ONE, "SELECT begin_second_factor('s') AND viewer_id() = {owner}"),  # it has a confirmed one
    ),
    "confirm_second_factor": (
        ("owner", "SELECT confirm_second_factor({session}, 9, ARRAY ['x']::bytea[]); SELECT use_recovery_code('x')"),
    ),
    "pass_second_factor": (
        ("owner", "SELECT pass_second_factor({session}, 9, NULL); SELECT last_step = 9 FROM lock_second_factor()"),
    ),
    "fail_second_factor": (
        ("owner", "SELECT fail_second_factor(); SELECT blocked_until > now() FROM lock_second_factor()"),
    ),
    "use_recovery_code": (("owner", "SELECT use_recovery_code('r')"),),
    "replace_recovery_codes": (
        ("owner", "SELECT replace_recovery_codes(ARRAY ['x']::bytea[]); SELECT use_recovery_code('x')"),
    ),
    "end_second_factor": (("owner", "SELECT end_second_factor()"),),
    "recovery_codes_left": (("owner", "SELECT recovery_codes_left() = 1"),),
    "own_history": (("owner", "SELECT session_id = {session} FROM own_history(9223372036854775807, 9)"),),
    # It locks the row: the newcomer has none, and another user cannot take the owner's name.
    "change_username": (
        ("owner", "SELECT change_username('X{new}', 'x{new}') = 'changed'"),
        (NO_ONE, "SELECT change_username('X{new}', 'former{owner}') = 'changed' AND viewer_id() <> {owner}"),
    ),
    # Keys of services. The banned user is an admin.
    "create_key": (("banned", "SELECT create_key({new}, {new}, 'x', 'x', 'x', ARRAY ['post.get'], 1) IS NOT NULL"),),
    "key_page": (("banned", "SELECT id FROM key_page(9223372036854775807, 9)"),),
    "revoke_key": (("banned", "SELECT session_id FROM revoke_key({key})"),),
    "admit_key": (("nobody", "SELECT user_id = {owner} FROM admit_key('{key}', '127.0.0.1')"),),
    "notify_account": (
        ("owner", "SELECT notify_account('new_device', 'x')"),
        (NO_ONE, "SELECT notify_account('reset_password', 'x')"),
    ),
    # Live rooms.
    "moderates_room": (
        ("owner cohost", "SELECT moderates_room({room})"),
        (NO_ONE, "SELECT moderates_room({ended})"),
    ),
    "room_visible": ((_FOLLOWERS, "SELECT room_visible({room}, {owner}, {owner}, 'followers', NULL)"),),
    "sees_room": ((_FOLLOWERS, "SELECT sees_room({room})"),),
    "rooms_shown": (
        (_FOLLOWERS, f"SELECT true FROM rooms_shown(ARRAY ['live'], {_LAST}, 99) WHERE room_id = {{room}}"),
    ),
    "room_standings": (
        ("other nobody", "SELECT room_id FROM room_standings(ARRAY [{room}], ARRAY [{other}])"),
        (_FOLLOWERS, "SELECT room_id FROM room_standings(ARRAY [{room}], ARRAY [{me}])"),
        ("banned", "SELECT room_id FROM room_standings(ARRAY [{room}], ARRAY [{me}]) WHERE is_banned"),
        ("cohost", "SELECT room_id FROM room_standings(ARRAY [{room}], ARRAY [{me}]) WHERE role = 'cohost'"),
        ("muted", "SELECT room_id FROM room_standings(ARRAY [{room}], ARRAY [{me}]) WHERE is_muted"),
    ),
    "room_scene": (
        ("nobody", "SELECT id FROM room_scene({room}, ARRAY [{other}], ARRAY [{speaker}], 9)"),
    ),
    "room_messages_for": ((_FOLLOWERS, f"SELECT id FROM room_messages_for({{room}}, {_LAST}, 9)"),),
    "room_users": ((_FOLLOWERS + " nobody", "SELECT (found).id FROM room_users({room}, ARRAY [{speaker}])"),),
    "room_for_all": (("nobody", "SELECT (found).id FROM room_for_all({room})"),),
    "room_target": (("owner cohost", "SELECT id FROM room_target({room}, {other})"),),
    "may_place": (
        ("owner cohost", "SELECT may_place({room}, {other}, 'speaker')"),
        ("owner", "SELECT may_place({room}, {other}, 'cohost')"),
    ),
    "may_speak": (("owner cohost other", "SELECT may_speak({room})"),),
    "step_down": (("cohost", "SELECT step_down({room})"),),
    "lock_turns": (
        (_FOLLOWERS + " nobody", "SELECT lock_turns({room}); SELECT xmax::text = pg_current_xact_id_if_assigned()::text"
                                 " FROM rooms WHERE id = {room}"),
    ),
    "begin_turn": (
        ("owner cohost", "SELECT begin_turn({room}, {cohost});"
                         "SELECT true FROM room_turns WHERE room_id = {room} AND user_id = {cohost}"),
        (NO_ONE, "SELECT begin_turn({room}, {banned});"
                 "SELECT true FROM room_turns WHERE room_id = {room} AND user_id = {banned}"),
    ),
    # Chats.
    "sees_chat": (
        ("owner cohost other muted", "SELECT sees_chat({chat})"),
        ("owner other", "SELECT sees_chat({direct})"),
        (NO_ONE, "SELECT sees_chat({hidden_direct})"),
    ),
    "who_see_chats": (
        ("other nobody", "SELECT who_see_chats(ARRAY [{chat}], ARRAY [{other}])"),
        ("owner cohost other muted", "SELECT who_see_chats(ARRAY [{chat}], ARRAY [{me}])"),
    ),
    "writes_in_chat": (
        ("owner cohost other", "SELECT writes_in_chat({chat})"),
        ("owner other", "SELECT writes_in_chat({direct})"),
        (NO_ONE, "SELECT writes_in_chat({hidden_direct})"),
    ),
    "moderates_chat": (
        ("owner cohost", "SELECT moderates_chat({chat})"),
        (NO_ONE, "SELECT moderates_chat({direct})"),
    ),
    "sees_chat_message": (
        ("owner cohost other muted", "SELECT sees_chat_message({chat}, 1)"),
        (NO_ONE, "SELECT sees_chat_message({hidden_direct}, 1)"),
    ),
    "chat_typing_audience": (("owner cohost other", "SELECT chat_typing_audience({chat}, 9)"),),
    "chat_page": (
        ("owner cohost other", "SELECT true FROM chat_page(NULL, NULL, 'active', NULL, NULL, 9) id WHERE id = {chat}"),
        ("muted", "SELECT true FROM chat_page(NULL, NULL, 'requested', NULL, NULL, 9) id WHERE id = {chat}"),
        (NO_ONE, "SELECT true FROM chat_page(NULL, NULL, 'active', NULL, NULL, 9) id WHERE id = {hidden_direct}"),
        (
            "owner cohost other muted banned",
            "SELECT true FROM chat_page('0', '-infinity', '', NULL, NULL, 9) id WHERE id = {chat}",
        ),
    ),
    "chat_entries": (
        ("owner cohost other muted", "SELECT title = 'x' FROM chat_entries(ARRAY [{chat}])"),
        ("banned", "SELECT state = 'left' FROM chat_entries(ARRAY [{chat}])"),
        ("owner blocked", "SELECT state = 'left' FROM chat_entries(ARRAY [{hidden_direct}])"),
    ),
    "chat_waits": (
        ("owner other", "SELECT NOT chat_waits({direct})"),
        ("owner blocked", "SELECT NOT chat_waits({hidden_direct})"),
    ),
    "chat_history": (
        ("owner cohost other muted", "SELECT last_seq FROM chat_history({chat}, NULL, NULL, NULL, 9)"),
        (NO_ONE, "SELECT last_seq FROM chat_history({hidden_direct}, NULL, NULL, NULL, 9)"),
    ),
    "chat_members_for": (
        ("owner cohost other muted", "SELECT user_id FROM chat_members_for({chat}, 0, 9, 9)"),
        (
            "owner cohost other",
            "SELECT read_seq = 1 FROM chat_members_for({chat}, 0, 9, 9) WHERE user_id = {other}",
        ),
    ),
    "chat_read_by": (("owner cohost other", "SELECT user_id FROM chat_read_by({chat}, 1, 9)"),),
    "unread_in_chat": (
        ("cohost nobody", "SELECT unread_in_chat({cohost}, {chat}) = 2"),
        ("cohost muted", "SELECT unread_in_chat({me}, {chat}) = 2"),
    ),
    "send_chat_messages": (
        ("owner cohost other", _SEND.format(chat="chat", sender="me")),
        ("other nobody", _SEND.format(chat="chat", sender="other")),
        ("owner other", _SEND.format(chat="direct", sender="me")),
        (NO_ONE, _SEND.format(chat="hidden_direct", sender="me")),
    ),
    "open_direct_chat": (
        ("owner cohost other muted banned stranger blocked",
         "SELECT outcome = 'requested' FROM open_direct_chat({new}, {open})"),
        ("other", "SELECT outcome = 'found' FROM open_direct_chat({new}, {owner})"),
        ("owner", "SELECT outcome = 'blocked' FROM open_direct_chat({new}, {blocked})"),
    ),
    "create_group_chat": (
        ("owner", "SELECT create_group_chat({new}, 'z'); SELECT title = 'z' FROM chat_entries(ARRAY [{new}])"),
    ),
    "add_to_chat": (("owner cohost", "SELECT is_new FROM add_to_chat({chat}, ARRAY [{open}, {blocked}])"),),
    "accept_chat": (("muted", "SELECT accept_chat({chat})"),),
    "reject_chat": (("muted", "SELECT reject_chat({chat})"),),
    "leave_chat": (
        ("owner cohost other", "SELECT is_done FROM leave_chat({chat})"),
        ("owner", "SELECT heir = {cohost} FROM leave_chat({chat})"),
        (NO_ONE, "SELECT is_done FROM leave_chat({direct})"),
    ),
    "remove_from_chat": (
        ("owner cohost", "SELECT remove_from_chat({chat}, {other})"),
        ("owner", "SELECT remove_from_chat({chat}, {cohost})"),
        (NO_ONE, "SELECT remove_from_chat({chat}, {owner})"),
    ),
    "set_chat_role": (
        ("owner", "SELECT set_chat_role({chat}, {other}, 'admin')"),
        (NO_ONE, "SELECT set_chat_role({chat}, {muted}, 'admin')"),
    ),
    "may_tell_of_chat": ((NO_ONE, "SELECT may_tell_of_chat('chat.burnt', '{chat}', '{{\"chat_id\": {chat}}}')"),),
    # Their answers for each event are in `events`: the outbox's policies call them.
    "may_tell_of_post": ((NO_ONE, "SELECT may_tell_of_post('post.pinned', '{me}', '{{\"author_id\": {me}}}')"),),
    "may_tell_of_comment": (
        (NO_ONE, "SELECT may_tell_of_comment('comment.pinned', '{post}', '{{\"post_id\": {post}}}')"),
    ),
    "may_tell_of_reaction": (
        (NO_ONE, "SELECT may_tell_of_reaction('reaction.seen', '{me}', '{{\"user_id\": {me}}}')"),
    ),
    "may_tell_of_graph": ((NO_ONE, "SELECT may_tell_of_graph('graph.liked', '{me}', '{{\"user_id\": {me}}}')"),),
    "may_tell_of_session": ((NO_ONE, "SELECT may_tell_of_session('session.begun', '{me}', '{{\"user_id\": {me}}}')"),),
    "may_tell_of_room": ((NO_ONE, "SELECT may_tell_of_room('room.bought', '{room}', '{{\"room_id\": {room}}}')"),),
}  # fmt: skip

# Called only by policies, triggers and the functions above: not granted to the roles.
INTERNAL = {
    *candidates.INTERNAL,
    *enforcement.INTERNAL,
    *feeds.INTERNAL,
    *lifecycle.INTERNAL,
    *media.INTERNAL,
    *notifications.INTERNAL,
    *search.INTERNAL,
    *explore.INTERNAL,
    *cases.INTERNAL,
    *decisions.INTERNAL,
    *rulebook.INTERNAL,
    *oversight.INTERNAL,
    "recording_told", "recordings_end", "newest_for_followers",
    "room_role", "room_visible_to", "post_visible_to", "may_stand", "count_follow", "follows_counted", "posts_counted",
    "tie_allowed", "take_turn", "blocks_sever", "ensure_partitions", "room_change_allowed", "hold_shared", "mint_id",
    "bounded", "tie_decided", "tie_to_somebody", "invitation_allowed", "status_changed", "admits",
    "comments_placed", "hidden_users", "blocks_between", "judged_comments", "replies_shown", "has_visible_replies",
    "chat_visible_to", "hidden_ids", "chat_users", "place_in_chat", "follows_now", "owns_chat", "chat_unread",
    "shown_chat_messages", "chat_changed", "chats_blocked", "chat_member_changed", "chat_members_counted",
    "chat_read_noted",
    "chat_message_changed", "chat_message_hidden", "device_registered", "session_loses_devices", "push_devices_of",
    "reactions_changed", "comments_changed", "shares_changed", "saves_changed", "views_changed", "added_up",
    "take_counts_turn", "fold_counts", "counts_wait", "keep_sketch", "counts_drift", "counts_repair",
    "recount",
    "oldest_unsent", "forget_codes",
}  # fmt: skip
TO_WORKERS = {
    *candidates.TO_WORKERS,
    *enforcement.TO_WORKERS,
    *feeds.TO_WORKERS,
    *lifecycle.TO_WORKERS,
    *media.TO_WORKERS,
    *notifications.TO_WORKERS,
    *explore.TO_WORKERS,
    *cases.TO_WORKERS,
    *decisions.TO_WORKERS,
    *rulebook.TO_WORKERS,
    "viewer_id", "snowflake_at", "relations", "ensure_partitions", "outbox_backlog", "take_turn", "room_standings",
    "room_users", "room_for_all", "room_visible_to", "lock_turns", "chat_users", "unread_in_chat",
    "push_devices_of", "take_counts_turn", "fold_counts", "counts_backlog", "media_backlog", "counts_wait",
    "keep_sketch", "counts_drift", "counts_repair", "recount", "viewer_marks", "shown_replies",
    "oldest_unsent", "forget_codes",
}  # fmt: skip
