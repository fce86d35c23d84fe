"""HTTP for operators: health, metrics, version and the contract, on a port of its own."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client import REGISTRY as PROCESS_REGISTRY

from engine.http import serve_http
from gateway.addresses import is_own_name
from gateway.listener import listen
from gateway.livekit_webhook import LiveKitWebhook
from gateway.observability import DEPENDENCY_SECONDS, DEPENDENCY_UP
from protocol.rpc import methods
from protocol.schema import VERSION as PROTOCOL_VERSION
from protocol.schema import asyncapi
from storage.shards import PartlyDown

CHECK_TIMEOUT_S = 2.0
OPTIONAL_CHECK_TIMEOUT_S = 0.8  # balancers wait a second for readiness, which these do not decide

Check = Callable[[], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sidecar:
    """Serves on its own port.

    checks: dependency → what raises when it does not answer; those in `optional` are reported but do not turn
    readiness red. gather: fills the gauges that are computed only at a scrape. names: further names, with a dot in
    them, under which operators reach it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        checks: Mapping[str, Check],
        optional: frozenset[str],
        draining: Callable[[], bool],
        gather: Callable[[], Awaitable[None]],
        names: Collection[str] = (),
        webhook: LiveKitWebhook | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._checks = checks
        self._optional = optional
        self._draining = draining
        self._gather = gather
        self._names = frozenset(names)
        self._webhook = webhook
        self._http = AsyncExitStack()

    async def start(self) -> int:
        """Start, and return the port. The system chooses it if the configured port is 0."""
        app = web.Application(middlewares=[self._for_our_names_alone])
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/version", self._version)
        app.router.add_get("/asyncapi.json", self._asyncapi)
        if self._webhook is not None:
            self._webhook.route(app)
        listener = listen(self._host, self._port)
        await self._http.enter_async_context(serve_http(app, listener))
        port: int = listener.getsockname()[1]
        return port

    async def stop(self) -> None:
        await self._http.aclose()

    @web.middleware
    async def _for_our_names_alone(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse other host names: a foreign page whose name points here must not read this (DNS rebinding)."""
        if not is_own_name(request.host, self._names):
            return _json({"message": "unknown Host: add it to DAIRA_SIDECAR_NAMES"}, 421)
        return await handler(request)

    async def check(self) -> dict[str, dict[str, Any]]:
        """Ask all dependencies at once. Returns {dependency: {ok, ms, error?, partly?}}.

        partly: the dependency serves some calls.
        """
        results = await asyncio.gather(*(self._check_one(name, check) for name, check in self._checks.items()))
        return dict(results)

    async def _check_one(self, name: str, check: Check) -> tuple[str, dict[str, Any]]:
        started = time.perf_counter()
        failure: dict[str, Any] = {}
        try:
            async with asyncio.timeout(OPTIONAL_CHECK_TIMEOUT_S if name in self._optional else CHECK_TIMEOUT_S):
                await check()
        except PartlyDown as error:
            failure = {"error": str(error), "partly": True}
        except Exception as error:
            failure = {"error": str(error) or type(error).__name__}
        seconds = time.perf_counter() - started
        DEPENDENCY_UP.labels(name).set(not failure)
        DEPENDENCY_SECONDS.labels(name).set(seconds)
        return name, {"ok": not failure, "ms": round(seconds * 1_000, 1), **failure}

    async def _live(self, request: web.Request) -> web.Response:
        return _json({"status": "alive"})

    async def _ready(self, request: web.Request) -> web.Response:
        dependencies = await self.check()
        # Users of the servers that are left can be served, and all nodes miss the same ones.
        healthy = all(
            result["ok"] or "partly" in result for name, result in dependencies.items() if name not in self._optional
        )
        ready = healthy and not self._draining()
        status = "ready" if ready else "draining" if self._draining() else "not ready"
        return _json({"status": status, "dependencies": dependencies}, 200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        await asyncio.gather(self.check(), self._gather())
        registry: CollectorRegistry = PROCESS_REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _version(self, request: web.Request) -> web.Response:
        return _json({"version": version("daira"), "protocol": PROTOCOL_VERSION})

    async def _asyncapi(self, request: web.Request) -> web.Response:
        return _json(asyncapi(methods))


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
