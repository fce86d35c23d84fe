"""An OpenSearch node of the tests, which they can kill and start again."""

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from aiohttp import ClientError, ClientSession

from gateway.child_process import spawn
from tests.patience import WAIT_S
from tests.ports import free_ports

_JAVA = (
    "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Djava.security.manager=allow",
    # It refuses to run as root, as CI does, unless it cannot ask who it is.
    "-Djna.nounpack=true", "-Djna.nosys=true", "-Djna.boot.library.path=/nonexistent",
)  # fmt: skip
# Compose's, so that each test of the node is one of them too.
_CONFIG = Path(__file__).parents[1] / "deploy" / "opensearch" / "config"


def opensearch_home() -> Path | None:
    """The folder that `make opensearch` fills, or None if it or Java is missing."""
    folder = Path(sys.prefix) / "share" / "opensearch"
    return folder if (folder / ".made").exists() and shutil.which("java") else None


class OpenSearchNode:
    """It listens on this machine alone, without its security plugin."""

    def __init__(self, folder: Path) -> None:
        http, transport = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        settings = yaml.safe_load((_CONFIG / "opensearch.yml").read_text()) | {
            "network.host": "127.0.0.1",
            "http.port": http,
            "transport.port": transport,
            "path.data": f"{folder}/data",
            "path.logs": f"{folder}/logs",
            # The disk is the tests': however full, it may write.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }
        (folder / "opensearch.yml").write_text(yaml.safe_dump(settings))
        shutil.copy(_CONFIG / "log4j2.properties", folder)

    async def start(self) -> None:
        """Start it unless it runs, and wait until it answers and its indices are there."""
        if self._process is not None and self._process.poll() is None:
            return
        home = opensearch_home()
        assert home is not None
        command = [
            "java", *_JAVA, f"-Dopensearch.path.home={home}", f"-Dopensearch.path.conf={self._folder}",
            "-cp", f"{home}/lib/*", "org.opensearch.bootstrap.OpenSearch",
        ]  # fmt: skip
        log = self._folder / "opensearch.log"
        with log.open("ab") as output:
            self._process = spawn(command, signal.SIGKILL, stdout=output, stderr=output, cwd="/")
        async with asyncio.timeout(6 * WAIT_S), ClientSession() as session:
            while not await self._answers(session):
                assert self._process.poll() is None, log.read_text()[-2_000:]
                await asyncio.sleep(0.05)

    async def _answers(self, session: ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s") as answer:
                return answer.status == 200
        except ClientError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Let it hang: connections stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
