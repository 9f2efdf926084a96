"""Becomes another program that ends when its parent does, however the parent ends.

Run by path, not imported: `python -I -S attached.py PARENT_PID SIGNAL USER COMMAND...`. On Linux the kernel sends SIGNAL
to the program when PARENT_PID dies, SIGKILL included. Elsewhere only the next start's clean-up finds a leftover.
USER is `-`, or, for a caller that is root, the account to run as (PostgreSQL refuses root). That account keeps the
right to pass folders closed to others, because a clone may well lie below /root.
"""

import contextlib
import ctypes
import os
import pwd
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 4  # without it access(2), which PostgreSQL asks, looks at the account alone
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become(user: str) -> None:
    """Gives up root for `user`, keeping of its rights only CAP_DAC_OVERRIDE, where the machine lets us."""
    account = pwd.getpwnam(user)
    libc = _libc()
    linux = sys.platform == "linux"
    if linux:
        # A container without these rights still works below folders that are open to all.
        with contextlib.suppress(OSError):
            _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if linux:
        _keep_one_capability(libc)


def _keep_one_capability(libc: ctypes.CDLL) -> None:
    try:
        _capset(libc, 1 << CAP_DAC_OVERRIDE)
        _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))
    except OSError:
        _capset(libc, 0)


def _capset(libc: ctypes.CDLL, bits: int) -> None:
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack(
        "6I", bits, bits, bits, 0, 0, 0
    )  # effective, permitted, inheritable; then the upper halves
    _check(libc.capset(header, data))


def main(parent: int, signal_number: int, user: str, command: list[str]) -> None:
    """Never returns: replaces this process by `command`, or ends because the parent is already gone."""
    if user != "-":
        become(user)
    if sys.platform == "linux":
        # After become(): a change of account clears the setting.
        _check(_libc().prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0))
    if os.getppid() != parent:
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 -- replacing ourselves is the purpose; no shell is involved
    except OSError as exc:
        sys.exit(f"cannot start {command[0]}: {exc.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
