"""Builds the parts of a gateway node, each once, with its dependencies. No part is connected later, or elsewhere."""

import hashlib
import hmac
from datetime import timedelta
from typing import NamedTuple

from limits import parse

from channels.bus import Bus
from channels.delivery import Delivery
from channels.gaps import Gaps
from channels.hooks import HooksByKind
from channels.members import Members
from channels.nodes import Nodes
from channels.recovery import Recovery
from channels.subscriptions import Subscriptions
from domain.chat_rules import Windows
from domain.login_challenges import LoginChallenges
from domain.one_time_codes import OneTimeCodes
from domain.own_counts import EVENTS as OWN_COUNTS
from domain.own_counts import OwnCounts
from domain.password_guesses import Guesses
from domain.passwords import Passwords
from domain.post_channels import POST
from domain.post_hooks import PostHooks
from domain.refresh_tokens import RefreshTokens
from domain.sealing import Sealing
from domain.second_factors import SecondFactors
from gateway.admission import Admission
from gateway.catching_up import CatchingUp
from gateway.channel_kinds import KINDS
from gateway.dispatcher import Dispatcher
from gateway.handshake import Entry
from gateway.rates import rates
from gateway.replay import Replay
from gateway.rights import Rights
from gateway.search_engines import search_engine
from gateway.senders import build_vapid_key
from gateway.sessions import Sessions
from gateway.settings import Settings
from gateway.shedding import Shedding
from gateway.stores import Stores
from handlers.call import Services
from moderation.rulebook_follower import RulebookFollower
from moderation.spam_score import CASE_FROM
from presence.presence_channel import PRESENCE
from presence.presence_hooks import PresenceHooks
from presence.tracker import Tracker
from presence.typing_audiences import TypingAudiences
from presence.typing_indicators import TypingIndicators
from protocol.cursors import Cursors
from protocol.media_tokens import MediaTokens
from protocol.rpc import methods
from protocol.tokens import AccessTokens
from protocol.voice_tokens import VoiceTokens
from senders.subscriptions import PushHosts
from stage.attendance import Attendance
from stage.pulse import Pulse
from stage.room_channel import LIVE_ROOM
from stage.room_hooks import RoomHooks
from storage.budgets import Budgets, WorkRate
from storage.chat_sends import ChatSends
from storage.database import Database
from storage.explore_pages import ExplorePages
from storage.export_archives import ExportKey
from storage.exposures import Exposures
from storage.feed_ranking import FeedOrder
from storage.limits import Limits
from storage.outbox import Outbox
from storage.present_media import MediaPresenter
from storage.profile_visits import ProfileVisits
from storage.recommendations import Recommendations
from storage.room_entries import RoomEntries
from storage.rule_hits import RuleHits
from storage.search import SearchPlace
from storage.seen_posts import SeenPosts
from storage.sign_ins import SignIns
from storage.stored_orders import StoredOrders
from storage.stranger_chats import StrangerChats

WORK_BURST = 10  # seconds of the rate may be spent at once


class Parts(NamedTuple):
    members: Members
    own_counts: OwnCounts
    services: Services
    subscriptions: Subscriptions
    gaps: Gaps
    bus: Bus
    nodes: Nodes
    catching_up: CatchingUp
    recovery: Recovery
    sign_ins: SignIns
    entry: Entry
    dispatcher: Dispatcher
    shedding: Shedding
    media_tokens: MediaTokens


def build_parts(stores: Stores, database: Database, node: str) -> Parts:
    """node: its name, unique among all nodes that are or have been."""
    shards, keys, broadcaster = stores.shards, stores.redis_keys, stores.broadcaster
    members = Members(KINDS)
    own_counts = OwnCounts(database, members)
    delivery = Delivery(members, dict.fromkeys(OWN_COUNTS, own_counts.deliver))
    recovery = Recovery(shards, keys, node)
    pulse = Pulse(stores.roster, broadcaster, database)
    attendance = Attendance(stores.roster, pulse, members, broadcaster, database, node)
    presence = Tracker(shards, keys, members, broadcaster, node)
    services = _services(stores, database, members, attendance, pulse, presence)

    # Members of channels, and their rights.
    hooks = HooksByKind(
        KINDS,
        {
            POST: PostHooks(database),
            LIVE_ROOM: RoomHooks(attendance, broadcaster, database),
            PRESENCE: PresenceHooks(presence),
        },
    )
    subscriptions = Subscriptions(shards, keys, members, delivery, recovery, hooks)
    rights = Rights(database, subscriptions, KINDS, hooks)
    sign_ins = SignIns(database)
    catching_up = CatchingUp(services, members, subscriptions, stores.locations, rights, sign_ins, KINDS, node)

    # Pushes over Redis, and the replay of missed ones.
    gaps = Gaps(shards, keys, members, delivery, recovery, KINDS, catching_up.recheck)
    bus = Bus(shards, keys, members, delivery, gaps, subscriptions, KINDS, hooks, rights.recheck, node)

    async def remove_users_of(dead: str) -> None:
        await presence.remove_users_of(dead)
        await attendance.remove_users_of(dead)

    nodes = Nodes(shards, keys, node, on_dead=remove_users_of, on_forgotten=catching_up.begin)

    # What connections share.
    replay = Replay(members, subscriptions, recovery, rights, KINDS, hooks)
    sessions = Sessions(services, members, delivery, subscriptions, recovery, replay, sign_ins, KINDS)
    entry = Entry(Admission(services), sessions, replay)
    shedding = Shedding(database.take_delay, stores.settings.shed_delay)
    dispatcher = Dispatcher(methods, services, stores.settings.call_deadline, shedding)
    return Parts(
        members, own_counts, services, subscriptions, gaps, bus, nodes, catching_up, recovery, sign_ins, entry,
        dispatcher, shedding, build_media_tokens(stores.settings),
    )  # fmt: skip


