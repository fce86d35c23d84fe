"""Push services and e-mail are switched on by settings, and `daira doctor` says which of them answer."""

from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from gateway import doctor
from gateway.senders import build_vapid_key, open_senders
from gateway.settings import Settings, SettingsError
from tests.cluster import Cluster
from tests.senders.apns_server import TOPIC, ApnsServer
from tests.senders.certificates import make_trust
from tests.senders.fcm_server import FcmServer
from tests.senders.mail_server import MailServer
from tests.senders.push_service import Browser, PushService

VAPID = {"webpush_key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "webpush_subject": "mailto:a@daira.test"}

PUBLIC_KEY = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"


def settings(**fields) -> Settings:
    return Settings(_env_file=None, **fields)


@pytest.fixture
async def servers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Local servers of all kinds, and the settings for them. The system trusts their certificate."""
    trust = make_trust(tmp_path_factory.mktemp("tls"))
    monkeypatch.setenv("SSL_CERT_FILE", trust.file)
    trust.server.set_alpn_protocols(["h2", "http/1.1"])
    fcm, apns, push, mail = FcmServer(trust), ApnsServer(trust), PushService(trust, Browser()), MailServer(trust)
    for server in (fcm, apns, push, mail):
        await server.start()
    key = apns.key()
    yield {
        "fcm_service_account": msgspec.json.encode(fcm.account()).decode(),
        "fcm_url": fcm.url,
        "apns_key": key.pem, "apns_key_id": key.key_id, "apns_team_id": key.team_id, "apns_topic": TOPIC,
        "apns_url": apns.url,
        **VAPID, "webpush_hosts": push.host,
        "smtp_url": f"smtp://daira:p%40ss%3Aword%2F1@localhost:{mail.port}", "smtp_from": "DAIRA <a@daira.test>",
    }  # fmt: skip
    for server in (fcm, apns, push, mail):
        await server.stop()


async def test_nothing_is_switched_on_by_default():
    assert await open_senders(settings()) == {}
    assert build_vapid_key(settings()) is None


async def test_each_is_switched_on_by_its_settings(servers):
    fields = {
        "fcm": ("fcm_service_account",),
        "apns": ("apns_key", "apns_key_id", "apns_team_id", "apns_topic"),
        "webpush": ("webpush_key", "webpush_subject"),
        "email": ("smtp_url", "smtp_from"),
    }
    for kind, names in fields.items():
        built = await open_senders(settings(**{name: servers[name] for name in names}))
        assert built.keys() == {kind}
        await built[kind].close()
        for name in names[1:]:
            with pytest.raises(ValidationError, match=f"DAIRA_{names[0].upper()} also needs DAIRA_{name.upper()}"):
                settings(**{other: servers[other] for other in names if other != name})


async def test_a_secret_may_be_in_a_file(servers, tmp_path: Path):
    for name in ("fcm_service_account", "apns_key", "webpush_key"):
        file = tmp_path / name
        file.write_text(servers[name])
        servers[name] = str(file)
    built = await open_senders(settings(**servers))
    assert built.keys() == {"fcm", "apns", "webpush", "email"}
    for sender in built.values():
        await sender.close()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("fcm_service_account", "/no/such/file.json"),
        ("fcm_service_account", '{"project_id":"x"}'),
        ("fcm_service_account", '{"project_id":"x","client_email":"y","private_key_id":"z","private_key":"SECRET"}'),
        ("apns_key", "/no/such/file.p8"),
        ("apns_key", "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----"),
        ("webpush_key", "SECRET"),
        ("smtp_url", "smtp://user:SECRET@host:SECRET"),
        ("smtp_url", "http://user:SECRET@host"),
        ("smtp_from", "nobody"),
    ],
)
async def test_a_wrong_setting_is_named_and_its_secret_is_not_shown(servers, name, wrong):
    with pytest.raises(SettingsError, match=f"DAIRA_{name.upper()} cannot be used") as raised:
        await open_senders(settings(**{**servers, name: wrong}))
    assert "SECRET" not in str(raised.value)


def test_secrets_are_not_shown(servers):
    shown = repr(settings(**servers))
    for name in ("fcm_service_account", "apns_key", "webpush_key", "smtp_url"):
        assert servers[name] not in shown


async def findings(cluster: Cluster, **fields) -> dict[str, doctor.Finding]:
    found = await doctor.examine(cluster.settings(**fields))
    return {each.what.removeprefix("sends by "): each for each in found if each.what.startswith("sends by ")}


async def test_the_doctor_reaches_what_is_configured(idle_cluster, servers):
    found = await findings(idle_cluster, **servers)
    assert {what: (each.ok, each.finding) for what, each in found.items()} == {
        "fcm": (True, f"at {servers['fcm_url']}/v1/projects/daira-test/messages:send"),
        "apns": (True, f"at {servers['apns_url']}, topic {TOPIC}"),
        "webpush": (True, f"{servers['webpush_hosts']} answer; the public key is {PUBLIC_KEY}"),
        "email": (True, f"at {servers['smtp_url'].rpartition('@')[2]}, from DAIRA <a@daira.test>"),
    }


async def test_the_doctor_says_what_is_wrong(idle_cluster, servers):
    wrong = {
        **servers,
        "fcm_url": "https://localhost:1",
        "apns_team_id": "TEAM654321",
        "webpush_key": "x",
        "smtp_url": servers["smtp_url"].replace("daira:", "other:"),
    }
    found = await findings(idle_cluster, **wrong)
    assert not any(each.ok for each in found.values())
    assert {what: each.finding.partition(":")[0] for what, each in found.items()} == {
        "fcm": "ClientConnectorError",
        "apns": "InvalidProviderToken",
        "webpush": "DAIRA_WEBPUSH_KEY cannot be used",
        "email": "5.7.8",
    }
    assert all(each.advice for each in found.values())


async def test_the_doctor_names_what_is_not_configured(idle_cluster):
    found = await findings(idle_cluster)
    assert {(each.ok, each.finding) for each in found.values()} == {(True, "not set up: skipped")}
    assert len(found) == 4
