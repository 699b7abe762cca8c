"""Run a command that ends with the process that asked for it: ``python follow.py PID COMMAND...``.

A sweep that is killed outright cannot stop its chains, and a chain that nobody watches would go on
for hours.  On Linux the kernel can send it SIGTERM when its parent dies; the chain then writes a
last checkpoint, as for any SIGTERM.  The request survives the exec, so that the command looks in
``ps`` as if it had been started directly.  To the kernel the parent is the thread that started the
command: it must be one that lives as long as its process, such as the main thread.
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
        if os.getppid() != parent:  # it died before we could ask
            sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
