"""Redis URLs: hosts, ports, names and passwords, for all kinds of servers."""

import pytest

from storage.redis_servers import ClusterServers, SentinelServers, servers_of

LOGIN = {"username": "us:er", "password": "p@ss/w%rd"}
QUOTED = "us%3Aer:p%40ss%2Fw%25rd"


def test_names_and_passwords_are_unquoted_for_all_kinds_of_servers():
    single = servers_of(f"redis://{QUOTED}@h/0")
    assert LOGIN.items() <= single._pool.connection_kwargs.items()
    assert servers_of(f"redis+sentinel://{QUOTED}@h/service").login == LOGIN
    assert servers_of(f"redis+cluster://{QUOTED}@h")._login == LOGIN
    assert servers_of("redis+sentinel://:p%40ss@h/service").login == {"username": None, "password": "p@ss"}
    assert servers_of("redis+sentinel://h/service").login == {}


def test_a_missing_port_is_the_default_one():
    sentinels = servers_of("redis+sentinel://a,b:7/service")
    assert isinstance(sentinels, SentinelServers)
    asked = [each.connection_pool.connection_kwargs for each in sentinels.sentinel.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("a", 26379), ("b", 7)]
    cluster = servers_of("redis+cluster://:pw@a,b:7")
    assert isinstance(cluster, ClusterServers)
    assert cluster._known == [("a", 6379), ("b", 7)]
    assert servers_of("redis+cluster://[::1]")._known == [("::1", 6379)]


@pytest.mark.parametrize("url", ["redis+sentinel:///service", "redis+cluster://a,,b", "redis+cluster://a:many", "a:1"])
def test_a_url_without_servers_is_refused(url):
    with pytest.raises(ValueError, match=r"host|[Pp]ort|begins with"):
        servers_of(url)
