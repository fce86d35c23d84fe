"""Fixtures of the senders' tests: messages, and TLS between them and servers on this machine."""

import pytest

from tests.senders.certificates import Trust, make_trust


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return make_trust(tmp_path_factory.mktemp("tls"))
