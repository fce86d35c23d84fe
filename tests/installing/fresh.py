"""Install and test DAIRA on new Debian systems, as a newcomer would: `make fresh`, or `make fresh ARGS="trixie"`.

debootstrap makes a minimal root for each release. In a copy of it, a plain user with a private home (mode 0700) has a
clean clone at a path with a space, and runs the README's two commands. Each copy has its own mount and process
namespace, so no mount and no process outlives this script, however it ends. The mirror and pip's settings are those of
this machine; they are written only into the copies.
"""

import argparse
import ast
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path("/var/cache/daira-fresh")
SUITES = ("bookworm", "trixie")  # Python 3.11 and 3.13
PACKAGES = "python3,make,ca-certificates"
APT = "-qq -o Acquire::Check-Valid-Until=false"  # a mirror may be stale
WHO = 1000
HOME = Path("/home/newcomer")
CLONE = HOME / "a place" / "daira"
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout", "cert")
RUN_TIMEOUT_S = 900
# The namespaces end with this script, also after kill -9.
ISOLATED = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
MOUNTS = 'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/dev/shm" && '


class Failed(Exception):
    """A check failed; the message says what differs from the README."""


class Debian:
    """A root folder with a Debian, in its own namespaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports = {"DAIRA_PORT": str(_free_port()), "DAIRA_SIDECAR_PORT": str(_free_port())}

    def start(self, command: str, *, as_root: bool = False, **options: object) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **_proxies()}
        environment |= {"HOME": "/root"} if as_root else {"HOME": str(HOME), "USER": "newcomer", **self.ports}
        who = [] if as_root else [f"--userspec={WHO}:{WHO}"]
        # The shell stays the first process of its namespace, to reap orphaned processes.
        inside = ["chroot", *who, str(self.root), "sh", "-c", f"{command}; exit $?"]
        return subprocess.Popen(
            [*ISOLATED, "sh", "-c", MOUNTS + shlex.join(inside), str(self.root)],
            env=environment, stdin=subprocess.DEVNULL, start_new_session=True, **options,
        )  # fmt: skip

    def run(self, command: str, *, as_root: bool = False) -> tuple[int, str]:
        """Run a command; return its exit code and output."""
        process = self.start(command, as_root=as_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with _ended(process):
            output, _ = process.communicate()
        return process.returncode, output.decode()

    def must(self, command: str) -> str:
        """Run a command as root; return its output. Raises Failed."""
        code, output = self.run(command, as_root=True)
        if code:
            raise Failed(f"{command} ended with code {code}:\n{output}")
        return output.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("suites", nargs="*", default=SUITES, help="releases of Debian; default: bookworm trixie")
    parser.add_argument("--tests", default="", help="which tests: what `make test` takes as ARGS; default: all")
    arguments = parser.parse_args()
    missing = _what_is_missing()
    if missing:
        return print(missing, file=sys.stderr) or 1
    if subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, check=True).stdout:
        print("Changes that are not committed are left out: each Debian gets a clean clone.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # runs the cleanup
    CACHE.mkdir(parents=True, exist_ok=True)
    failures = 0
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one run at a time
        for left in CACHE.glob("*-*/"):  # left by a killed run
            shutil.rmtree(left)
        for suite in arguments.suites:
            try:
                _try(suite, arguments.tests)
            except Failed as failure:
                print(f"{suite}: FAILED: {failure}", flush=True)
                failures += 1
    return failures


def _try(suite: str, tests: str) -> None:
    with _step(suite, "minimal root"):
        pristine = _pristine(suite)
    with _copy(pristine) as debian:
        print(f"{suite}: {debian.must('python3 --version')}", flush=True)
        with _step(suite, "`make run` says that python3-venv is missing"):
            _says_what_is_missing(debian)
        with _step(suite, "apt-get install python3-venv"):
            debian.must(f"apt-get {APT} update && DEBIAN_FRONTEND=noninteractive apt-get {APT} install python3-venv")
        with _step(suite, "`make run` until it answers"):
            running = _run_until_it_answers(debian)
        with _step(suite, "its end, at Ctrl-C"):
            _interrupt(running)
        with _step(suite, "`make test`"):
            _test(debian, tests)


def _says_what_is_missing(debian: Debian) -> None:
    code, output = debian.run(_in_clone("make run"))
    sentences = [line for line in output.splitlines() if not line.startswith("make: ***")]
    if code == 0 or len(sentences) != 1 or "apt-get install python3-venv" not in sentences[0]:
        raise Failed(f"`make run` without python3-venv ended with code {code} and printed:\n{output}")


def _run_until_it_answers(debian: Debian) -> subprocess.Popen[bytes]:
    running = debian.start(_in_clone("make run"))
    urls = [f"http://127.0.0.1:{debian.ports['DAIRA_PORT']}/"]
    urls.append(f"http://127.0.0.1:{debian.ports['DAIRA_SIDECAR_PORT']}/health/ready")
    deadline = time.monotonic() + RUN_TIMEOUT_S
    try:
        while not all(map(_answers, urls)):
            if running.poll() is not None:
                raise Failed(f"`make run` ended with code {running.returncode}")
            if time.monotonic() > deadline:
                raise Failed(f"`make run` does not answer after {RUN_TIMEOUT_S} s")
            time.sleep(0.2)
    except BaseException:
        running.kill()
        running.wait()
        raise
    return running


def _interrupt(running: subprocess.Popen[bytes]) -> None:
    """Send the signal to all foreground processes, as a terminal does."""
    with _ended(running):
        os.killpg(running.pid, signal.SIGINT)
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            raise Failed("`make run` did not end within a minute of Ctrl-C") from None


def _test(debian: Debian, tests: str) -> None:
    print("Without Node.js, Go and Chromium, `make test` skips the tests that need them, and says so.", flush=True)
    process = debian.start(_in_clone(f"make test {'ARGS=' + shlex.quote(tests) if tests else ''}"))
    with _ended(process):
        code = process.wait()
    if code:
        raise Failed(f"`make test` ended with code {code}")


def _in_clone(command: str) -> str:
    return f"cd {shlex.quote(str(CLONE))} && {command}"


# ------------------------------------------------------------------------------------------------------------- roots


def _pristine(suite: str) -> Path:
    """Return a root made by debootstrap, cached between runs. Raises Failed."""
    root = CACHE / suite
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="new-") as scratch:
            # debootstrap handles all Debian releases alike, so a release that it does not know yet works too.
            made = subprocess.run(
                [
                    *ISOLATED, "debootstrap", "--variant=minbase", f"--include={PACKAGES}",
                    suite, f"{scratch}/root", _mirror(), "sid",
                ],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            if made.returncode:
                raise Failed(f"debootstrap: {made.stdout[-2000:]}")
            Path(scratch, "root").rename(root)
    return root


@contextlib.contextmanager
def _copy(pristine: Path) -> Iterator[Debian]:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as scratch:
        root = Path(scratch) / "root"
        subprocess.run(["cp", "-a", pristine, root], check=True)
        debian = Debian(root)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
        _give_pip_settings(root)
        debian.must(f"useradd --create-home --uid {WHO} newcomer && chmod 0700 {HOME}")
        clone = root / CLONE.relative_to("/")
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
        debian.must(f"chown -R {WHO}:{WHO} {HOME}")
        yield debian


def _mirror() -> str:
    """Return the mirror that this machine's apt uses for Debian itself. Raises Failed."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Identifier: Packages"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in listed.stdout.splitlines():
        if line.startswith("Debian Debian "):
            return line.split()[2]
    raise Failed("apt on this machine has no Debian mirror: run `apt-get update` first")


