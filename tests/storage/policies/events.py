"""Rights to the outbox, where viewers may write only their own actions, and to positions in the event log."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE


def _event(topic: str, key: str, payload: str) -> str:
    values = f"({{new}}, '{topic}', '{key}', '{{{{{payload}}}}}')"
    return f"INSERT INTO outbox (id, topic, key, payload) VALUES {values}"


def _follow(follower: str, followee: str, change: str) -> str:
    payload = f'"follower_id": {{{follower}}}, "followee_id": {{{followee}}}, "change": "{change}"'
    return _event("graph.follow_changed", f"{{{followee}}}", payload)


def _engaged(post: str, action: str) -> str:
    payload = f'"post_id": {{{post}}}, "user_id": {{me}}, "action": "{action}"'
    return _event("post.engagement", "{me}", payload)


def _room(topic: str, room: str, payload: str) -> str:
    return _event(f"room.{topic}", f"{{{room}}}", f'"room_id": {{{room}}}{payload}')


def _changed(room: str, actor: str, user: str, change: str) -> str:
    return _room("changed", room, f', "actor_id": {actor}, "user_id": {user}, "change": "{change}"')


def _comment(change: str, comment: str, author: str) -> str:
    payload = f'"comment_id": {{{comment}}}, "post_id": {{post}}, "author_id": {{{author}}}'
    return _event(f"comment.{change}", "{post}", payload)


def _reaction(change: str, user: str, kind: str) -> str:
    target = '"target_type": "post", "target_id": {post}, "post_id": {post}'
    return _event(f"reaction.{change}", f"{{{user}}}", f'{target}, "user_id": {{{user}}}, "kind": "{kind}"')


def _chat(topic: str, chat: str, payload: str) -> str:
    return _event(f"chat.{topic}", f"{{{chat}}}", f'"chat_id": {{{chat}}}{payload}')


def _decided(change: str) -> str:
    payload = '"decision_id": {decision}, "target_type": "post", "target_id": {post}, "user_id": {owner}'
    return _event(f"decision.{change}", "{post}", payload)


_NEW_POST = """INSERT INTO posts (id, author_id, text, visibility, reply_policy)
    VALUES ({new}, {me}, 'x', 'public', 'everyone');"""
_NEW_SHARE = """INSERT INTO posts (id, author_id, text, visibility, reply_policy, shared_post_id)
    VALUES ({new}, {me}, '', 'public', 'everyone', {open_post});"""
_ASKS = "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ({new}, {stranger}, {owner}, 'pending');"
_ENDS = "UPDATE rooms SET state = 'ended', ended_at = now(), version = version + 1 WHERE id = {room};"
_REMOVED = ', "user_id": %s, "reason": "kicked", "joined": null'

# Triggers and the operator's commands write them: no viewer may.
OF_NO_VIEWER = {
    "media.described", "media.finished", "media.owner_opened", "media.owner_closed",
    "media.closed", "media.withheld", "account.status_changed",
    "media.deleted",
    "system.message_sent", "search.due", "decision.made", "decision.ended", "case.opened", "content.flagged",
    "appeal.decided",
    "case.changed", "report.created", "report.retracted",
}  # fmt: skip

OUTBOX = {
    "outbox": Rules(
        "id topic key payload", "", False,
        (
            # In one transaction with the row that it is about.
            (ANYONE, _NEW_POST + _event("post.created", "{me}", '"post_id": {new}, "author_id": {me}')),
            ("owner", _event("post.created", "{owner}", '"post_id": {post}, "author_id": {owner}')),
            ("owner", _event("post.edited", "{owner}", '"post_id": {post}, "author_id": {owner}')),
            ("owner", _event("post.deleted", "{owner}", '"post_id": {deleted_post}, "author_id": {owner}')),
            (NO_ONE, _event("post.deleted", "{owner}", '"post_id": {post}, "author_id": {owner}')),
            (NO_ONE, _event("post.created", "{stranger}", '"post_id": {post}, "author_id": {owner}')),
            (NO_ONE, _event("post.created", "{speaker}", '"post_id": {post}, "author_id": {speaker}')),
            ("other", _comment("created", "comment", "other")),
            ("other", _comment("edited", "comment", "other")),
            ("owner muted", _comment("deleted", "deleted_comment", "muted")),
            (NO_ONE, _comment("created", "comment", "cohost")),
            (NO_ONE, _comment("created", "deleted_comment", "muted")),
            (NO_ONE, _comment("created", "lost_comment", "banned")),
            (NO_ONE, _comment("deleted", "comment", "other")),
            ("other", _reaction("created", "other", "like")),
            ("cohost", _reaction("removed", "cohost", "like")),
            (NO_ONE, _reaction("created", "other", "love")),
            (NO_ONE, _reaction("created", "cohost", "like")),
            (NO_ONE, _reaction("removed", "other", "like")),
            (ANYONE, _NEW_SHARE + _engaged("open_post", "share")),
            (NO_ONE, _engaged("open_post", "share")),
            ("other", _engaged("lost_post", "save")),
            ("owner cohost muted banned stranger blocked newcomer", _engaged("lost_post", "unsave")),
            ("cohost other muted banned", _engaged("post", "view")),
            (NO_ONE, _engaged("deleted_post", "view")),
            (NO_ONE, _engaged("post", "like")),
            (NO_ONE, _event("post.engagement", "{me}", '"post_id": {post}, "user_id": {speaker}, "action": "view"')),
            (NO_ONE, _event("post.engagement", "{post}", '"post_id": {post}, "user_id": {me}, "action": "view"')),
            ("stranger", _ASKS + _follow("stranger", "owner", "requested")),
            ("other", _follow("other", "owner", "followed")),
            ("owner", _follow("other", "owner", "accepted")),
            ("owner", _follow("open", "owner", "ended")),
            (NO_ONE, _follow("other", "owner", "ended")),
            (NO_ONE, _follow("other", "owner", "requested")),
            (NO_ONE, _follow("asker", "owner", "accepted")),
            ("owner", _event("graph.blocked", "{blocked}", '"blocker_id": {owner}, "blocked_id": {blocked}')),
            (NO_ONE, _event("graph.blocked", "{open}", '"blocker_id": {owner}, "blocked_id": {open}')),
            ("owner", _event("graph.unblocked", "{open}", '"blocker_id": {owner}, "blocked_id": {open}')),
            (NO_ONE, _event("graph.unblocked", "{blocked}", '"blocker_id": {owner}, "blocked_id": {blocked}')),
            ("owner", _event("graph.mute_changed", "{other}", '"user_id": {owner}, "muted_id": {other}')),
            ("owner", _event("graph.access_narrowed", "{owner}", '"owner_id": {owner}, "user_ids": [], "to": "all"')),
            ("owner", _event("session.started", "{owner}", '"user_id": {owner}, "session_id": {session}')),
            (NO_ONE, _event("session.started", "{owner}", '"user_id": {owner}, "session_id": {revoked_session}')),
            (NO_ONE, _event("session.started", "{other}", '"user_id": {other}, "session_id": {session}')),
            ("owner", _event("session.ended", "{owner}", '"user_id": {owner}, "session_ids": [{revoked_session}]')),
            (NO_ONE, _event("session.ended", "{owner}", '"user_id": {owner}, "session_ids": [{session}]')),
            (NO_ONE, _event("session.ended", "{speaker}", '"user_id": {speaker}, "session_ids": [{revoked_session}]')),
            ("owner cohost other muted banned", _chat("changed", "chat", ', "actor_id": {me}, "user_ids": []')),
            (NO_ONE, _chat("changed", "chat", ', "actor_id": {speaker}, "user_ids": []')),
            ("owner cohost other", _chat("message_changed", "chat", ', "actor_id": {me}, "seq": 1')),
            (NO_ONE, _chat("message_changed", "hidden_direct", ', "actor_id": {me}, "seq": 1')),
            ("owner cohost other muted", _chat("marked", "chat", ', "user_id": {me}')),
            (NO_ONE, _chat("marked", "hidden_direct", ', "user_id": {me}')),
            ("other", _chat("message_sent", "chat", ', "first_seq": 2, "last_seq": 2')),
            (NO_ONE, _chat("message_sent", "chat", ', "first_seq": 1, "last_seq": 3')),
            ("owner cohost", _changed("room", "{me}", "0", "updated")),
            ("muted", _changed("room", "{muted}", "{muted}", "role")),  # after stepping down
            (NO_ONE, _changed("room", "{speaker}", "0", "updated")),
            (NO_ONE, _changed("ended", "{me}", "0", "updated")),
            ("other", _room("message_sent", "room", ', "message_id": {message}')),
            (NO_ONE, _room("message_sent", "room", ', "message_id": {deleted_message}')),
            (NO_ONE, _room("message_sent", "scheduled", ', "message_id": {message}')),
            ("owner cohost other", _room("message_deleted", "room", ', "message_id": {deleted_message}')),
            (NO_ONE, _room("message_deleted", "room", ', "message_id": {message}')),
            ("owner", _room("invited", "room", ', "actor_id": {owner}, "user_ids": [{asker}]')),
            (NO_ONE, _room("invited", "room", ', "actor_id": {me}, "user_ids": [{asker}, {open}]')),
            ("owner cohost", _room("removed", "room", _REMOVED % "{other}")),
            ("owner", _room("removed", "room", _REMOVED % "{cohost}")),
            (NO_ONE, _room("removed", "room", _REMOVED % "{owner}")),
            (NO_ONE, _room("removed", "ended", _REMOVED % "{other}")),
            ("owner cohost", _room("unbanned", "room", ', "user_id": {banned}')),
            ("owner", _ENDS + _room("closed", "room", "")),
            ("owner", _room("closed", "ended", "")),
            (NO_ONE, _room("closed", "room", "")),
            (NO_ONE, _event("room.closed", "{me}", '"room_id": {ended}')),
            (NO_ONE, _event("media.described", "{file}", '"media_id": {file}')),
            (NO_ONE, _decided("made")),
            (NO_ONE, _event("appeal.decided", "{star}", '"appeal_id": {appeal}, "user_id": {star}')),
            (NO_ONE, _decided("ended")),
            (NO_ONE, _event("search.due", "{me}", '"kind": "user", "document_id": {me}')),
            (NO_ONE, _event("case.opened", "{case}", '"case_id": {case}')),
            (NO_ONE, _event(
                "content.flagged", "{post}", '"target_type": "post", "target_id": {post}, "score": 1'
            )),
            (NO_ONE, _event("case.changed", "{case}", '"case_id": {case}, "change": "claimed"')),
            (NO_ONE, _event("report.created", "{case}", '"case_id": {case}, "report_id": {report}')),
            (NO_ONE, _event("report.retracted", "{case}", '"case_id": {case}, "report_id": {report}')),
            (NO_ONE, _event("media.finished", "{file}", '"media_id": {file}')),
            (NO_ONE, _event("media.owner_opened", "{me}", '"user_id": {me}')),
            (NO_ONE, _event("account.status_changed", "{me}", '"user_id": {me}')),
            (NO_ONE, _event("media.owner_closed", "{me}", '"user_id": {me}')),
            (NO_ONE, _event("media.closed", "{file}", '"media_id": {file}')),
            (NO_ONE, _event(
                "system.message_sent", "{system_message}",
                '"message_id": {system_message}, "first_id": 1, "last_id": {new}',
            )),
            (NO_ONE, _event("media.withheld", "{file}", '"media_id": {file}')),
            (NO_ONE, _event("media.deleted", "{loose_file}", '"media_id": {loose_file}, "prefixes": ["private/"]')),
            (NO_ONE, _event("wallet.credited", "{me}", '"user_id": {me}, "actor_id": {me}')),
            (NO_ONE, _event("room.closed", "{room}", "")),
            (NO_ONE, "INSERT INTO outbox (id, topic, key, payload, sent_batch) VALUES ({new}, 'x', 'x', 'x', 9)"),
            (NO_ONE, "UPDATE outbox SET payload = 'x' WHERE key = '{owner}'"),
            (NO_ONE, "DELETE FROM outbox WHERE key = '{owner}'"),
        ),
    ),
    "log_offsets": Rules(
        "", "", False,
        (
            (NO_ONE, "UPDATE log_offsets SET next_offset = 9 WHERE worker_group = 'g{owner}'"),
            (NO_ONE, "DELETE FROM log_offsets WHERE worker_group = 'g{owner}'"),
        ),
    ),
}  # fmt: skip

OF_WORKERS = {
    "log_offsets": Rules(
        "worker_group topic partition", "next_offset epoch", False,
        (
            ("worker", "INSERT INTO log_offsets (worker_group, topic, partition) VALUES ('g{new}', 't', 0)"),
            ("worker", "UPDATE log_offsets SET next_offset = 9, epoch = 2 WHERE worker_group = 'g{owner}'"),
            (NO_ONE, "UPDATE log_offsets SET topic = 'x' WHERE worker_group = 'g{owner}'"),
            (NO_ONE, "DELETE FROM log_offsets WHERE worker_group = 'g{owner}'"),
        ),
    ),
}  # fmt: skip
