"""`servers.json`, which holds the only copy of the passwords of the embedded servers."""

import os
import stat

import pytest

from gateway.embedded import EmbeddedError, find_servers
from gateway.embedded.addresses import reachable_servers
from tests.gateway.test_commands import Installation


async def test_addresses_are_written_once_and_readable_only_by_their_owner(tmp_path):
    servers = await reachable_servers(tmp_path, voice=False, kafka=False)
    path = tmp_path / "servers.json"
    written = path.stat()
    assert stat.S_IMODE(written.st_mode) == 0o600
    assert await reachable_servers(tmp_path, voice=False, kafka=False) == servers == find_servers(tmp_path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert os.listdir(tmp_path) == ["servers.json"]


async def test_new_ports_replace_the_file_atomically(tmp_path, monkeypatch):
    servers = await reachable_servers(tmp_path, voice=False, kafka=False)

    def dies(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", dies)
        with pytest.raises(OSError, match="space"):
            await reachable_servers(tmp_path, voice=True, kafka=False)
    assert find_servers(tmp_path) == servers
    moved = await reachable_servers(tmp_path, voice=True, kafka=False)
    assert moved == find_servers(tmp_path) != servers
    assert moved.password == servers.password
    assert stat.S_IMODE((tmp_path / "servers.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": "x"}', b"\xff"])
def test_an_invalid_file_is_named_with_a_remedy(tmp_path, content):
    (tmp_path / "servers.json").write_bytes(content)
    with pytest.raises(EmbeddedError, match=r"servers\.json cannot be read .* restore the file from a copy"):
        find_servers(tmp_path)


@pytest.mark.parametrize("command", [["seed"], ["erase"], ["serve"], ["token", "alice"], ["dead-letters", "list"]])
def test_each_command_reports_an_invalid_file_in_one_sentence(tmp_path, command):
    (tmp_path / "servers.json").write_bytes(b"{")
    result = Installation(tmp_path).run(*command)
    assert result.returncode == 1
    assert "restore the file from a copy" in result.stderr
    assert "Traceback" not in result.stderr