def _give_pip_settings(root: Path) -> None:
    """Return pip's settings of this machine: its index and its certificates."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = ast.literal_eval(value)
    lines = [f"{name} = {value}" for name, value in settings.items() if name in PIP_SETTINGS]
    if "cert" in settings:
        shutil.copy(settings["cert"], root / "etc" / "pip.crt")
        lines = [line for line in lines if not line.startswith("cert ")] + ["cert = /etc/pip.crt"]
    (root / "etc" / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))


# ----------------------------------------------------------------------------------------------------------- private


def _what_is_missing() -> str | None:
    if os.geteuid() != 0:
        return "`make fresh` makes root folders of other Debian systems, so it must run as root."
    if shutil.which("debootstrap") is None:
        subprocess.run(
            "apt-get -qq update && apt-get -qq install --no-install-recommends debootstrap", shell=True, check=False
        )
    if shutil.which("debootstrap") is None:
        return "`make fresh` needs debootstrap (on Debian and Ubuntu: `apt-get install debootstrap`)."
    if subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode:
        return "`make fresh` needs permission to make mount and process namespaces (`unshare --mount --pid`)."
    return None


@contextlib.contextmanager
def _step(suite: str, name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{suite}: {name}: {time.monotonic() - began:.0f} s", flush=True)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill the first process of its namespace at the end; all others end with it."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _proxies() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
