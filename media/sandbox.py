"""The sandbox of the process that decodes files: a hole in a decoder gives an attacker a folder and a little time.

On Linux, Landlock hides all files but those of one folder, and seccomp allows only the system calls that decoding
needs: no sockets, no programs, no processes. Elsewhere only the limits of resources hold.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

import msgspec

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1
# Rights by the version of Landlock that added them; each version handles those of the older ones too.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # bits
NETWORK_RIGHTS = {4: 2}
SCOPES = {6: 2}
READ, WRITE, LIST, REMOVE, MAKE, TRUNCATE = 1 << 2, 1 << 1, 1 << 3, 1 << 5, 1 << 8, 1 << 14

# Numbers of the system calls that are allowed: on x86_64, and on aarch64, which lacks the old ones.
AUDIT_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SYSTEM_CALLS: dict[str, tuple[int, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "pwrite64": (18, 68), "close": (3, 57), "lseek": (8, 62), "fcntl": (72, 25), "ftruncate": (77, 46),
    "open": (2, None), "openat": (257, 56), "stat": (4, None), "lstat": (6, None), "fstat": (5, 80),
    "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "getcwd": (79, 17), "fsync": (74, 82), "fdatasync": (75, 83), "rename": (82, None),
    "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35), "mmap": (9, 222),
    "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "getrandom": (318, 278), "getrusage": (98, 165), "sysinfo": (99, 179),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
CLONE = (56, 220)
CLONE_THREAD = 0x10000
ALLOW, KILL_PROCESS, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = 1, 38  # a C library that asks in vain for a newer call falls back to an older one


class SandboxLimits(msgspec.Struct, frozen=True):
    """Resources that the process may use."""

    cpu_s: int  # of all its threads
    memory_bytes: int  # of addresses
    file_bytes: int  # of each file that it writes


def enter(folder: str, most: SandboxLimits) -> list[str]:
    """Confine this process to `folder`, irrevocably. Returns what this machine lacks. Modules must be loaded before."""
    lacking = []
    if sys.platform == "linux":
        # A parent that dies takes this process with it.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            lacking.append("no_new_privs")
        if not _hide_files(os.fsencode(folder)):
            lacking.append("Landlock")
    else:
        lacking += ["Landlock", "seccomp"]
    limits = {
        "CPU": (most.cpu_s, most.cpu_s + 1),
        "AS": (most.memory_bytes,) * 2,
        "FSIZE": (most.file_bytes,) * 2,
        "NOFILE": (64, 64),
        "CORE": (0, 0),
    }
    if sys.platform != "linux":
        limits["NPROC"] = (0, 0)  # Linux counts threads too, so there seccomp forbids processes
    for name, limit in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), limit)
        except (OSError, ValueError):
            lacking.append(f"RLIMIT_{name}")
    if sys.platform == "linux" and not _forbid_system_calls():
        lacking.append("seccomp")
    return lacking


def _hide_files(folder: bytes) -> bool:
    """Allow files in `folder` only, no TCP, and no signals to other processes. Returns False without Landlock."""
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        return False

    def handled(rights: dict[int, int]) -> int:
        return (1 << max((bits for since, bits in rights.items() if since <= version), default=0)) - 1

    attributes = struct.pack("QQQ", handled(FILE_RIGHTS), handled(NETWORK_RIGHTS), handled(SCOPES))
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        return False
    allowed = (READ | WRITE | LIST | REMOVE | MAKE | TRUNCATE) & handled(FILE_RIGHTS)
    beneath = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", allowed, beneath)
    done: bool = (
        libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0) == 0
        and libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    )
    os.close(beneath)
    os.close(ruleset)
    return done


def _forbid_system_calls() -> bool:
    """Allow only the calls above, and threads. Returns False without seccomp, or on an unknown machine."""
    machine = platform.machine()
    if machine not in AUDIT_ARCHES:
        return False
    column = list(AUDIT_ARCHES).index(machine)
    numbers = [each for both in SYSTEM_CALLS.values() if (each := both[column]) is not None]

    load, jump_if_equal, jump_if_any, answer = 0x20, 0x15, 0x45, 0x06  # operations of BPF
    program = [
        (load, 0, 0, 4),  # the machine for which the call is made
        (jump_if_equal, 1, 0, AUDIT_ARCHES[machine]),
        (answer, 0, 0, KILL_PROCESS),
        (load, 0, 0, 0),  # the number of the call
        # Each jumps over those that follow, and over the five instructions between them and the last.
        *((jump_if_equal, len(numbers) - index + 4, 0, number) for index, number in enumerate(numbers)),
        (jump_if_equal, 1, 0, CLONE[column]),
        (answer, 0, 0, REFUSE | ENOSYS),
        (load, 0, 0, 16),  # flags of the clone
        (jump_if_any, 1, 0, CLONE_THREAD),
        (answer, 0, 0, REFUSE | EPERM),
        (answer, 0, 0, ALLOW),
    ]
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    filter_ = struct.pack("HxxxxxxP", len(program), ctypes.addressof(instructions))
    done: int = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)
    return done == 0
