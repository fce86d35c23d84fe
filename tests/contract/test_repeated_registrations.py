"""A client that lost the answer to its registration registers again and is signed in; a stranger is not."""

import secrets

from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register


async def test_a_registration_whose_answer_was_lost_can_be_repeated(cluster: Cluster, person):
    alice, first = await register(cluster)
    fields = {"username": alice.name, "email": f"{alice.name}@example.org", "password": PASSWORD}
    guest = await cluster.guest(node="b")
    for wrong in ({"password": "another password"}, {"username": cluster.unique("other")}, {"email": "x@example.org"}):
        assert (await guest.refused("auth.register", **fields | wrong)).code == "ALREADY_EXISTS", wrong
    again = await guest.call("auth.register", **fields)
    assert again["user"]["id"] == first["user"]["id"]
    assert again["session_id"] != first["session_id"]
    owner = await cluster.owner()
    await owner.execute("UPDATE accounts SET created_at = now() - interval '1 hour' WHERE user_id = $1", int(alice.id))
    await owner.close()
    assert (await (await cluster.guest()).refused("auth.register", **fields)).code == "ALREADY_EXISTS"


async def test_a_repeated_registration_counts_against_the_limits_of_logins(cluster: Cluster, person, node):
    limited = await node(limit_login="3/hour")
    alice, _ = await register(cluster, node=limited)
    guest = await cluster.guest(node=limited)
    fields = {"username": alice.name, "email": f"{alice.name}@example.org"}
    for _ in range(4):
        guess = {**fields, "password": secrets.token_hex(8)}
        assert (await guest.refused("auth.register", **guess)).code == "ALREADY_EXISTS"
    assert (await guest.refused("auth.register", **fields, password=PASSWORD)).code == "ALREADY_EXISTS"
