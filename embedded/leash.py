"""Runs a command that cannot outlive the process which started it, as another user if asked.

    python leash.py PARENT_PID SIGNAL UID GID COMMAND…

A program of its own rather than a `preexec_fn`: Python code between fork and exec is unsafe in a process with threads,
and the Temporal SDK brings threads. Only the standard library is imported, so it costs some 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
KEEP_ID = -1
USAGE_STATUS, ORPHAN_STATUS = 64, 70


def main(arguments: list[str]) -> None:
    if len(arguments) < 5:
        sys.exit(USAGE_STATUS)
    parent, signal_number, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    if uid != KEEP_ID:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which would clear it. Elsewhere than on Linux the next start cleans up instead.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(ORPHAN_STATUS)
    os.execvp(command[0], command)  # noqa: S606 - no shell: the arguments are passed as they are


if __name__ == "__main__":
    main(sys.argv[1:])
