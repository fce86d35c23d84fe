"""The registry of personal data: posts, comments, chats, live rooms and files."""

from storage.personal_records import Blanked, Called, Deleted, Kept, Personal

_INTERNAL = "It is of use to this server alone."
_SHORT = "Kept for days at most."
_COUNTED = "Counts of others depend on it, and it names the user by an id alone."
_MINE = "user_id = person"
_AUTHOR = "author_id = person"
# The audience that the author chose: the stored one is narrower while moderation withholds the row.
_CHOSEN = {
    "visibility": "coalesce(t.chosen_visibility, t.visibility)",
    "circle_id": "coalesce(t.chosen_circle_id, t.circle_id)",
}
_OF_MY_CHATS = "chat_id IN (SELECT m.chat_id FROM chat_members m WHERE m.user_id = person)"

CONTENT = (
    Personal(
        "posts",
        "id",
        _AUTHOR,
        "id text visibility circle_id reply_policy hashtags mention_ids status reactions comment_count share_count"
        " save_count view_count edited_at deleted_at shared_post_id labels",
        "author_id version counts_version topics quality looks watched completions standing chosen_visibility"
        " chosen_circle_id",
        _INTERNAL,
        (
            Blanked(
                "text = '', hashtags = '{}', topics = '{}', mention_ids = '{}', status = 'deleted',"
                " deleted_at = coalesce(deleted_at, now()), version = version + 1",
                "status = 'deleted'",
                event=("post.deleted", "'post_id', id, 'author_id', author_id"),
            ),
            # Those that the author had deleted before.
            Blanked(
                "text = '', hashtags = '{}', topics = '{}', mention_ids = '{}'",
                "text = '' AND hashtags = '{}' AND topics = '{}' AND mention_ids = '{}'",
                walks=True,
            ),
        ),
        instead=_CHOSEN,
    ),
    Personal(
        "post_mentions",
        "user_id, post_id",
        None,
        "",
        "post_id author_id user_id",
        "It is in the text of posts.",
        (Deleted(_MINE),),
    ),
    Personal(
        "tag_uses",
        "tag, hour, user_id, post_id",
        None,
        "",
        "tag hour user_id post_id place spelling is_withdrawn",
        _SHORT,
        (Deleted(_MINE),),
    ),
    Personal("post_people", "post_id, user_id", None, "", "post_id user_id", _SHORT, (Kept(_SHORT),)),
    Personal("views", "post_id, user_id, day", None, "", "post_id user_id day", _COUNTED, (Kept(_COUNTED),)),
    Personal(
        "comments",
        "id",
        _AUTHOR,
        "id post_id parent_id text mention_ids status reply_count reactions edited_at deleted_at labels",
        "path depth author_id counts_version standing is_counted",
        _INTERNAL,
        (
            Blanked(
                "text = '', mention_ids = '{}', status = 'deleted', deleted_at = coalesce(deleted_at, now())",
                "status = 'deleted'",
            ),
            Blanked("text = '', mention_ids = '{}'", "status = 'published' OR text = ''"),
        ),
    ),
    Personal(
        "reactions",
        "target_type, target_id, user_id",
        _MINE,
        "target_type target_id kind",
        "user_id id is_counted",
        _INTERNAL,
        (Deleted("user_id = person AND target_type = 'post'"), Deleted("user_id = person AND target_type = 'comment'")),
    ),
    Personal("saves", "post_id, user_id", _MINE, "post_id collection_id", "id user_id", _INTERNAL, (Deleted(),)),
    Personal(
        "collections", "id", "owner_id = person", "id name created_at", "owner_id", "It is the person.", (Deleted(),)
    ),
    Personal(
        "chat_messages",
        "chat_id, seq",
        f"sender_id = person AND {_OF_MY_CHATS}",
        "chat_id seq text reply_to_seq created_at edited_at deleted_at labels",
        "sender_id standing",
        _INTERNAL,
        # A trigger deletes earlier texts and reactions, and the files.
        (Blanked("deleted_at = now()", "deleted_at IS NOT NULL"),),
    ),
    Personal(
        "chat_edits",
        "chat_id, seq, number",
        f"{_OF_MY_CHATS} AND EXISTS (SELECT FROM chat_messages m WHERE m.chat_id = chat_edits.chat_id"
        " AND m.seq = chat_edits.seq AND m.sender_id = person)",
        "chat_id seq number text written_at",
        "",
        "",
        (Deleted(),),
    ),
    Personal(
        "chat_reactions",
        "chat_id, seq, user_id",
        f"{_MINE} AND {_OF_MY_CHATS}",
        "chat_id seq emoji",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "chat_hidden",
        "chat_id, user_id, seq",
        f"{_MINE} AND {_OF_MY_CHATS}",
        "chat_id seq",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "chat_reads",
        "chat_id, user_id",
        f"{_MINE} AND {_OF_MY_CHATS}",
        "chat_id seqs ats",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "chat_members",
        "chat_id, user_id",
        _MINE,
        "chat_id role state received_seq read_seq muted_until joined_at",
        "user_id first_seq version listed_until changed_until",
        _INTERNAL,
        (Called("erase_memberships"),),
    ),
    Personal(
        "chats",
        "id",
        "creator_id = person AND kind = 'group'",
        "id title created_at",
        "kind creator_id low_id high_id member_count last_seq last_at last_event_id version listed_until changed_until",
        _INTERNAL,
        (Kept("Its title is the group's; its members go on."),),
    ),
    # Before the messages and turns, by which they are found.
    Personal(
        "room_digests",
        "room_id",
        None,
        "",
        "room_id body created_at",
        "They are made of rooms that are exported; digests of others stay without the person's part.",
        (Called("erase_digests"),),
    ),
    Personal(
        "rooms",
        "id",
        "person IN (owner_id, host_id)",
        "id owner_id host_id topic state visibility circle_id capacity slow_mode_s starts_at"
        " started_at ended_at is_recorded labels",
        "version standing chosen_visibility chosen_circle_id",
        _INTERNAL,
        (
            Blanked(
                "topic = '', state = 'ended', ended_at = coalesce(ended_at, now()), version = version + 1",
                "topic = '' AND state = 'ended'",
                where="owner_id = person",
            ),
        ),
        instead=_CHOSEN,
    ),
    Personal(
        "room_roles",
        "room_id, user_id",
        "user_id = person AND role <> 'listener'",
        "room_id role granted_at",
        "user_id is_muted",
        _INTERNAL,
        (Deleted(),),
    ),
    Personal(
        "room_turns",
        "room_id, user_id, began_at",
        _MINE,
        "room_id began_at ended_at",
        "user_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "room_bans",
        "room_id, user_id",
        None,
        "",
        "room_id user_id actor_id reason until created_at",
        "A note of the room's moderators.",
        (Deleted("person IN (user_id, actor_id)"),),
    ),
    Personal(
        "room_invitations",
        "room_id, user_id",
        _MINE,
        "room_id created_at",
        "user_id inviter_id",
        "Others invited the person.",
        (Deleted("person IN (user_id, inviter_id)"),),
    ),
    Personal(
        "room_messages",
        "id",
        "sender_id = person",
        "id room_id text deleted_at is_removed",
        "sender_id",
        "It is the person.",
        (Deleted(),),
    ),
    Personal(
        "room_recordings",
        "id",
        "started_by = person",
        "id room_id state created_at ended_at",
        "started_by object_key checked_at error_code error_text",
        _INTERNAL,
        (Kept("The recording is a file of the host, and goes with the host's files."),),
    ),
    Personal(
        "media",
        "id",
        "owner_id = person",
        "id kind status content_type filename size_bytes created_at target_type target_id alt is_sensitive width height"
        " duration_ms labels",
        "owner_id standing sha256 expires_at target_seq position object_key public_key upload_id blurhash waveform"
        " variants"
        " perceptual_hash error_code error_text lane attempts started_at due_at",
        _INTERNAL,
        (Deleted(),),  # events let workers delete the objects
    ),
    Personal("media_usage", "user_id", _MINE, "bytes video_ms", "user_id", "It is the person.", (Deleted(),)),
)
