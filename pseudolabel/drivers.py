"""fsspec's drivers: the one for a URL, and what its client library raises as `OSError`."""

from __future__ import annotations

import errno
import importlib.metadata
import re
import sys
from typing import Any

from pseudolabel.errors import MissingExtraError, PseudolabelError

_S3 = ("s3", "s3a")
_FSSPEC_EXTRAS = {"https": "http", "az": "abfs", "abfss": "abfs", "gs": "gcs"}

# Of libraries that drivers use: exceptions that are no `OSError`, or one without a number, and
# what they come to. A connection that fails may be tried again; the others are of credentials,
# names and the like.
_CLIENT_ERRORS = (
    ("botocore.exceptions", "ConnectionError", ConnectionError),
    ("botocore.exceptions", "HTTPClientError", ConnectionError),
    ("botocore.exceptions", "IncompleteReadError", ConnectionError),
    ("botocore.exceptions", "BotoCoreError", OSError),
    ("botocore.exceptions", "ClientError", OSError),
    ("aiohttp", "ClientError", ConnectionError),
)


def find_driver(url: str, kind: type[PseudolabelError]) -> tuple[Any, str]:
    """The fsspec file system of a URL or a local path, and the path in its words.

    Args:
        url: Any that fsspec knows, also a chain of them.
        kind: Of the error.

    Raises:
        PseudolabelError: If the driver is not installed, as `check_driver` says it, or refuses
            the URL.
    """
    from fsspec.core import url_to_fs

    check_driver(url, kind)
    try:
        file_system, path = url_to_fs(url)
    except Exception as error:  # of the driver's client library: any of them
        raise kind(f"{url}: {said(error)}", hint="a local path, or a URL for fsspec") from error
    return file_system, str(path)


def check_driver(url: str, kind: type[PseudolabelError]) -> None:
    """Look whether the driver for a URL can be imported; nothing is asked of the network.

    Raises:
        MissingExtraError: If it is S3's, which an extra installs.
        PseudolabelError: Of this kind, if it is another one.
    """
    from fsspec import get_filesystem_class

    protocol = _protocol(url)
    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        if protocol in _S3:
            raise MissingExtraError("s3fs", extra="s3", needed_for=url) from None
        raise kind(f"{url}: {error}", hint=_install_hint(protocol)) from None
    except ValueError:  # nobody knows it: opening will say so
        return


def storage_error(error: Exception) -> OSError | None:
    """What an error of a driver is as an `OSError`; None where it is none of storage's."""
    for module, name, kind in _CLIENT_ERRORS:
        # Not imported here: who has not loaded the library cannot have its exceptions.
        raised = getattr(sys.modules.get(module), name, None)
        if raised is not None and isinstance(error, raised):
            return kind(said(error))
    return error if isinstance(error, OSError) else None


def is_unreachable(error: Exception) -> bool:
    """Whether storage does not answer, or is too busy to: it may pass by itself."""
    failed = storage_error(error)
    if isinstance(failed, (ConnectionError, TimeoutError)):
        return True
    return failed is not None and failed.errno in (errno.EBUSY, errno.EREMOTEIO)


def said(error: Exception) -> str:
    """What an error says, in one line, without the secrets that addresses in it may hold."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    address = r"(\w+://)(?:[^/\s\"'@]*@)?([^\s\"'?]*)(?:\?[^\s\"']*)?"  # //password@ and ?signature
    return re.sub(address, r"\1\2", " ".join(text.split()))


def _protocol(url: str) -> str:
    """Of a chain that of the last one, which fetches what the others unpack."""
    protocol, found, _ = url.rpartition("::")[2].partition("://")
    return protocol if found else "file"


def _install_hint(protocol: str) -> str:
    """The command that installs a driver, where fsspec itself knows one."""
    extra = _FSSPEC_EXTRAS.get(protocol, protocol)
    known = importlib.metadata.metadata("fsspec").get_all("Provides-Extra") or []
    if extra in known:
        return f"pip install 'fsspec[{extra}]'"
    return f"pip install the fsspec driver for {protocol}://"
