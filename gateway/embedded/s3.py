"""S3: rclone serves a folder."""

import os
import signal
from pathlib import Path

from gateway.embedded.addresses import Servers
from gateway.embedded.server import Command, listens, packaged_program


class S3:
    name = "s3"
    end_signal = signal.SIGTERM

    def __init__(self, servers: Servers, data_dir: Path) -> None:
        self._servers = servers
        self._folder = data_dir / "objects"

    def command(self) -> Command:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        argv = [
            packaged_program("rclone"), "serve", "s3", "--config", "/dev/null",
            "--addr", f"127.0.0.1:{self._servers.s3_port}", "--allow-origin", "*", self._folder,
        ]  # fmt: skip
        keys = f'"{self._servers.s3_access_key},{self._servers.s3_secret_key}"'  # quoted: rclone splits at commas
        return Command(argv, {"env": {**os.environ, "RCLONE_AUTH_KEY": keys}})

    async def answers(self) -> bool:
        return await listens(self._servers.s3_port)
