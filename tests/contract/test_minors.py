"""Minors: 13 or older, private, and not able to loosen it. A birth date can be corrected once."""

import datetime

import pytest

from tests.cluster import Cluster
from tests.contract.test_auth import register


def years_ago(years: int) -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return today.replace(year=today.year - years, day=1).isoformat()


@pytest.mark.parametrize("years", [14, 17])
async def test_the_account_of_a_minor_is_private_and_stays_so(cluster: Cluster, person, years):
    child, answer = await register(cluster, birth_date=years_ago(years))
    assert answer["user"]["is_private"]
    assert (await child.refused("user.update", is_private=False)).code == "FAILED_PRECONDITION"
    assert (await child.refused("settings.update", suggest_me=True)).code == "FAILED_PRECONDITION"
    owner = await cluster.owner()
    with pytest.raises(Exception, match="stays private"):
        await owner.execute("UPDATE users SET is_private = false WHERE id = $1", int(child.id))
    await owner.close()


async def test_strangers_cannot_write_to_a_minor_whatever_the_settings_say(cluster: Cluster, person):
    child, _ = await register(cluster, birth_date=years_ago(14))
    await child.call("settings.update", messages_from="everyone")
    stranger = await person("stranger")
    assert (await stranger.refused("chat.open", user_ids=[child.id])).code in ("PERMISSION_DENIED", "NOT_FOUND")


async def test_a_birth_date_is_corrected_once_and_a_minor_turns_private(cluster: Cluster, person):
    alice, answer = await register(cluster, birth_date="1990-05-05")
    assert not answer["user"]["is_private"]
    too_young = await alice.refused("account.correct_birth_date", birth_date=years_ago(9))
    assert (too_young.code, too_young.fields) == ("INVALID_ARGUMENT", ["birth_date"])
    for _ in range(2):
        corrected = await alice.call("account.correct_birth_date", birth_date=years_ago(15))
        assert corrected == {"birth_date": years_ago(15), "is_private": True}
    again = await alice.refused("account.correct_birth_date", birth_date="1990-05-05")
    assert again.code == "FAILED_PRECONDITION"
    assert (await alice.refused("user.update", is_private=False)).code == "FAILED_PRECONDITION"


async def test_the_first_birth_date_is_no_correction(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("account.correct_birth_date", birth_date="1991-01-01")
    await alice.call("account.correct_birth_date", birth_date="1990-01-01")
    refused = await alice.refused("account.correct_birth_date", birth_date="1989-01-01")
    assert refused.code == "FAILED_PRECONDITION"
