"""The indices of a deployment: one that an alias names, and a second one while a reindex fills it.

The alias `PREFIX-search` names what all search and write. `PREFIX-search-next` names what a reindex fills.
"""

from contextlib import suppress

from storage.opensearch_link import OpenSearchLink, OpenSearchRefused
from storage.search_engine import SearchUnavailable

ADMIN_DEADLINE_S = 30.0
HEALTH = ("green", "yellow", "red")
REFRESH = "500ms"  # a write is found after this time at most

# Terms are made by our own pipeline: nothing here analyses text. Documents lie in each segment with the heaviest and
# newest first, so that a search for the first 200 stops after 200, however many match.
_MAPPING = {
    "dynamic": "strict",
    "properties": {
        "kind": {"type": "keyword", "doc_values": False},
        "id": {"type": "long", "index": False},
        "terms": {"type": "keyword", "doc_values": False},
        "title": {"type": "keyword", "index": False},
        "weight": {"type": "byte"},
        "created_at": {"type": "date", "format": "epoch_millis"},
        "removed": {"type": "boolean", "index": False, "doc_values": False},
    },
}
_SORTED = {"sort.field": ["weight", "created_at"], "sort.order": ["desc", "desc"]}


class OpenSearchIndices:
    def __init__(self, link: OpenSearchLink) -> None:
        self._link = link
        self.alias = f"{link.servers.prefix}-search"
        self.next_alias = f"{self.alias}-next"

    async def ensure(self) -> None:
        """Create the first index if there is none."""
        if await self.current() is None:
            try:
                await self._create(f"{self.alias}-a", self.alias, refresh=REFRESH)
            except OpenSearchRefused as error:
                if error.kind != "resource_already_exists_exception":  # another process was faster
                    raise
        await self._admin("GET", f"_cluster/health/{self.alias}?wait_for_status=yellow&timeout=20s")

    async def current(self) -> str | None:
        """The name of the index that the alias names."""
        return await self._named(self.alias)

    async def next(self) -> str | None:
        """The index that a reindex fills, or left when it was interrupted."""
        return await self._named(self.next_alias)

    async def create_next(self) -> str:
        """Create an empty index to fill, which is not searched, and return its name."""
        name = f"{self.alias}-{'b' if await self.current() == f'{self.alias}-a' else 'a'}"
        with suppress(OpenSearchRefused):  # an old one is left only if its reindex died before it deleted it
            await self.delete(name)
        await self._create(name, self.next_alias, refresh="-1")
        return name

    async def refresh(self, index: str) -> None:
        """Let searches find all that was written to it before."""
        await self._admin("POST", f"{index}/_refresh")

    async def block_writes(self, index: str) -> None:
        """Refuse writes to it. Those under way have ended when this returns."""
        await self._admin("PUT", f"{index}/_block/write")

    async def unblock_writes(self, index: str) -> None:
        await self._admin("PUT", f"{index}/_settings", {"index.blocks.write": None})

    async def switch(self, new: str) -> None:
        """Search and write the new index instead of the current one, in one step."""
        await self._admin("PUT", f"{new}/_settings", {"index.refresh_interval": REFRESH})
        await self._admin("POST", "_aliases", {"actions": [
            {"remove": {"index": new, "alias": self.next_alias}},
            {"remove": {"index": f"{self.alias}-*", "alias": self.alias}},
            {"add": {"index": new, "alias": self.alias}},
        ]})  # fmt: skip

    async def delete(self, index: str) -> None:
        await self._admin("DELETE", index)

    async def count(self) -> int:
        """Return the number of documents, with those that were removed."""
        answer = await self._link.request("count", "GET", f"{self.alias}/_count", tries=True)
        count: int = answer["count"]
        return count

    async def ping(self) -> None:
        """Raises SearchUnavailable, also if a part of the index is missing."""
        if await self.health() == "red":
            raise SearchUnavailable("a part of the index is missing")

    async def health(self) -> str:
        """One of HEALTH: whole; copies are missing; documents are missing."""
        answer = await self._link.request("health", "GET", f"_cluster/health/{self.alias}?timeout=1s", tries=True)
        status: str = answer["status"]
        return status

    async def version(self) -> str:
        """The server's version."""
        answer = await self._link.request("version", "GET", "", tries=True)
        number: str = answer["version"]["number"]
        return number

    async def _named(self, alias: str) -> str | None:
        try:
            answer = await self._link.request("alias", "GET", f"_alias/{alias}", tries=True)
        except OpenSearchRefused as error:
            if error.status == 404:
                return None
            raise
        name: str = next(iter(answer))
        return name

    async def _create(self, name: str, alias: str, *, refresh: str) -> None:
        index: dict[str, object] = {
            "number_of_shards": self._link.servers.shards,
            "auto_expand_replicas": "0-1",
            "refresh_interval": refresh,
            **_SORTED,
        }
        body = {"settings": {"index": index}, "mappings": _MAPPING, "aliases": {alias: {}}}
        await self._admin("PUT", name, body)

    async def _admin(self, method: str, path: str, body: object = None) -> None:
        answer = await self._link.request("admin", method, path, body, deadline_s=ADMIN_DEADLINE_S)
        if answer.get("timed_out"):
            raise SearchUnavailable(f"the index is not ready: {path}")
