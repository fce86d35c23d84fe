"""Child processes that end when this process ends, even by SIGKILL."""

import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def spawn(command: list[Any], end_signal: signal.Signals, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process as Popen does. On Linux, the kernel sends it the signal when this process ends.

    Call it on the main thread: Linux sends the signal when the thread that spawned the child ends.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, end_signal)
            if os.getppid() != parent:  # the parent died before prctl
                os._exit(1)

    return subprocess.Popen(command, preexec_fn=tie_to_parent, **options)
