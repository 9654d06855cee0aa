"""The processes of a run, to be killed: a driver, its group, Ray's actors, decode workers."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
TITLES = {"actor": b"ray::ShardWorker", "worker": b"pseudolabel.videos.worker"}


@dataclass(frozen=True, slots=True)
class Head:
    """A Ray of two cores in a session of its own, which outlives every driver."""

    pid: int
    address: str
    environment: dict[str, str]  # of whoever connects to it


@contextmanager
def ray_head() -> Iterator[Head]:
    """Start one with `ray start`, and end it; another Ray on this machine is left alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="pl-ray-")  # its sockets need a short path
    program = str(Path(sys.executable).with_name("ray"))
    command = [program, "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    # A token of its own, so that it works where there is none yet; its processes import the
    # captioner.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "PYTHONPATH": str(ROOT)}
    options = ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    options.append(f"--object-store-memory={2**27}")
    process = subprocess.Popen(
        command + options,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            raise SystemExit(f"ray start failed:\n{''.join(said)}")
        yield Head(process.pid, f"127.0.0.1:{port}", environment)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class Driver:
    """One start of the run.

    Args:
        arguments: For `benchmarks.kills_driver`.
        said: A file that gets what it prints.
        head: Whose processes caption; None: its own do.
    """

    def __init__(self, arguments: list[str], said: Path, head: Head | None) -> None:
        self._head = head
        with said.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.kills_driver", *arguments],
                cwd=ROOT,
                env=None if head is None else head.environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, for so long at most; whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.status is not None

    def kill(self, victim: str, random: Random) -> bool:
        """Kill one of its processes with SIGKILL; False if there is none of the kind.

        Args:
            victim: "driver"; "group": the driver and its decode workers at once; "actor" or
                "worker": one of those there are.
            random: Chooses among several.
        """
        if victim in TITLES:
            return self._kill_one(TITLES[victim], random)
        if victim == "group":
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        return True

    def _kill_one(self, title: bytes, random: Random) -> bool:
        above = self._head.pid if self._head else self._process.pid
        there = [pid for pid in sorted(_below(above)) if title in _command(pid)]
        with suppress(IndexError, ProcessLookupError):
            os.kill(random.choice(there), signal.SIGKILL)
            return True
        return False


def _below(pid: int) -> set[int]:
    """The processes that this one has started, and that those have."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found |= {child} | _below(child)
    return found


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
