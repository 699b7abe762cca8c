"""Run a command that ends with its parent process: ``python with_parent.py PID COMMAND...``.

A sweep that is killed by SIGKILL cannot stop its chains, which would run for hours unnoticed.  On
Linux the kernel can send a process SIGTERM when its parent dies; the chain then writes a last
checkpoint, as for any SIGTERM.  The setting survives the exec, so that ``ps`` shows the command as
if it had been started directly.  For the kernel the parent is the thread that started the command:
it must live as long as its process, as the main thread does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call above
            sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
