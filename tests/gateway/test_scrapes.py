"""What `daira top` computes from metrics: rates, sums over processes, quantiles as Prometheus has them."""

import pytest
from aiohttp import ClientSession, web

from engine.http import serve_http
from gateway.listener import listen
from gateway.scrapes import LARGEST, Scrape, Window, parse, scrape_all

TEXT = """\
# TYPE daira_call_seconds histogram
daira_call_seconds_bucket{{le="0.1",method="post.get"}} {fast}
daira_call_seconds_bucket{{le="0.2",method="post.get"}} {all}
daira_call_seconds_bucket{{le="+Inf",method="post.get"}} {all}
daira_call_seconds_count{{method="post.get"}} {all}
# TYPE daira_connections gauge
daira_connections{{codec="json"}} {sockets}
"""


def scrape(at: float, fast: int, both: int, sockets: int = 1) -> Scrape:
    return parse(TEXT.format(fast=fast, all=both, sockets=sockets))._replace(at=at)


def test_rates_are_by_second_and_a_restarted_process_counts_from_zero():
    window = Window.between(scrape(10, 100, 200), scrape(12, 140, 260))
    assert window.rate("daira_call_seconds_count") == 30
    assert window.rates("daira_call_seconds_count", "method") == {"post.get": 30}
    restarted = Window.between(scrape(10, 100, 200), scrape(12, 4, 8))
    assert restarted.rate("daira_call_seconds_count") == 4


def test_quantiles_lie_within_their_bucket_and_are_missing_without_calls():
    window = Window.between(scrape(0, 0, 0), scrape(1, 90, 100))
    assert window.quantile("daira_call_seconds", 0.95) == pytest.approx(0.15)
    assert window.quantiles("daira_call_seconds", 0.45, "method") == {"post.get": pytest.approx(0.05)}
    assert Window.between(scrape(0, 90, 100), scrape(1, 90, 100)).quantile("daira_call_seconds", 0.95) is None


def test_processes_add_up():
    one, other = (Window.between(scrape(0, 0, 0), scrape(1, 5, 10, sockets)) for sockets in (3, 4))
    both = Window.together([one, other])
    assert both.gauge("daira_connections") == 7
    assert both.gauges("daira_connections", "codec") == {"json": 7}
    assert both.rate("daira_call_seconds_count") == 20


async def test_a_sidecar_that_is_no_sidecar_is_reported_as_silent():
    async def answer(request: web.Request) -> web.Response:
        bodies = {"/good": TEXT.format(fast=1, all=2, sockets=3), "/long": "#" * (LARGEST + 1), "/bad": "no metrics {"}
        return web.Response(text=bodies[request.path.removesuffix("/metrics")])

    app = web.Application()
    app.router.add_get("/{name}/metrics", answer)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serve_http(app, listener), ClientSession() as session:
        found = await scrape_all(session, [f"{url}/{name}" for name in ("good", "long", "bad", "missing/x")])
    assert [scrape is not None for scrape in found.values()] == [True, False, False, False]
