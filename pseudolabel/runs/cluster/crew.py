"""A Ray to work on, and the processes that caption there: how many, with which share of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pseudolabel.errors import MissingExtraError, RunError
from pseudolabel.runs.cluster.worker import ShardWorker
from pseudolabel.runs.cores import usable_cores
from pseudolabel.runs.options import RayOptions, RunOptions
from pseudolabel.runs.pipeline.engine import Recipe

OBJECT_STORE_BYTES = 2**27  # of a Ray of our own; pixels never pass through it
CONNECT_S = 10.0
MOST_SAID = 400  # characters of what Ray says where it does not start
CALLS_AT_ONCE = 8  # an actor answers them in threads; more than there are shards in flight


@dataclass(frozen=True, slots=True)
class Layout:
    """How the processes share what there is."""

    processes: int
    cores: int  # of each, as Ray counts them
    gpus: int  # of each, 0 or 1
    workers: int  # decode processes of each


def plan_layout(
    machines: Sequence[Mapping[str, float]], *, workers: int | None, uses_gpus: bool = True
) -> Layout:
    """A process a GPU, with its share of the cores; without GPUs one for every so many cores.

    Args:
        machines: What each has, as Ray says it: "CPU" and "GPU".
        workers: Decode processes of each; None: as many as it has cores.
        uses_gpus: Whether captions are made on GPUs where there are some.

    Raises:
        RunError: If there are no cores.
    """
    with_gpus = [(int(m.get("CPU", 0)), int(m.get("GPU", 0))) for m in machines if m.get("GPU")]
    if with_gpus and uses_gpus:
        # The same share everywhere: the smallest machine must hold its processes as well. With more
        # GPUs than cores that is none of Ray's: to ask for one each would leave GPUs without work.
        cores = min(cpus // gpus for cpus, gpus in with_gpus)
        return Layout(sum(gpus for _, gpus in with_gpus), cores, 1, workers or max(1, cores))
    cpus = [int(machine["CPU"]) for machine in machines if machine.get("CPU", 0) >= 1]
    if not cpus:
        raise RunError("this Ray has no cores to work on", hint="ray start --num-cpus, or wait")
    cores = min(workers or min(cpus), max(cpus))
    return Layout(sum(each // cores for each in cpus), cores, 0, workers or cores)


class Crew:
    """Starts processes that caption; a context manager that ends them.

    Ray is connected to, or started on this machine; a Ray that this process is connected to
    already is used, and left as it is.

    Args:
        recipe: What to do with videos.
        out: The run folder.
        run: Workers and limits; `run.ray` says where.

    Raises:
        MissingExtraError: If Ray is not installed.
        RunError: If there is no Ray at that address, or it does not start.
    """

    def __init__(self, recipe: Recipe, out: str, run: RunOptions) -> None:
        wanted = run.ray or RayOptions()
        self._ray, self._is_ours = _connected(wanted)
        self._started: list[Any] = []
        device = getattr(recipe.captioner, "device", "auto")
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        try:
            self.layout = plan_layout(machines, workers=wanted.workers, uses_gpus=device != "cpu")
        except BaseException:
            self.close()
            raise
        self._arguments = (recipe, out, run, self.layout.workers, str(Path.cwd()))
        self._class = self._ray.remote(ShardWorker).options(
            num_cpus=self.layout.cores,
            num_gpus=self.layout.gpus,
            max_restarts=0,  # whoever hands out shards must know
            max_concurrency=CALLS_AT_ONCE,
        )

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Any:
        """Ask for one more process: an actor that is a `ShardWorker`, there when Ray has room."""
        actor = self._class.remote(*self._arguments)
        self._started.append(actor)
        return actor

    def end(self, actor: Any) -> None:
        """Kill a process, if it still lives."""
        self._started.remove(actor)
        self._ray.kill(actor)

    def close(self) -> None:
        """Kill all processes, and end a Ray that was started here."""
        for actor in list(self._started):
            self.end(actor)
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself tries again and again, where nothing answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()


def _connected(wanted: RayOptions) -> tuple[Any, bool]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", extra="ray", needed_for="--engine ray") from None
    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        if wanted.address is not None:
            _check_answers(wanted.address)
            ray.init(address=wanted.address, **quiet)
        else:  # "local": not the one that RAY_ADDRESS names
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=usable_cores(),
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split())[:MOST_SAID]
        if wanted.address is None:
            raise RunError(f"--engine ray: Ray does not start: {why}") from error
        raise RunError(
            f"--ray-address {wanted.address}: no Ray cluster to connect to: {why}",
            hint="`ray start --head` starts one; without --ray-address this machine is used",
        ) from error
    finally:
        # Ray would end the process with a status of its own, without a word.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)
    return ray, True
