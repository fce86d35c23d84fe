"""The image: its build steps run here, then its processes, confined as its containers are.

There is no container engine: the steps are those of the Dockerfile, in a folder with what .dockerignore lets through.
The processes run as the image's user, without rights, in a mount namespace whose root is read-only.
"""

import asyncio
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from gateway.app import worker_names
from gateway.settings import Settings
from tests.chaos.deployment import Deployment
from tests.deploy.tools import DEPLOY, ROOT, run
from tests.gateway.test_commands import answers
from tests.patience import WAIT_S
from tests.people import PythonPerson
from tests.ports import free_ports
from tests.uploads import upload

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root of Linux may change mounts"),
]

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
USER = re.findall(r"^USER (\d+):\d+", DOCKERFILE, re.MULTILINE)[0]


@pytest.fixture(scope="module")
def image():
    """Return a folder with the virtual environment that the first stage makes."""
    folder = Path(tempfile.mkdtemp(prefix="daira-image-", dir="/var/tmp"))
    folder.chmod(0o755)
    context = folder / "context"
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            copy = shutil.copytree if (ROOT / line[1:]).is_dir() else shutil.copy
            (context / line[1:]).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / line[1:], context / line[1:])
    shutil.copy(context / "deploy" / "requirements.txt", context)
    first_stage = DOCKERFILE.split("\nFROM ")[1].replace("\\\n", " ")
    steps = re.findall(r"^RUN (.*)$", first_stage, re.MULTILINE)
    assert len(steps) == 2
    for step in steps:
        here = step.replace("/venv", str(folder / "venv")).replace("python -m venv", f"{sys.executable} -m venv")
        run("sh", "-c", f"cd {shlex.quote(str(context))} && {here.replace('--no-cache-dir', '')}")
    shutil.rmtree(context)
    yield folder
    shutil.rmtree(folder)


class Contained(Deployment):
    """Servers, and processes of the image with their secrets in files."""

    def __init__(self, data_dir: Path, image: Path) -> None:
        super().__init__(data_dir)
        self._venv = image / "venv"
        self._secrets = image / "secrets"

    async def begin(self) -> None:
        servers = await self.servers_running.start()
        self._secrets.mkdir(mode=0o755)
        for name, content in {
            "daira_postgres_url": servers.postgres_url("daira_app"),
            "daira_postgres_worker_url": servers.postgres_url("daira_worker"),
            "daira_postgres_owner_url": servers.postgres_url("daira_owner"),
            "daira_redis_url": servers.redis_url,
            "daira_s3_access_key": servers.s3_access_key,
            "daira_s3_secret_key": servers.s3_secret_key,
            "daira_token_keys": f"embedded:{servers.token_key}",
        }.items():
            (self._secrets / name).write_text(f"{content}\n")
            (self._secrets / name).chmod(0o444)

    def contain(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Run `daira` with nothing of this process's environment. Only /tmp and /scratch can be written."""
        variables = {
            "PATH": f"{self._venv}/bin", "PYTHONDONTWRITEBYTECODE": "1", "DAIRA_SECRETS_DIR": str(self._secrets),
            "DAIRA_S3_ENDPOINT": self.servers_running.servers.s3_endpoint, **environment,
        }  # fmt: skip
        confined = [
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
            "--inh-caps=-all", "env", "-i", *(f"{name}={value}" for name, value in variables.items()),
            f"{self._venv}/bin/daira", *arguments,
        ]  # fmt: skip
        python, home = sys.base_prefix, Path("/", Path(sys.base_prefix).parts[1])
        mounts = "mount -t tmpfs -o mode=1777 tmpfs /tmp && mount -o remount,bind,ro / && cd / && exec"
        if not home.stat().st_mode & 0o001:  # as in /root: the image's user could not reach Python
            mounts = (
                f"mount --bind {python} /mnt && mount -t tmpfs -o mode=755 tmpfs {home} && mkdir -p {python} "
                f"&& mount --bind /mnt {python} && {mounts}"
            )
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"{mounts} {shlex.join(confined)}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
async def contained(tmp_path, image):
    running = Contained(tmp_path / "data", image)
    try:
        await running.begin()
        yield running
    finally:
        await running.end()


async def test_the_image_migrates_serves_and_works_with_a_read_only_root(contained):
    migrating = contained.contain("migrate")
    said = await asyncio.to_thread(migrating.communicate)
    assert migrating.returncode == 0, said
    port, sidecar, worker_sidecar = free_ports(3)
    contained.processes["node"] = contained.contain("serve", DAIRA_PORT=str(port), DAIRA_SIDECAR_PORT=str(sidecar))
    contained.processes["worker"] = contained.contain(
        "work", *worker_names(), DAIRA_WORKER_SIDECAR_PORT=str(worker_sidecar), DAIRA_MEDIA_SCRATCH="/tmp"
    )
    await answers(f"http://127.0.0.1:{sidecar}/health/ready")
    await answers(f"http://127.0.0.1:{worker_sidecar}/health/ready")
    contained.settings = Settings(_env_file=None, data_dir=contained.data_dir)
    [token] = await contained.tokens(["alice"])
    alice = PythonPerson("alice", "")
    await alice.connect(f"http://127.0.0.1:{port}", "msgpack", {"token": token})
    media = await upload(alice, jpeg(), filename="a.jpg", content_type="image/jpeg")
    assert (await alice.expect("media.ready"))["media"]["id"] == media["id"]
    await alice.close()
    for name in ("node", "worker"):
        contained.processes[name].send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(contained.processes[name].wait, WAIT_S) == 0


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1_500, 900), "teal").save(file, "JPEG")
    return file.getvalue()
