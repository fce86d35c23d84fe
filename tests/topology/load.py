"""Users who post, react, talk, read, enter and leave a room, watch each other and upload, until the load ends."""

import asyncio
import io
import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import aiohttp
from PIL import Image
from yarl import URL

from tests.patience import WAIT_S
from tests.topology.ledger import Ledger
from tests.topology.topology import Topology
from tests.topology.user import Refused, User

USERS = 16
AUTHORS, MOVERS, UPLOADERS = 4, 3, 2
KINDS = ("ping", "profile", "feed", "post", "reaction", "chat", "room", "presence", "media")

Step = Callable[[User, int], Awaitable[None]]


class Load:
    """The first users are authors whom all follow; the last are movers, who enter and leave the room."""

    def __init__(self, topology: Topology) -> None:
        self.ledger = Ledger()
        self.users: list[User] = []
        self.room_id = ""
        self.posts: list[str] = []
        self._topology = topology
        self._chats: list[str] = []
        self._closing = AsyncExitStack()
        self._going = asyncio.Event()
        self._busy = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count()

    async def start(self) -> None:
        http = await self._closing.enter_async_context(aiohttp.ClientSession())
        self._http = http
        names = [f"user{number}" for number in range(USERS)]
        for name, token in zip(names, await self._topology.tokens(names), strict=True):
            self.users.append(User(name, token, self._topology.url, self.ledger, http))
        await asyncio.gather(*(user.open() for user in self.users))
        host, ids = self.users[0], [user.id for user in self.users]
        for author in self.authors:
            for user in self.users:
                if user is not author:
                    await user.write("follow", "graph.follow", user_id=author.id)
        self._chats = [
            (await host.write("chat", "chat.create", title=f"chat {number}", user_ids=ids[1:]))["chat"]["id"]
            for number in range(2)
        ]
        for chat_id in self._chats:
            for user in self.users[1:]:
                await user.write("chat", "chat.accept", chat_id=chat_id)
        self.room_id = (await host.write("room", "room.create", topic="A majlis that lasts"))["id"]
        await host.write("room", "room.start", room_id=self.room_id)
        for user in self.users:
            user.watched = [each for each in ids if each != user.id]
            await user.write("presence", "presence.watch", user_ids=user.watched)
            await user.write("feed", "feed.get", mode="latest")
            if user not in self.movers:
                await user.write("room", "room.join", room_id=self.room_id)
                user.room_id = self.room_id
        for author in self.authors:
            await self._post(author, 0)
        for user in self.users:
            for step, every_s in self._steps(user) if user is not self.leaver else ():
                self._tasks.append(asyncio.create_task(self._repeat(user, step, every_s)))
        self._going.set()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for user in self.users:
            await user.close()
        await self._closing.aclose()

    @property
    def authors(self) -> list[User]:
        return self.users[:AUTHORS]

    @property
    def movers(self) -> list[User]:
        return self.users[-MOVERS:]

    @property
    def leaver(self) -> User:
        """A user inside the room who does nothing else, and may leave."""
        return self.users[-MOVERS - 1]

    async def pause(self) -> None:
        """Wait until all calls under way are answered; none begin until `resume`."""
        self._going.clear()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + 2 * WAIT_S
        while self._busy:
            await asyncio.sleep(0.05)
            self.check()
            failed = [each for each in self.ledger.outcomes if each.code != "OK"]
            assert loop.time() < give_up_at, f"calls fail for ever: {failed[-5:]}"

    def resume(self) -> None:
        self._going.set()

    def check(self) -> None:
        """Raise what ended a task of the load."""
        for task in self._tasks:
            if task.done():
                task.result()

    # ------------------------------------------------------------------------------------------ what users do

    def _steps(self, user: User) -> list[tuple[Step, float]]:
        steps: list[tuple[Step, float]] = [
            (self._ping, 1.0), (self._look_at_profile, 1.0), (self._read_feed, 1.5), (self._react, 2.0),
            (self._say_in_chat, 2.0), (self._watch, 3.0), (self._say_in_room, 2.0),
        ]  # fmt: skip
        if user in self.authors:
            steps.append((self._post, 1.5))
        if user in self.movers:
            steps = [(step, every_s) for step, every_s in steps if step != self._say_in_room] + [(self._move, 1.5)]
        if user in self.users[AUTHORS : AUTHORS + UPLOADERS]:
            steps.append((self._upload, 1.5))
        return steps

    async def _repeat(self, user: User, step: Step, every_s: float) -> None:
        await asyncio.sleep(random.uniform(0, every_s))
        while True:
            await self._going.wait()
            self._busy += 1
            try:
                with suppress(Refused):
                    await step(user, next(self._numbers))
            finally:
                self._busy -= 1
            await asyncio.sleep(every_s * random.uniform(0.7, 1.3))

    async def _ping(self, user: User, number: int) -> None:
        await user.call("ping", "system.ping")

    async def _look_at_profile(self, user: User, number: int) -> None:
        await user.call("profile", "user.get", user_id=random.choice(self.users).id)

    async def _read_feed(self, user: User, number: int) -> None:
        await user.call("feed", "feed.get", mode="latest", limit=10)

    async def _watch(self, user: User, number: int) -> None:
        await user.call("presence", "presence.watch", user_ids=user.watched)

    async def _post(self, user: User, number: int) -> None:
        post = await user.write("post", "post.create", text=f"post {number}", idempotency_key=f"post {number}")
        user.acknowledged("post", post["id"])
        self.posts.append(post["id"])

    async def _react(self, user: User, number: int) -> None:
        post_id = random.choice(self.posts[-10:])
        await user.write("reaction", "reaction.set", target_type="post", target_id=post_id, kind="love")
        user.acknowledged("reaction", post_id, user.id)

    async def _say_in_chat(self, user: User, number: int) -> None:
        said = {"chat_id": self._chats[number % 2], "text": f"message {number}", "idempotency_key": f"chat {number}"}
        message = await user.write("chat", "chat.send", **said)
        user.acknowledged("chat", message["chat_id"], str(message["seq"]))

    async def _say_in_room(self, user: User, number: int) -> None:
        said = {"room_id": self.room_id, "text": f"message {number}", "idempotency_key": f"room {number}"}
        message = await user.call("room", "room.send", **said)
        user.acknowledged("room", message["id"])

    async def _move(self, user: User, number: int) -> None:
        enters = user.room_id is None
        user.room_id = self.room_id if enters else None
        await user.write("room", "room.join" if enters else "room.leave", room_id=self.room_id)

    async def _upload(self, user: User, number: int) -> None:
        body = _picture(number)
        upload = await user.call(
            "media", "media.create_upload", filename="a.png", content_type="image/png", size_bytes=len(body),
            idempotency_key=f"file {number}",
        )  # fmt: skip
        part = upload["parts"][0]
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            put = self._http.put(URL(part["url"], encoded=True), data=body, headers=part["headers"], timeout=timeout)
            async with put as answer:
                if answer.status != 200:
                    return
        except (aiohttp.ClientError, TimeoutError):
            return
        await user.call("media", "media.complete_upload", media_id=upload["media_id"])
        user.acknowledged("media", upload["media_id"])


def _picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, number // 256 % 256, 0)).save(file, "PNG")
    return file.getvalue()
