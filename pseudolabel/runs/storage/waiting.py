"""Trying again what storage refuses for a moment: a share that is gone, a disk that is full."""

from __future__ import annotations

import errno
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from pseudolabel.drivers import is_unreachable, said, storage_error

Written = TypeVar("Written")
OnWait = Callable[[str, float], None]  # what is wrong, and the seconds until it is tried again

# Long enough for a file server to be started again, and for somebody to make room.
_GONE_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0, 60.0, 52.0)  # five minutes in all
_FULL_S = _GONE_S[:3]
_FULL = (errno.ENOSPC, errno.EDQUOT)
_GONE = (
    *(errno.EIO, errno.ESTALE, errno.ENOENT, errno.EROFS, errno.ENOTCONN, errno.ENODEV),
    *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)


def patiently(write: Callable[[], Written], *, on_wait: OnWait | None = None) -> Written:
    """Write, and again after longer and longer waits where what fails may pass by itself.

    That is a folder that is gone or read-only, an error of the device or of the network: five
    minutes. A full disk: eight seconds. Anything else, such as a missing permission: never.

    Args:
        write: What is tried; it leaves nothing half-written when it fails.
        on_wait: Called before each wait.

    Raises:
        OSError: The last one, when the time is over; also where a driver raised something else.
    """
    waited = 0
    while True:
        try:
            return write()
        except Exception as error:
            failed = storage_error(error)
            if failed is None:
                raise
            waits_s = _waits_s(failed)
            if waited >= len(waits_s):
                if failed is error:
                    raise
                raise failed from error
            if on_wait is not None:
                on_wait(said(failed), waits_s[waited])
            sleep(waits_s[waited])
            waited += 1


def _waits_s(error: OSError) -> tuple[float, ...]:
    if error.errno in _FULL:
        return _FULL_S
    return _GONE_S if is_unreachable(error) or error.errno in _GONE else ()
