"""Rights to media, in the forms of `rules` and `answers`. Only functions create, complete, use and drop files."""

from tests.storage.policies.rules import NO_ONE, Rules

_WORKER = "worker"
_FILE = "INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key"
_RECORDING = _FILE + ", target_type, target_id, position) VALUES"
_UPLOAD = "'audio', 'uploading', 'audio/ogg', 'x', 9, 'private/{new}/'"
_RECORDED = "'audio', 'processing', 'audio/ogg', 'x', 9, 'private/{new}/'"
_FINISHED = "'audio', 'ready', 'audio/ogg', 'x', 9, 'private/{new}/'"
_PROCESSED = """status content_type expires_at public_key width height duration_ms blurhash waveform variants
    perceptual_hash error_code error_text lane attempts started_at due_at"""

MEDIA = {
    "media": Rules(
        "", "alt is_sensitive", False,
        (
            ("owner", "UPDATE media SET alt = 'a cat' WHERE id = {file}"),
            ("owner", "UPDATE media SET is_sensitive = true WHERE id = {loose_file}"),
            (NO_ONE, "UPDATE media SET status = 'ready' WHERE id = {upload}"),
            (NO_ONE, "UPDATE media SET object_key = 'private/x/' WHERE id = {file}"),
            (NO_ONE, "DELETE FROM media WHERE id = {file}"),
            (NO_ONE, _FILE + ") VALUES ({new}, {owner}, " + _UPLOAD + ")"),
        ),
    ),
    "media_usage": Rules("", "", False, ((NO_ONE, "UPDATE media_usage SET bytes = 0 WHERE user_id = {owner}"),)),
}  # fmt: skip

RECORDING_OF_OWNER = _RECORDING + " ({stopping_recording}, {owner}, " + _RECORDED + ", 'room', {ended}, 0)"

OF_WORKERS = {
    "media": Rules(
        """id owner_id kind status content_type filename size_bytes target_type target_id position object_key lane
            due_at""",
        _PROCESSED, True,
        (
            (_WORKER, "UPDATE media SET status = 'ready', width = 9 WHERE id = {upload_of_other}"),
            (_WORKER, "UPDATE media SET public_key = 'public/x/' WHERE id = {file}"),
            (NO_ONE, "UPDATE media SET status = 'processing' WHERE id = {upload}"),
            (NO_ONE, "UPDATE media SET status = 'uploading' WHERE id = {loose_file}"),
            (NO_ONE, "UPDATE media SET owner_id = {other} WHERE id = {file}"),
            (_WORKER, "DELETE FROM media WHERE id = {expired_file}"),
            (NO_ONE, "DELETE FROM media WHERE id = {file}"),
            (NO_ONE, "DELETE FROM media WHERE id = {upload}"),
            (_WORKER, _RECORDING + " ({new}, {owner}, " + _RECORDED + ", 'room', {ended}, 0)"),
            (NO_ONE, _RECORDING + " ({new}, {other}, " + _RECORDED + ", 'room', {ended}, 0)"),
            (NO_ONE, _RECORDING + " ({new}, {owner}, " + _RECORDED + ", 'post', {post}, 0)"),
            (NO_ONE, _RECORDING + " ({new}, {owner}, " + _FINISHED + ", 'room', {ended}, 0)"),
        ),
    ),
}  # fmt: skip

_FOLLOWERS = "owner cohost other muted banned"
_SIGNED_IN = "owner cohost other muted banned stranger blocked newcomer"
_NEW = """SELECT create_media({new}, 'image', 'image/png', 'x', 9, NULL, NULL, '', false, 'private/{new}/', 'u',
    '1 day', 1000, 0) = 'created'"""
ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "sees_media_target": (
        (_FOLLOWERS, "SELECT sees_media_target('post', {post}, NULL)"),
        ("owner cohost other muted banned", "SELECT sees_media_target('comment', {comment}, NULL)"),
        ("owner cohost other muted", "SELECT sees_media_target('message', {chat}, 1)"),
        (_SIGNED_IN.replace(" blocked", ""), "SELECT sees_media_target('user', {owner}, NULL)"),
        (_FOLLOWERS.replace(" banned", ""), "SELECT sees_media_target('room', {room}, NULL)"),
        (NO_ONE, "SELECT sees_media_target('post', {deleted_post}, NULL)"),
        (NO_ONE, "SELECT coalesce(sees_media_target(NULL, NULL, NULL), false)"),
    ),
    "media_of": (
        (_FOLLOWERS, "SELECT id = {file} FROM media_of('post', ARRAY [{post}, {open_post}])"),
        (NO_ONE, "SELECT id = {file} FROM media_of('comment', ARRAY [{post}])"),
    ),
    "shown_media": (
        (_FOLLOWERS, "SELECT shown_media('post', ARRAY [{post}]) -> {post}::text -> 0 ->> 'id' = {file}::text"),
        (NO_ONE, "SELECT shown_media('post', ARRAY [{deleted_post}]) IS NOT NULL"),
    ),
    "media_object": (
        (_FOLLOWERS, "SELECT media_object(m) ->> 'id' = {file}::text FROM media m WHERE id = {file}"),
    ),
    "message_media": ((NO_ONE, "SELECT message_media({chat}, 1) IS NOT NULL"),),
    "avatar_file": ((NO_ONE, "SELECT avatar_file({loose_file}) IS NOT NULL"),),
    "create_media": ((_SIGNED_IN.replace(" newcomer", ""), _NEW),),
    "renew_media": (
        ("owner", "SELECT renew_media({upload}, 'u', 'v', '1 day')"),
        (NO_ONE, "SELECT renew_media({upload}, 'lost', 'v', '1 day')"),
        (NO_ONE, "SELECT renew_media({loose_file}, 'u', 'v', '1 day')"),
    ),
    "complete_media": (
        ("owner", "SELECT complete_media({upload}, 'image/png', '1 day')"),
        (NO_ONE, "SELECT complete_media({loose_file}, 'image/png', '1 day')"),
    ),
    "drop_media": (
        ("owner", "SELECT drop_media({upload}, 'aborted', 'x', '1 day')"),
        ("owner", "SELECT drop_media({loose_file}, 'aborted', 'x', '1 day')"),
        (NO_ONE, "SELECT drop_media({file}, 'aborted', 'x', '1 day')"),
    ),
    "use_media": (
        ("owner", "SELECT use_media(ARRAY [{loose_file}], 'post', {post}) = '{{}}'"),
        ("owner", "SELECT use_media(ARRAY [{loose_file}], 'user', {owner}) = '{{}}'"),
        ("owner", "SELECT use_media(ARRAY [{file}, {loose_file}, {loose_file}], 'message', {chat}, 1) = '{{0,2}}'"),
        ("owner", "SELECT use_media(ARRAY [{upload}, {upload_of_other}], 'post', {post}) = '{{0,1}}'"),
        ("other", "SELECT use_media(ARRAY [{loose_file}], 'comment', {comment}) = '{{0}}'"),
        (NO_ONE, "SELECT use_media(ARRAY [{loose_file}], 'post', {deleted_post}) = '{{}}'"),
        (NO_ONE, "SELECT use_media(ARRAY [{loose_file}], 'room', {ended}) = '{{}}'"),
    ),
}  # fmt: skip
TO_WORKERS = {
    "reserve_video",
    "publish_media",
    "finish_again",
    "close_files",
    "move_media",
    "media_object",
    "message_media",
    "shown_media",
}
INTERNAL = TO_WORKERS | {
    "media_counted",
    "media_finished",
    "media_told",
    "media_lost",
    "media_of_user_lost",
    "files_of",
}
