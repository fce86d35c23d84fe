"""The sandbox: what a decoder that was taken over may do, tried from inside."""

import os
import platform
import select
import subprocess
import sys
from pathlib import Path

import pytest

ENTER = """
import ctypes, os, signal, socket, subprocess, sys, threading
from media import sandbox
lacking = sandbox.enter(os.getcwd(), sandbox.SandboxLimits(cpu_s=1, memory_bytes=1 << 30, file_bytes=1 << 20))
assert not lacking or sys.platform != "linux", lacking
"""
# Of system calls that reach beyond the folder: on x86_64 and aarch64.
NUMBERS = {
    "ptrace": (101, 117),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "perf_event_open": (298, 241),
    "unshare": (272, 97),
    "prctl": (157, 167),
}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


def inside(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", ENTER + code], cwd=folder, env={}, capture_output=True, text=True, timeout=60
    )


def test_files_in_the_folder_can_be_written_renamed_and_read(tmp_path: Path) -> None:
    done = inside(tmp_path, "open('a', 'w').write('x'); os.rename('a', 'b'); print(open('b').read()); os.unlink('b')")
    assert (done.stdout, done.stderr) == ("x\n", "")


def test_threads_can_be_started(tmp_path: Path) -> None:
    code = "thread = threading.Thread(target=print, args=('works',)); thread.start(); thread.join()"
    assert inside(tmp_path, code).stdout == "works\n"


@LINUX
@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "open('../outside')",
        "open('/dev/null', 'w')",
        "os.listdir('/')",
        "os.symlink('/etc/passwd', 'link')",
        "os.link('/etc/passwd', 'link')",
        "os.mkdir('folder')",
        "os.chmod('.', 0o777)",
        "os.chdir('/')",
        "os.chroot('.')",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.fork()",
        "subprocess.run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), signal.SIGTERM)",
        "os.memfd_create('program')",
        "os.setuid(1)",
        "os.pipe()",
        "os.sched_setaffinity(0, [0])",
    ],
)
def test_attempt_is_refused(tmp_path: Path, attempt: str) -> None:
    (tmp_path.parent / "outside").write_text("secret")
    done = inside(tmp_path, f"try:\n    {attempt}\nexcept OSError:\n    print('refused')")
    assert done.stdout == "refused\n", done.stderr


@LINUX
@pytest.mark.parametrize("name", NUMBERS)
def test_system_call_is_missing(tmp_path: Path, name: str) -> None:
    number = NUMBERS[name][platform.machine() == "aarch64"]
    code = f"print(sandbox.libc.syscall({number}, 0, 0, 0, 0, 0), ctypes.get_errno())"
    assert inside(tmp_path, code).stdout == "-1 38\n"  # ENOSYS


@LINUX
def test_memory_is_bounded(tmp_path: Path) -> None:
    done = inside(tmp_path, "try:\n    bytearray(8 << 30)\nexcept MemoryError:\n    print('refused')")
    assert done.stdout == "refused\n"


def test_files_are_bounded(tmp_path: Path) -> None:
    code = "try:\n    open('a', 'wb').write(bytes(2 << 20))\nexcept OSError as error:\n    print(error)"
    assert "File too large" in inside(tmp_path, code).stdout
    assert (tmp_path / "a").stat().st_size <= 1 << 20


def test_open_files_are_bounded(tmp_path: Path) -> None:
    code = "try:\n    files = [open('a', 'w') for _ in range(100)]\nexcept OSError as error:\n    print(error)"
    assert "Too many open files" in inside(tmp_path, code).stdout


def test_loop_ends_with_its_cpu_time(tmp_path: Path) -> None:
    done = inside(tmp_path, "while True: pass")
    assert done.returncode < 0


@LINUX
def test_process_dies_with_its_parent(tmp_path: Path) -> None:
    code = ENTER + "import time; print('in', flush=True); time.sleep(60)"
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-c", {code!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        held = os.pidfd_open(child)
        running.kill()
        running.wait()
        assert select.select([held], [], [], 30)[0], "the child lives on"
        os.close(held)
