"""The loops of workers: work that no event starts. Several processes may run the same loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from workers.account_mails import send_account_mails
from workers.audit_sealer import seal_audit
from workers.candidates import keep_candidates
from workers.counters import run_counters
from workers.decision_keeper import keep_decisions
from workers.deliveries import deliver
from workers.embeddings import learn_daily
from workers.erasures import erase_accounts
from workers.exports import make_exports
from workers.job import Tools
from workers.media_lanes import run_lane
from workers.media_sweeper import sweep_media
from workers.recordings import keep_recordings
from workers.relay import run_relay
from workers.room_keeper import keep_rooms
from workers.text_keeper import keep_texts
from workers.trends import keep_trends
from workers.voice import keep_voice

# Takes the URL at which PostgreSQL can be listened to; runs until the event is set.
RunLoop = Callable[[Tools, str, asyncio.Event], Awaitable[None]]


class Loop(NamedTuple):
    about: str  # for operators
    run: RunLoop


def _polling(run: Callable[[Tools, asyncio.Event], Awaitable[None]]) -> RunLoop:
    """A loop that polls, and does not listen."""
    return lambda tools, listen_url, stop: run(tools, stop)


def _lane(name: str) -> RunLoop:
    return lambda tools, listen_url, stop: run_lane(tools, name, listen_url, stop)


LOOPS = {
    "relay": Loop("appends events from the outbox to the event log", run_relay),
    "counters": Loop("adds changes to the counts of posts and comments, and pushes these", run_counters),
    "deliveries": Loop("sends unseen notifications to devices and by e-mail", _polling(deliver)),
    "account-mails": Loop("sends codes and notices about accounts by e-mail", _polling(send_account_mails)),
    "keeper": Loop("gives live rooms a new host, and ends those with an empty stage", _polling(keep_rooms)),
    "voice-keeper": Loop("corrects who is in a room at LiveKit, and who may speak", _polling(keep_voice)),
    "recordings-keeper": Loop("ends recordings at LiveKit, and takes over their files", _polling(keep_recordings)),
    "candidates": Loop("chooses posts that feeds explore, and gives vectors to new posts", _polling(keep_candidates)),
    "embeddings": Loop("learns vectors of users and posts once a day", _polling(learn_daily)),
    "trends-keeper": Loop("computes trends from the counts of hashtags and posts", _polling(keep_trends)),
    "decisions-keeper": Loop("ends decisions of moderation that have expired", _polling(keep_decisions)),
    "texts-keeper": Loop("deletes old fingerprints of texts and old hits of rules", _polling(keep_texts)),
    "sealer": Loop("adds new audit rows to the chain of hashes", _polling(seal_audit)),
    "erasures": Loop("erases accounts whose grace period has ended", _polling(erase_accounts)),
    "exports": Loop("makes the archives that users have asked for", _polling(make_exports)),
    "media-images": Loop("processes images", _lane("media-images")),
    "media-sounds": Loop("processes sounds", _lane("media-sounds")),
    "media-videos": Loop("processes videos", _lane("media-videos")),
    "media-image-extras": Loop("makes further sizes of images", _lane("media-image-extras")),
    "media-video-extras": Loop("makes further sizes of videos", _lane("media-video-extras")),
    "media-sweeper": Loop("deletes expired files", _polling(sweep_media)),
}
