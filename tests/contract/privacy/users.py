"""Users, their graph, circles and presence."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.contract.privacy import posts
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, Things, World


async def watch(world: World) -> None:
    """Let all watch the presence of the accounts."""
    watched = [{"user_ids": [world.user(account).id for account in ACCOUNTS]}]
    await world.everybody_may("presence.watch", dict.fromkeys(VIEWERS, watched))


def _profiles(world: World, viewer: str) -> list[Cell]:
    users = [world.user(account) for account in ACCOUNTS]
    by_id = [opens(world, viewer, user, {"user_id": user.id}) for user in users]
    return by_id + [opens(world, viewer, user, {"username": world.token(user.name)}) for user in users]


def _many_profiles(world: World, viewer: str) -> list[Cell]:
    users = [world.user(name) for name in (*VIEWERS, HOST)]
    return [Cell({"user_ids": [user.id for user in users]}, world.shown(viewer, users))]


def _list_of(word: str) -> Cells:
    def cells(world: World, viewer: str) -> list[Cell]:
        found = []
        for account in ACCOUNTS:
            arguments = {"user_id": world.user(account).id, "limit": 100}
            if world.may(viewer, account, "lists"):
                found.append(Cell(arguments, world.shown(viewer, world.related(word, account))))
            else:
                found.append(Cell(arguments, refused="NOT_FOUND"))
        return found

    return cells


def _requests(world: World, viewer: str) -> list[Cell]:
    return [Cell({}, world.related("requested", viewer) if viewer in ACCOUNTS else ())]


def _on_accounts(code: Callable[[World, str, str], str | None], **more: Any) -> Cells:
    """Calls about the accounts that show nothing. code: how one is refused."""

    def cells(world: World, viewer: str) -> list[Cell]:
        if viewer in ACCOUNTS:
            return []
        return [
            Cell({"user_id": world.user(account).id, **more}, refused=code(world, viewer, account))
            for account in ACCOUNTS
        ]

    return cells


def _refuses_follow(world: World, viewer: str, account: str) -> str | None:
    if not world.may(viewer, account, "profile"):
        return "NOT_FOUND"
    return None if world.may(viewer, account, "contact") else "FAILED_PRECONDITION"


async def restore_follows(world: World) -> None:
    """Give all viewers the follows and requests of their relations again."""
    for method, wanted in (("graph.unfollow", False), ("graph.follow", True)):
        arguments = {
            viewer: [
                {"user_id": world.user(account).id}
                for account in ACCOUNTS
                if "follows" not in world.tie(viewer, account)
                and (not wanted or "requested" in world.tie(viewer, account))
            ]
            for viewer in RELATIONS
        }
        await world.everybody(method, arguments)
    await world.cluster.settle(*world.people.values())
    await posts.watch(world)


def _foreign_circle(**more: Any) -> Cells:
    def cells(world: World, viewer: str) -> list[Cell]:
        others = [circle for owner, circle in world.circles.items() if owner != viewer]
        return [Cell({"circle_id": circle, **more}, refused="NOT_FOUND") for circle in others]

    return cells


def _new_circles(world: World, viewer: str) -> list[Cell]:
    found = []
    for account in {*ACCOUNTS} - {viewer}:
        user = world.user(account)
        arguments = {"name": "friends", "user_ids": [user.id]}
        may = world.may(viewer, account, "contact")
        found.append(Cell(arguments, [user]) if may else Cell(arguments, refused="INVALID_ARGUMENT"))
    return found


def _circles(world: World, viewer: str) -> list[Cell]:
    members = world.related("circle", viewer) if viewer in ACCOUNTS else []
    return [Cell({}, members, also=world.shown(viewer, world.of_kind("user")))]


def _presences(world: World, viewer: str) -> list[Cell]:
    shows = [world.user(account) for account in ACCOUNTS if world.may(viewer, account, "presence")]
    return [Cell({"user_ids": [world.user(account).id for account in ACCOUNTS]}, shows)]


def _online(world: World, answer: Any, arguments: dict[str, Any]) -> Things:
    return world.read([item["user_id"] for item in answer["items"] if item["status"] != "offline"])


async def _everybody_follows(world: World) -> None:
    accounts = [{"user_id": world.user(account).id} for account in ACCOUNTS]
    await world.everybody("graph.follow", dict.fromkeys(RELATIONS, accounts))


def _newly(world: World, account: str) -> Iterator[str]:
    """The viewers whose follow of the account is new."""
    return (
        viewer
        for viewer in RELATIONS
        if not world.tie(viewer, account) & {"follows", "requested"} and world.may(viewer, account, "contact")
    )


def _told_of_follow(account: str) -> Callable[[World], Awaitable[list[Told]]]:
    async def causes(world: World) -> list[Told]:
        await _everybody_follows(world)
        return [
            told({account} & world.audience((viewer, "act")), world.user(viewer)) for viewer in _newly(world, account)
        ]

    return causes


async def _accepted(world: World) -> list[Told]:
    await _everybody_follows(world)
    requesters = [*_newly(world, "private"), "requester"]
    for viewer in requesters:
        await world.people["private"].call("graph.accept", user_id=world.user(viewer).id)
    return [told({*requesters} & world.audience(("private", "act")), world.user("private"))]


async def _presence(world: World) -> list[Told]:
    """Pushes about a user whom the viewer mutes do not reach the viewer either."""
    for account in ACCOUNTS:
        await world.people[account].call("presence.set", status="busy")
    return [told(world.audience((account, "presence"), (account, "act")), world.user(account)) for account in ACCOUNTS]


async def _unmute_stories(world: World) -> None:
    for account in ACCOUNTS:
        unmute = [{"user_id": world.user(account).id, "kind": "stories"}]
        viewers = [each for each in VIEWERS if each != account and "mutes_stories" not in world.tie(each, account)]
        await world.everybody("graph.unmute", dict.fromkeys(viewers, unmute))


async def _come_back(world: World) -> None:
    for account in ACCOUNTS:
        await world.people[account].call("presence.set", status="online")


CALLS = {
    "circle.add": CallRow(_foreign_circle(user_ids=[])),
    "circle.create": CallRow(_new_circles),
    "circle.delete": CallRow(_foreign_circle()),
    "circle.list": CallRow(_circles),
    "circle.remove": CallRow(_foreign_circle(user_ids=[])),
    "circle.update": CallRow(_foreign_circle(name="mine")),
    "graph.accept": CallRow(
        _on_accounts(
            lambda world, viewer, account: None if "followed" in world.standing_tie(viewer, account) else "NOT_FOUND"
        )
    ),
    "graph.follow": CallRow(_on_accounts(_refuses_follow), restore=restore_follows),
    "graph.followers": CallRow(_list_of("follows")),
    "graph.following": CallRow(_list_of("followed")),
    "graph.mute": CallRow(
        _on_accounts(
            lambda world, viewer, account: None if world.may(viewer, account, "profile") else "NOT_FOUND",
            kind="stories",
        ),
        restore=_unmute_stories,
    ),
    "graph.reject": CallRow(
        _on_accounts(
            lambda world, viewer, account: "NOT_FOUND" if "followed" in world.standing_tie(viewer, account) else None
        )
    ),
    "graph.requests": CallRow(_requests),
    "presence.watch": CallRow(_presences, reads=_online),
    "user.get": CallRow(_profiles),
    "user.list": CallRow(_many_profiles),
}
PUSHES = {
    "graph.accepted": PushRow(_accepted, restore=restore_follows),
    "graph.followed": PushRow(_told_of_follow("open"), restore=restore_follows),
    "graph.requested": PushRow(_told_of_follow("private"), restore=restore_follows),
    "presence.changed": PushRow(_presence, restore=_come_back),
}