def _services(
    stores: Stores, database: Database, members: Members, attendance: Attendance, pulse: Pulse, presence: Tracker
) -> Services:
    settings = stores.settings
    vapid_key = build_vapid_key(settings)
    limits = Limits(stores.shards, rates(settings), count_loopback=settings.limit_loopback)
    outbox = Outbox(database, stores.ids)
    return Services(
        database=database,
        ids=stores.ids,
        outbox=outbox,
        feeds=stores.feeds,
        seen=SeenPosts(stores.data_shards),
        exposures=Exposures(database, stores.ids),
        recommendations=Recommendations(stores.data_shards),
        visits=ProfileVisits(database),
        broadcaster=stores.broadcaster,
        limits=limits,
        budgets=Budgets(stores.shards, _work_rate(settings.limit_work)),
        tokens=AccessTokens(settings.keys),
        cursors=Cursors(derive_keys(settings, "cursors")),
        codes=build_codes(settings),
        login_challenges=LoginChallenges(derive_keys(settings, "challenges")),
        second_factors=SecondFactors(Sealing(settings.sealing) if settings.sealing else None),
        passwords=Passwords(),
        guesses=Guesses(limits, derive_keys(settings, "devices")),
        room_entries=RoomEntries(database),
        roster=stores.roster,
        attendance=attendance,
        pulse=pulse,
        presence=presence,
        typing=TypingIndicators(stores.broadcaster, members),
        typing_audiences=TypingAudiences(database),
        chat_sends=ChatSends(database, outbox),
        chat_windows=Windows(
            edit=timedelta(seconds=settings.chat_edit_window), delete=timedelta(seconds=settings.chat_delete_window)
        ),
        stranger_chats=StrangerChats(),
        objects=stores.objects,
        object_urls=stores.object_urls,
        upload_rules=settings.upload_rules,
        deletion_grace=timedelta(days=settings.deletion_grace),
        terms_version=settings.terms_version,
        media=build_media_presenter(stores),
        voice_tokens=VoiceTokens(*settings.livekit) if settings.livekit else None,
        recorder=stores.recorder,
        explore_pages=ExplorePages(stores.data_shards, settings.explore_cache),
        push_hosts=PushHosts(settings.push_hosts),
        search=search_engine(stores.opensearch, database),
        feed_orders=StoredOrders(stores.data_shards, "ranked", FeedOrder),
        hashtag_orders=StoredOrders(stores.data_shards, "hashtag", list[int]),
        people_orders=StoredOrders(stores.data_shards, "people", list[int]),
        search_orders=StoredOrders(stores.data_shards, "search", list[SearchPlace]),
        rulebook=RulebookFollower(database),
        rule_hits=RuleHits(database, stores.ids),
        flag_from=CASE_FROM if settings.classifier is None else 0.0,
        staff_proof=settings.staff_proof_age,
        webpush_key=vapid_key.public if vapid_key else None,
        refresh_tokens=RefreshTokens(derive_keys(settings, "refresh"), timedelta(seconds=settings.refresh_leeway)),
    )


def build_media_presenter(stores: Stores) -> MediaPresenter:
    cdn_url = stores.settings.cdn_url
    return MediaPresenter(
        stores.object_urls,
        build_media_tokens(stores.settings),
        cdn_url and cdn_url.rstrip("/"),
    )


def build_media_tokens(settings: Settings) -> MediaTokens:
    return MediaTokens(derive_keys(settings, "media"))


def build_codes(settings: Settings) -> OneTimeCodes:
    return OneTimeCodes(derive_keys(settings, "codes"))


def build_export_keys(settings: Settings) -> list[ExportKey]:
    """The first one signs."""
    return [ExportKey(seed) for seed in derive_keys(settings, "exports")]


def derive_keys(settings: Settings, purpose: str) -> tuple[bytes, ...]:
    """Secrets for one purpose, from the keys of tokens and in their order."""
    return tuple(hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest() for key in settings.keys.values())


def _work_rate(rate: str) -> WorkRate:
    """rate: milliseconds of work per period, as `200/second`."""
    item = parse(rate)
    per_second = item.amount / 1_000 / item.get_expiry()
    return WorkRate(per_second=per_second, burst=WORK_BURST * per_second)
