"""Settings of nodes that reach a server by another way than the rest of the cluster."""

from typing import Any

from tests.cluster import Cluster
from tests.store_link import StoreLink


def through(cluster: Cluster, link: StoreLink) -> dict[str, Any]:
    """Settings with which a node reaches PostgreSQL over the link."""
    servers = cluster.servers

    def url(role: str) -> str:
        return servers.postgres_url(role).replace(f":{servers.postgres_port}/", f":{link.port}/")

    return {
        "postgres_url": url("daira_app"),
        "postgres_worker_url": url("daira_worker"),
        "redis_url": servers.redis_url,
        "s3_endpoint": servers.s3_endpoint,
        "s3_access_key": servers.s3_access_key,
        "s3_secret_key": servers.s3_secret_key,
        "token_keys": f"embedded:{servers.token_key}",
    }
