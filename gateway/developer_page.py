"""The developer page: the product in a browser, for those who work on it; never in production.

It signs anybody in as any demo person. Every site that a developer visits can have their browser send requests to
their own machine, so `/dev/` answers only its own page, and all of it only under this machine's own names (a foreign
name can be made to point here) and past no proxy (behind which anybody may be).
"""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
from aiohttp import web

from gateway import demo
from protocol.fields import Username
from protocol.tokens import AccessTokens

PAGE = Path(__file__).parent / "page"
MOST_LISTED = 12
LIFETIME = timedelta(hours=12)  # the page does not refresh its token
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


class ChosenPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Username


class DeveloperPage:
    def __init__(self, owner_database: str, tokens: AccessTokens) -> None:
        self._owner_database = owner_database
        self._tokens = tokens

    def route(self, app: web.Application) -> None:
        app.router.add_get("/", _on_this_machine(_file(PAGE / "index.html")))
        for path in PAGE.rglob("*"):
            if path.is_file():
                app.router.add_get(f"/page/{path.relative_to(PAGE).as_posix()}", _on_this_machine(_file(path)))
        app.router.add_get("/dev/users", _on_this_machine(_from_our_page(self._list_users)))
        app.router.add_post("/dev/sign-in", _on_this_machine(_from_our_page(self._sign_in)))

    async def _list_users(self, request: web.Request) -> web.Response:
        """Somebody to be: the demo people whom most follow."""
        users = await demo.list_users(self._owner_database, MOST_LISTED)
        return web.json_response(
            [{"username": username, "display_name": display_name} for username, display_name in users]
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        """{username} → {token}. Only for people without a password: nobody's own account."""
        if request.content_type != "application/json":  # which no form can send
            return _refused(415, "send application/json")
        try:
            asked = msgspec.json.decode(await request.read(), type=ChosenPerson)
        except msgspec.DecodeError as error:
            return _refused(400, str(error))
        try:
            [token] = await demo.mint_tokens(
                self._owner_database, self._tokens, [asked.username],
                create=False, lifetime=LIFETIME, without_password=True,
            )  # fmt: skip
        except LookupError:
            return _refused(404, f"there is no demo person {asked.username}")
        return web.json_response({"token": token})


def _file(path: Path) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return answer


def _on_this_machine(handler: Handler) -> Handler:
    """Under our own names, straight to us, and with what keeps the page to itself."""

    async def answer(request: web.Request) -> web.StreamResponse:
        is_direct = not any(name in request.headers for name in _OF_PROXIES)
        if is_direct and _THIS_MACHINE.fullmatch(request.host):
            response = await handler(request)
        else:
            response = _refused(403, "this page is for http://localhost and http://127.0.0.1 alone, without a proxy")
        response.headers.update(HEADERS)
        return response

    return answer


def _from_our_page(handler: Handler) -> Handler:
    """Browsers say where a request comes from; what is no browser may do this anyway."""

    async def answer(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin", f"{request.scheme}://{request.host}")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if origin != f"{request.scheme}://{request.host}" or site != "same-origin":
            return _refused(403, "this is for the developer page alone")
        return await handler(request)

    return answer


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
