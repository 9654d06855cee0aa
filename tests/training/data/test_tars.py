"""What is in a tar, as `tarfile` has it, in every form that programs write."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pseudolabel.training.data.tars import TarBytes, members

NAMES = (
    "000.jpg",
    "in/here/001.seg.png",
    "no_suffix",
    "snö/日本.JPG",
    "long/" * 30 + "002.jpg",
    "x" * 160 + ".txt",
)


def write_tar(path: Path, format: int, mtime: float = 0) -> dict[str, bytes]:
    data = {name: name.encode() * (number * 100) for number, name in enumerate(NAMES)}
    with tarfile.open(path, "w", format=format) as tar:
        folder = tarfile.TarInfo("in")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in data.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "y" * 150
        tar.addfile(link)
        last = tarfile.TarInfo("zzz.txt")
        last.size = 1
        tar.addfile(last, io.BytesIO(b"z"))
    return {**data, "zzz.txt": b"z"}


# WebDataset's writer gives times as fractions, for which each file gets a header of its own.
@pytest.mark.parametrize("mtime", [0, 1700000000.25])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_every_file_is_found(format: int, mtime: float, tmp_path: Path) -> None:
    if format == tarfile.GNU_FORMAT:
        mtime = int(mtime)
    data = write_tar(tmp_path / "a.tar", format, mtime)
    found = list(members(tmp_path / "a.tar"))
    with tarfile.open(tmp_path / "a.tar") as tar:
        expected = [(m.offset_data, m.size) for m in tar if m.isreg()]
    assert [(member.offset, member.size) for member in found] == expected
    names = [f"{member.key}.{member.suffix}".rstrip(".") for member in found]
    assert [name.lower() for name in names] == [name.lower() for name in data]
    tars = TarBytes([tmp_path / "a.tar"])
    assert [tars.read(0, m.offset, m.size) for m in found] == list(data.values())
    assert {(m.key, m.suffix) for m in found} >= {
        ("000", "jpg"),
        ("in/here/001", "seg.png"),
        ("snö/日本", "jpg"),
    }


def test_a_tar_may_end_without_saying_so(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", tarfile.GNU_FORMAT)
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(whole.rstrip(b"\0") + bytes(511))
    assert list(members(tmp_path / "b.tar")) == list(members(tmp_path / "a.tar"))


@pytest.mark.parametrize("length", [0, 100, 511, 1000, 3000])
def test_what_is_cut_is_told_after_what_is_whole(length: int, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", tarfile.PAX_FORMAT)
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:length])
    found = []
    with pytest.raises(tarfile.ReadError):
        for member in members(tmp_path / "b.tar"):
            found.append(member)  # noqa: PERF402  # what came before the error counts
    assert found == list(members(tmp_path / "a.tar"))[: len(found)]


@pytest.mark.parametrize("data", [b"no tar" * 1000, b"\x1f\x8b" + bytes(2000), b"\xff" * 4096])
def test_what_is_no_tar_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(tarfile.TarError):
        list(members(tmp_path / "a.tar"))
    with pytest.raises(tarfile.TarError):
        list(members(tmp_path / "nothing.tar"))


@pytest.mark.timeout(20)
def test_a_size_below_zero_does_not_lead_back(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.jpg")
        info.pax_headers = {"size": "-1536"}  # the header and the two blocks before it
        tar.addfile(info)
    with pytest.raises(tarfile.ReadError, match="a file of -1,536 bytes"):
        for _ in members(tmp_path / "a.tar"):
            pass


def test_bytes_that_are_gone_are_an_error(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", tarfile.GNU_FORMAT)
    tars = TarBytes([tmp_path / "a.tar"] * 100)
    assert {tars.read(tar, 512, 3) for tar in range(100)} == {tars.read(0, 512, 3)}
    with pytest.raises(OSError, match="shorter than it was"):
        tars.read(0, 1 << 30, 10)
