"""Settings: who may contact the caller, language and time zone."""

import pytest

from tests.cluster import Cluster

DEFAULTS = {
    "messages_from": "everyone",
    "comments_from": "everyone",
    "mentions_from": "everyone",
    "locale": "ar-EG",
    "timezone": "Africa/Cairo",
    "suggest_me": True,
    "labels": {
        "sensitive": "blur", "violence": "blur", "sexual": "hide", "spoiler": "blur", "misleading": "show",
        "graphic": "blur",
    },
}  # fmt: skip


async def test_settings_change_one_by_one_and_reach_other_devices(cluster: Cluster, person):
    alice = await person("alice")
    phone = await cluster.again(alice)
    bob = await person("bob")
    assert await alice.call("settings.get") == DEFAULTS
    changed = {**DEFAULTS, "mentions_from": "followed", "timezone": "Asia/Riyadh"}
    assert await alice.call("settings.update", mentions_from="followed", timezone="Asia/Riyadh") == changed
    assert (await phone.expect("settings.changed"))["settings"] == changed
    assert await phone.call("settings.update", locale="en") == {**changed, "locale": "en"}
    assert await bob.call("settings.get") == DEFAULTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messages_from", "friends"),
        ("comments_from", None),
        ("locale", "x"),
        ("timezone", "Cairo"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "Africa"),
        ("timezone", "Africa/Cairo\n"),
        ("timezone", "/etc/localtime"),
        ("birth_date", "2000-01-01"),
    ],
)
async def test_bad_settings_name_their_field_and_change_nothing(person, field: str, value: object):
    alice = await person("alice")
    refused = await alice.refused("settings.update", **{field: value})
    assert refused.code == "INVALID_ARGUMENT"
    assert refused.fields == [field]
    assert await alice.call("settings.get") == DEFAULTS


async def test_labels_are_chosen_one_by_one(person):
    alice = await person("alice")
    changed = await alice.call("settings.update", labels={"sexual": "show", "spoiler": "hide"})
    assert changed["labels"] == {**DEFAULTS["labels"], "sexual": "show", "spoiler": "hide"}
    changed = await alice.call("settings.update", labels={"spoiler": "blur"})
    assert changed["labels"] == {**DEFAULTS["labels"], "sexual": "show"}
    refused = await alice.refused("settings.update", labels={"sexual": "never"})
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["labels.sexual"])


@pytest.mark.parametrize("label", ["sexual", "graphic"])
async def test_minors_cannot_choose_to_see_everything(cluster: Cluster, person, label: str):
    alice = await person("alice")
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE accounts SET birth_date = now() - interval '15 years' WHERE user_id = $1", int(alice.id)
    )
    await owner.close()
    assert (await alice.call("settings.get"))["labels"] == {**DEFAULTS["labels"], "sexual": "hide", "graphic": "hide"}
    refused = await alice.refused("settings.update", labels={label: "blur"})
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [f"labels.{label}"])
    assert (await alice.call("settings.update", labels={label: "hide"}))["labels"][label] == "hide"
