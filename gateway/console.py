"""The moderators' console: a page at /admin on a port of its own, and the sockets it uses.

The port is off unless DAIRA_CONSOLE_PORT is set, and answers only to this origin. So operators keep it in a private
network, and no script of the apps' origin can reach its pages. The page signs in and acts by the same calls as every
client: the rights are those of the user's role, and this module gives none.
"""

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from yarl import URL

from gateway.developer_page import PAGE

CONSOLE = Path(__file__).parent / "console_page"
SHARED = (
    "dom.js",
    "notice.js",
    "session.js",
    "circle.svg",
    "vendor/socket.io.esm.min.js",
)  # files of the developer page
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}


def route_console(app: web.Application, media_urls: Sequence[str]) -> None:
    """media_urls: where clients load files: the object store, and the CDN if there is one."""
    headers = {**HEADERS, "Content-Security-Policy": content_policy(media_urls)}

    def add(url: str, path: Path) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.FileResponse(path, headers=headers)

        app.router.add_get(url, answer)

    add("/admin", CONSOLE / "index.html")
    for path in CONSOLE.iterdir():
        add(f"/admin/{path.name}", path)
    for name in SHARED:
        add(f"/admin/{name}", PAGE / name)


def content_policy(media_urls: Sequence[str]) -> str:
    """Let the page load its own files and show media, and nothing else: no inline script or style can run."""
    media = " ".join(("'self'", *(str(URL(url).origin()) for url in media_urls)))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {media}; media-src {media}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )
