"""Child processes that end with us, however we end."""

import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def spawn(command: list[Any], at_our_death: signal.Signals, **options: Any) -> "subprocess.Popen[bytes]":
    """Like Popen; on Linux the child is sent that signal when we are gone, kill -9 included.

    From the main thread alone: the tie is to the thread that spawns.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, at_our_death)
            if os.getppid() != parent:  # it died before the tie was made
                os._exit(1)

    return subprocess.Popen(command, preexec_fn=tie_to_parent, **options)
