"""A classifier as an operator may run one, over real HTTP: it checks and signs, or misbehaves as a test asks."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from moderation.classifier import sign

SECRET = "a secret of the tests, 32 characters"

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class ClassifierServer:
    def __init__(self) -> None:
        app = web.Application()
        app.router.add_post("/judge", self._judge)
        self._runner = web.AppRunner(app, access_log=None)
        self.questions: list[dict[str, Any]] = []
        self.answers: list[Answer] = []  # to the next questions, instead of `scores`
        self.scores: dict[str, float] = {}

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/judge"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _judge(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        signed = f"request.{request.headers['X-Daira-Timestamp']}.".encode() + body
        if not hmac.compare_digest(sign(SECRET.encode(), signed), request.headers["X-Daira-Signature"]):
            return web.Response(status=403)
        question = orjson.loads(body)
        self.questions.append(question)
        if self.answers:
            return await self.answers.pop(0)(request, question)
        return signed_answer(question, {"scores": self.scores})


def signed_answer(
    question: dict[str, Any], content: Any, *, secret: str = SECRET, at: float | None = None
) -> web.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    now = str(int(time.time() if at is None else at))
    signature = sign(secret.encode(), f"answer.{now}.{question['id']}.".encode() + body)
    return web.Response(body=body, headers={"X-Daira-Timestamp": now, "X-Daira-Signature": signature})


async def fails(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=500)


async def redirects(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": str(request.url)})


async def forges(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer(question, {"scores": {"spam": 1.0}}, secret="another secret of 32 characters!!")


async def signs_nothing(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"scores": {"spam": 1.0}})


async def replays(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer({"id": "another"}, {"scores": {"spam": 1.0}})


async def is_old(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer(question, {"scores": {"spam": 1.0}}, at=time.time() - 3_600)


async def exaggerates(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer(question, {"scores": {"spam": 1e9}})


async def invents(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer(question, {"scores": {"boring": 1.0}})


async def babbles(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    return signed_answer(question, b"{" * 1_000)


async def floods(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10_000):
        await response.write(b" " * 65_536)
    return response


async def sleeps(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def hangs_up(request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()
