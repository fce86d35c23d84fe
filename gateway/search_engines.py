"""The search engine that the settings name: PostgreSQL, or OpenSearch."""

import ssl

from gateway.retrying import patiently
from gateway.settings import Settings
from storage.database import Database
from storage.opensearch import OpenSearch
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink, OpenSearchServers
from storage.search_engine import SearchEngine, SearchUnavailable
from storage.search_postgres import PostgresSearch


def opensearch_servers(settings: Settings) -> OpenSearchServers | None:
    """None if search is in PostgreSQL."""
    if settings.opensearch is None:
        return None
    url, user, password = settings.opensearch
    tls = ssl.create_default_context(cafile=settings.opensearch_ca) if settings.opensearch_ca else None
    return OpenSearchServers(url, settings.prefix, user, password, tls, settings.opensearch_shards)


def search_engine(opensearch: OpenSearchLink | None, database: Database) -> SearchEngine:
    return PostgresSearch(database) if opensearch is None else OpenSearch(opensearch)


async def prepare_search(settings: Settings) -> None:
    """Create the index if it is missing. Waits up to 30 s for OpenSearch. Raises SearchUnavailable."""
    servers = opensearch_servers(settings)
    if servers is None:
        return
    link = OpenSearchLink(servers)
    try:
        await patiently(OpenSearchIndices(link).ensure, SearchUnavailable)
    finally:
        await link.close()
