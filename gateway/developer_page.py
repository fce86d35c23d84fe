"""The developer page: the product in a browser, for its developers. It is never served in production.

It signs anyone in as any demo user. A site that a developer visits can make the browser send requests to the
developer's machine. So `/dev/` answers only the page itself. All of it answers only to the names of this machine,
because another name can be made to resolve to it, and only without a proxy, which could forward requests of others.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
from aiohttp import web
from yarl import URL

from gateway import demo
from protocol.fields import Username
from protocol.tokens import AccessTokens

PAGE = Path(__file__).parent / "page"
MOST_LISTED = 12
LIFETIME = timedelta(hours=12)  # the page does not refresh its token
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


class ChosenUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Username


class DeveloperPage:
    """media_urls: where clients send and load files: the object store, and the CDN if there is one."""

    def __init__(self, owner_database: str, tokens: AccessTokens, media_urls: Sequence[str]) -> None:
        self._owner_database = owner_database
        self._tokens = tokens
        self._headers = {**HEADERS, "Content-Security-Policy": content_policy(media_urls)}

    def route(self, app: web.Application) -> None:
        app.router.add_get("/", self._on_this_machine(_file(PAGE / "index.html")))
        for path in PAGE.rglob("*"):
            if path.is_file():
                app.router.add_get(f"/page/{path.relative_to(PAGE).as_posix()}", self._on_this_machine(_file(path)))
        app.router.add_get("/dev/users", self._on_this_machine(_from_our_page(self._list_users)))
        app.router.add_post("/dev/sign-in", self._on_this_machine(_from_our_page(self._sign_in)))

    async def _list_users(self, request: web.Request) -> web.Response:
        """The most followed demo users, to choose from."""
        users = await demo.list_users(self._owner_database, MOST_LISTED)
        return web.json_response(
            [{"username": username, "display_name": display_name} for username, display_name in users]
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        """{username} → {token}. Only for users without a password, who are demo users."""
        if request.content_type != "application/json":  # a form cannot send it
            return _refused(415, "send application/json")
        try:
            asked = msgspec.json.decode(await request.read(), type=ChosenUser)
        except msgspec.DecodeError as error:
            return _refused(400, str(error))
        try:
            [token] = await demo.mint_tokens(
                self._owner_database, self._tokens, [asked.username],
                create=False, lifetime=LIFETIME, without_password=True,
            )  # fmt: skip
        except LookupError:
            return _refused(404, f"there is no demo user {asked.username}")
        return web.json_response({"token": token})

    def _on_this_machine(self, handler: Handler) -> Handler:
        """Refuse requests to other host names and through proxies, and add the security headers."""

        async def answer(request: web.Request) -> web.StreamResponse:
            is_direct = not any(name in request.headers for name in _OF_PROXIES)
            if is_direct and _THIS_MACHINE.fullmatch(request.host):
                response = await handler(request)
            else:
                response = _refused(403, "open this page at http://localhost or http://127.0.0.1, without a proxy")
            response.headers.update(self._headers)
            return response

        return answer


def content_policy(media_urls: Sequence[str]) -> str:
    """Let the page load its own files and media, and nothing else. Videos play from blobs, which hls.js fills."""
    media = " ".join(("'self'", *(str(URL(url).origin()) for url in media_urls)))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {media}; media-src {media} blob:; "
        f"connect-src {media}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _file(path: Path) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return answer


def _from_our_page(handler: Handler) -> Handler:
    """Refuse requests of other pages. Browsers name the page; other programs could read the database anyway."""

    async def answer(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin", f"{request.scheme}://{request.host}")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if origin != f"{request.scheme}://{request.host}" or site != "same-origin":
            return _refused(403, "only the developer page may send this")
        return await handler(request)

    return answer


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
