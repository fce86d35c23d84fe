"""Deliveries of notifications, driven by a test, with senders that record what they are given."""

import asyncio
import datetime
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from senders.providers import Providers
from senders.sender import Accepted, Endpoint, Message, Outcome
from tests.cluster import Cluster
from tests.people import Person
from workers.account_mails import UnderWay, send_due
from workers.deliveries import Slow, deliver_due

SECOND, MINUTE, HOUR = (datetime.timedelta(seconds=seconds) for seconds in (1, 60, 3_600))


class Recorder:
    most_at_once = 10

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []  # token and message, as they were sent
        self.meanwhile: Callable[[], Awaitable[object]] | None = None  # happens once, while a message is sent
        self.outcomes: list[Outcome | BaseException] = []  # of the next messages; after them, each is sent

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        self.sent.append((device.token, message))
        if self.meanwhile is not None:
            work, self.meanwhile = self.meanwhile, None
            await work()
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def ping(self) -> str:
        return "the recorder"

    async def close(self) -> None:
        pass


class Courier:
    """The due loop, driven by a test: its clock is ahead of the real one, and its senders record."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.phone, self.mail = Recorder(), Recorder()
        self.slow: Slow = set()
        self._ahead = datetime.timedelta(0)
        providers = Providers({"fcm": self.phone, "email": self.mail})
        self.tools = replace(cluster.workers.tools, providers=providers, now=self.now)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self._ahead

    async def register(self, person: Person, kind: str = "fcm") -> str:
        """Register a device of the user's session, with English texts; return its token."""
        owner = await self.cluster.owner()
        address = await owner.fetchval("SELECT email FROM accounts WHERE user_id = $1", int(person.id))
        await owner.close()
        token = {"fcm": f"token-{person.id}", "apns": f"{int(person.id):064x}", "email": address}[kind]
        await person.call("settings.update", locale="en")
        await person.call("push.register", kind=kind, token=token)
        return token

    def advance(self, later: datetime.timedelta) -> None:
        self._ahead += later

    async def later(self, later: datetime.timedelta) -> None:
        """Let that time pass, and send what is due then."""
        await self.begin(later)
        await asyncio.gather(*self.slow)

    async def begin(self, later: datetime.timedelta) -> None:
        """The same, but do not wait for what a provider has not answered after a second."""
        self.advance(later)
        while await deliver_due(self.tools, self.slow):
            pass

    async def empty(self) -> None:
        """Send what is due within a minute, forget it, and set the clock to the real time."""
        await self.later(MINUTE)
        self._ahead = datetime.timedelta(0)
        self.phone.sent.clear()

    async def send_account_mails(self) -> None:
        """Send the mails about accounts that are due."""
        under_way: UnderWay = set()
        while await send_due(self.tools, under_way):
            pass
        await asyncio.gather(*under_way)

    async def code(self, address: str) -> str:
        """Return the newest code that was sent to the address."""
        await self.send_account_mails()
        codes = [found[0] for each in self.mailed(address) if (found := re.search(r"\d{8}", each.body))]
        return codes[-1]

    def pushed(self, token: str) -> list[Message]:
        return [message for each, message in self.phone.sent if each == token and not message.silent]

    def dismissed(self, token: str) -> list[str]:
        return [message.data["dismissed_ids"] for each, message in self.phone.sent if each == token and message.silent]

    def mailed(self, token: str) -> list[Message]:
        return [message for each, message in self.mail.sent if each == token]


async def gone(cluster: Cluster, person: Person) -> None:
    """Close the user's client, and forget where it was: nothing waits for it to reconnect."""
    await person.close()
    locations = cluster.stores.redis_keys.locations(int(person.id))
    shard = cluster.stores.redis_keys.shard_of_user(int(person.id))
    await cluster.stores.shards.call(shard, "DEL", locations)
