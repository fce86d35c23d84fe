"""Access to the developer page: off by default; when it is on, only its own page on this machine may use it."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic import ValidationError

from gateway.developer_page import content_policy
from gateway.settings import Settings
from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "gateway" / "page"
# SHA-256 of dist/hls.light.min.mjs in hls.js 1.7.4 on npm.
HLS = "3d82a88cf9ae0d9aaab3cbe9ff6ecbb64bb89c54a399c34ae9bf8b559baeb20f"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(cluster: Cluster) -> AsyncIterator[str]:
    await cluster.add_node("developers", developer_page=True)
    yield cluster.url("developers")
    await cluster.remove_node("developers")


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_the_page_is_off_by_default(cluster: Cluster, http):
    for path in ("/", "/page/page.js", "/dev/users"):
        assert (await http.get(cluster.url() + path)).status == 404
    answer = await http.post(f"{cluster.url()}/dev/sign-in", json={"username": "mona_elsayed"})
    assert answer.status == 404


async def test_every_file_is_served_and_none_refers_to_another_site(url, http):
    page = await http.get(f"{url}/")
    assert "DAIRA" in await page.text()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in PAGE.rglob("*"):
        if path.is_file():
            answer = await http.get(f"{url}/page/{path.relative_to(PAGE)}")
            assert await answer.read() == path.read_bytes()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await http.get(f"{url}/page/%2e%2e/settings.py")).status == 404


def test_the_page_may_reach_the_store_and_the_cdn_alone():
    policy = content_policy(["http://127.0.0.1:9000", "https://cdn.example.org/files"])
    for kind in ("connect-src", "img-src"):
        assert f"; {kind} 'self' http://127.0.0.1:9000 https://cdn.example.org;" in policy
    assert "media-src 'self' http://127.0.0.1:9000 https://cdn.example.org blob:;" in policy
    assert "script-src 'self';" in policy


async def test_a_user_without_a_password_can_be_signed_in(cluster: Cluster, url, http, person):
    alice = await person("alice")
    answer = await http.post(f"{url}/dev/sign-in", json={"username": alice.name})
    other = cluster.new_client(alice.name, "python-json")
    ready = await cluster.connect(other, node="a", codec="json", token=(await answer.json())["token"])
    assert ready["user"]["id"] == alice.id
    people = await (await http.get(f"{url}/dev/users")).json()
    assert 0 < len(people) <= 12
    assert set(people[0]) == {"username", "display_name"}


async def test_a_user_with_a_password_cannot_be_signed_in(cluster: Cluster, url, http):
    guest = await cluster.guest()
    name = cluster.unique("owner")
    await guest.call("auth.register", username=name, email=f"{name}@example.com", password="correct horse")
    for username in (name, "nobody_at_all"):
        answer = await http.post(f"{url}/dev/sign-in", json={"username": username})
        assert answer.status == 404
        assert username in (await answer.json())["message"]
    await cluster.leave()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_other_sites_get_nothing(url, http, headers):
    signing_in = await http.post(f"{url}/dev/sign-in", json={"username": "mona_elsayed"}, headers=headers)
    listing = await http.get(f"{url}/dev/users", headers=headers)
    assert (signing_in.status, listing.status) == (403, 403)
    page = await http.get(f"{url}/", headers=headers)
    assert page.status == (403 if headers.keys() & {"Host", "X-Forwarded-For"} else 200)
    assert "Access-Control-Allow-Origin" not in page.headers


async def test_sign_in_accepts_only_valid_json(url, http):
    assert (await http.post(f"{url}/dev/sign-in", data={"username": "mona_elsayed"})).status == 415
    as_text = {"Content-Type": "text/plain"}
    assert (await http.post(f"{url}/dev/sign-in", data='{"username": "mona"}', headers=as_text)).status == 415
    for body in ("", "[]", '{"username": 1}', '{"username": "x"}', '{"username": "mona", "more": 1}'):
        as_json = {"Content-Type": "application/json"}
        assert (await http.post(f"{url}/dev/sign-in", data=body, headers=as_json)).status == 400


@pytest.mark.parametrize("fields", [{"host": "0.0.0.0"}, {"host": "example.org"}, {"trusted_proxies": "127.0.0.1/32"}])
def test_the_page_is_refused_on_an_address_that_other_machines_reach(fields):
    with pytest.raises(ValidationError, match="DAIRA_DEVELOPER_PAGE"):
        Settings(_env_file=None, developer_page=True, **fields)
    assert not Settings(_env_file=None, **fields).for_a_laptop().developer_page


def test_up_turns_the_page_on_unless_a_setting_turns_it_off():
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings(_env_file=None, host=host).for_a_laptop().developer_page
    assert not Settings(_env_file=None, developer_page=False).for_a_laptop().developer_page


def test_the_page_has_the_socket_io_client_of_the_tests():
    lock = json.loads((ROOT / "tests" / "clients" / "package-lock.json").read_text())
    version = lock["packages"]["node_modules/socket.io-client"]["version"]
    assert f"Socket.IO v{version}\n" in (PAGE / "vendor" / "socket.io.esm.min.js").read_text()


def test_the_page_has_hls_js_as_npm_has_it():
    assert hashlib.sha256((PAGE / "vendor" / "hls.light.min.mjs").read_bytes()).hexdigest() == HLS
