"""Becomes the program it is told to run, arranged so that it does not outlive the supervisor.

Run by path with the standard library alone: ``python -I -S child.py PARENT SIGNAL UID:GID PROGRAM
ARGUMENT...``. This is a program and not a ``preexec_fn`` because Python code between fork and exec
can deadlock in a process that has threads. It drops the account first: the kernel forgets the
death signal when the account changes.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Switch the account where one is named, ask for the death signal, become the program."""
    parent, signal_number, account, *command = arguments
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number))
    if os.getppid() != int(parent):
        sys.exit("the supervisor is gone")
    os.execv(command[0], command)  # noqa: S606  that is what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
