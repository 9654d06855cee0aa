"""fsspec's drivers: which is missing, and what their clients' errors come to."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from fsspec.registry import _registry

from pseudolabel.drivers import check_driver, find_driver, is_unreachable, said, storage_error
from pseudolabel.errors import InputError, MissingExtraError, PseudolabelError, RunError
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.writer import RunWriter
from pseudolabel.videos.sources.listing import list_videos

URL = "s3://bucket/place"


@pytest.fixture
def without_s3fs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for protocol in ("s3", "s3a"):
        monkeypatch.delitem(_registry, protocol, raising=False)


@pytest.mark.usefixtures("without_s3fs")
@pytest.mark.parametrize(
    "open_",
    [RunFolder, RunWriter, lambda url: list_videos([url]), lambda url: list_videos([f"{url}.csv"])],
    ids=["a run", "a run to write", "a folder", "a table"],
)
def test_a_missing_s3fs_is_one_line_with_its_remedy(open_: Callable[[str], object]) -> None:
    with pytest.raises(MissingExtraError) as caught:
        open_(URL)
    assert str(caught.value).startswith(URL)
    assert "needs the package 's3fs', which is not installed" in str(caught.value)
    assert caught.value.hint == "pip install 'pseudolabel[s3]'"


@pytest.mark.usefixtures("without_s3fs")
def test_a_list_of_what_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    """Not a million skipped videos."""
    names = tmp_path / "list.txt"
    names.write_text(f"{URL}/a.mp4\n{URL}/b.mp4\n")
    with pytest.raises(MissingExtraError, match=r"a\.mp4 needs the package 's3fs'"):
        list(list_videos([f"@{names}"]))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("gs://bucket/a.mp4", "pip install 'fsspec[gcs]'"),
        ("simplecache::gs://bucket/a.mp4", "pip install 'fsspec[gcs]'"),
        ("dvc://a.mp4", "pip install the fsspec driver for dvc://"),
    ],
)
def test_another_missing_driver(url: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gcsfs", "dvc", "dvc.api"):
        monkeypatch.setitem(sys.modules, module, None)
    for kind in (RunError, InputError):
        with pytest.raises(kind) as caught:
            find_driver(url, kind)
        assert str(caught.value).startswith(f"{url}: ")
        assert caught.value.hint == hint


def test_a_protocol_that_nobody_knows() -> None:
    with pytest.raises(RunError, match="nope://run: Protocol not known: nope"):
        RunFolder("nope://run")
    check_driver("nope://run", PseudolabelError)


def test_a_local_path_has_a_driver(tmp_path: Path) -> None:
    for path in (str(tmp_path), f"file://{tmp_path}"):
        assert find_driver(path, RunError)[1] == str(tmp_path)


def test_errors_of_clients_come_to_errors_of_storage() -> None:
    clients = importlib.import_module("botocore.exceptions")
    endpoint = "http://127.0.0.1:9/bucket/run.json"
    for error, kind in (
        (clients.EndpointConnectionError(endpoint_url=endpoint), ConnectionError),
        (clients.ConnectionClosedError(endpoint_url=endpoint), ConnectionError),
        (clients.ReadTimeoutError(endpoint_url=endpoint), ConnectionError),
        (aiohttp.ClientPayloadError("cut short"), ConnectionError),
        (clients.NoCredentialsError(), OSError),
        (clients.ClientError({"Error": {"Code": "Odd"}}, "PutObject"), OSError),
    ):
        found = storage_error(error)
        assert type(found) is kind, error
        assert str(found) == str(error)
    denied = PermissionError(errno.EACCES, "denied")
    assert storage_error(denied) is denied
    assert storage_error(ZeroDivisionError("a bug")) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError("the store"), True),
        (OSError(errno.EBUSY, "slow down"), True),
        (OSError(errno.EREMOTEIO, "an error inside"), True),
        (aiohttp.ServerDisconnectedError(), True),
        (PermissionError("denied"), False),
        (FileNotFoundError("gone"), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_may_pass_by_itself(error: Exception, expected: bool) -> None:
    assert is_unreachable(error) is expected


def test_no_client_library_is_loaded_to_ask() -> None:
    program = (
        "import sys\n"
        "from pseudolabel.drivers import storage_error\n"
        "assert storage_error(ValueError('x')) is None\n"
        "assert not {'botocore', 'aiohttp', 'fsspec'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('at "http://me:secret@host:9/b/k?X-Signature=abc": no', 'at "http://host:9/b/k": no'),
        ("s3://bucket/a@b.mp4 is gone", "s3://bucket/a@b.mp4 is gone"),
        ("two\n  lines", "two lines"),
        ("", "ValueError"),
    ],
)
def test_what_an_error_says_is_one_line_without_secrets(text: str, expected: str) -> None:
    assert said(ValueError(text)) == expected
