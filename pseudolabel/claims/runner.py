"""All arms with all seeds, on from where it stopped, and the report."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from pseudolabel.claims.cell import LABELLED, TEST, Cell, Tell, prepared, read_cell, run_cell
from pseudolabel.claims.labelled import Labelled, label_videos
from pseudolabel.claims.plan import ArmName, Plan
from pseudolabel.claims.report import write_report
from pseudolabel.claims.scoring import Results, score_cells
from pseudolabel.claims.texts import TextTruth, text_truth
from pseudolabel.errors import TrainingError
from pseudolabel.files import write_whole
from pseudolabel.runs.cores import usable_cores
from pseudolabel.training.data.frames import FramesOptions, extract_frames
from pseudolabel.training.train import TrainStep

_PLAN = "plan.json"
_SAVED_WITHIN_S = 30.0  # a training's step, after it was asked to end

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a start of the comparison came to."""

    report: str | None  # its path; None: it was asked to stop before a cell was done
    results: Results | None
    cells: tuple[Cell, ...]
    left: int  # cells that are not done


def run_claims(
    plan: Plan,
    out: Path,
    *,
    jobs: int = 1,
    java: bool = True,
    since_s: float | None = None,
    say: Say = print,
    tell: Tell | None = None,
) -> Outcome:
    """Compare the arms of a plan.

    Args:
        plan: What is compared.
        out: The folder of everything that is made; the same plan goes on in it.
        jobs: Cells at a time, each in a process; 1: in this one. Each has its share of the cores.
        java: Use Java, if there is one; without, there is no METEOR.
        since_s: `time.perf_counter()` when the caller began, for the report; None: now.
        say: Told what is being done, and what is done.
        tell: Told after each step of a training, if there is one job.

    Raises:
        TrainingError: If the folder holds a comparison of another plan.
        PseudolabelError: As `train`, `caption_videos` and `extract_frames`.
    """
    started_s = time.perf_counter() if since_s is None else since_s
    out.mkdir(parents=True, exist_ok=True)
    _begin(plan, out)
    for name, labelled in ((LABELLED, plan.labelled), (TEST, plan.test)):
        _prepare(plan, labelled, out / name)
    cells = [cell for cell in _cells(plan, out, jobs, say, tell) if cell is not None]
    left = len(plan.cells()) - len(cells)
    if not cells:
        return Outcome(None, None, (), left)
    results = score_cells(cells, references_of(plan, out), apart=plan.is_synthetic, java=java)
    truth: dict[ArmName, TextTruth] = text_truth(plan, out) if plan.is_synthetic else {}
    wall_s = time.perf_counter() - started_s
    path = write_report(out, plan, cells, results, truth, wall_s=wall_s, jobs=jobs)
    return Outcome(str(path), results, tuple(cells), left)


def references_of(plan: Plan, out: Path) -> dict[str, list[str]]:
    """What people said of the test set, by clip."""
    from pseudolabel.training.data.opening import open_examples

    examples, _ = open_examples(plan.view.shown(prepared(out, TEST), 0), is_training=False)
    clips = examples.clips
    assert clips is not None
    return {clips.key(row): clips.texts_of(row) for row in range(len(clips))}


def _begin(plan: Plan, out: Path) -> None:
    """Write the plan down, or see that the one there says the same."""
    path, described = out / _PLAN, plan.described()
    if not path.is_file():
        write_whole(path, (json.dumps(described, indent=1) + "\n").encode())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    differing = [name for name in described if before.get(name) != described[name]]
    if differing:
        raise TrainingError(
            f"{out}: was begun with another plan: {', '.join(differing)} differ",
            hint=f"choose another --out, or repeat what {path} says",
        )


def _prepare(plan: Plan, labelled: Labelled, folder: Path) -> None:
    """A run of a labelled set, and its frames, which every cell reads again."""
    folder.mkdir(exist_ok=True)
    run, view = str(folder / "run"), plan.view
    label_videos(labelled, run)
    options = FramesOptions(frames=view.frames, size=view.frame_size or 224, fit=view.fit)
    extract_frames(run, str(folder / "frames"), options, videos=labelled.videos)


def _cells(plan: Plan, out: Path, jobs: int, say: Say, tell: Tell | None) -> Iterator[Cell | None]:
    """The cells as they are done; None for one that was asked to stop, after which none begins."""
    waiting = []
    for arm, seed in plan.cells():
        done = read_cell(out, arm, seed)
        if done is None:
            waiting.append((arm, seed))
        else:
            say(f"{arm}, seed {seed}: done before")
            yield done
    if jobs == 1:
        for arm, seed in waiting:
            cell = run_cell(plan, out, arm, seed, tell)
            if cell is None:
                return
            say(_line(cell))
            yield cell
    else:
        yield from _beside(plan, out, waiting, jobs, say)


def _beside(
    plan: Plan, out: Path, waiting: list[tuple[ArmName, int]], jobs: int, say: Say
) -> Iterator[Cell | None]:
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    given = (ending, max(1, usable_cores() // jobs))
    with ProcessPoolExecutor(jobs, context, _begin_beside, given) as pool:
        futures = [pool.submit(_run_beside, plan, out, arm, seed) for arm, seed in waiting]
        try:
            for future in futures:
                cell = future.result()
                if cell is None:
                    _end(pool, ending)
                    return
                say(_line(cell))
                yield cell
        except KeyboardInterrupt:  # or SIGTERM: what is done is reported, as with one job
            _end(pool, ending)
        except BaseException:
            _end(pool, ending)
            raise


def _end(pool: ProcessPoolExecutor, ending: Event) -> None:
    """Let no other cell begin, and have those in work save their step; the pool waits for them."""
    ending.set()
    pool.shutdown(wait=False, cancel_futures=True)
    for process in multiprocessing.active_children():
        process.terminate()


_ending: Event | None = None  # of the comparison that this process works for
_at_work = threading.Lock()  # held while it works on a cell


def _begin_beside(ending: Event, threads: int) -> None:
    import torch

    global _ending
    _ending = ending
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """Where the first process was killed, save the step in work, and do not stay behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None and _ending is not None
    parent.join()
    _ending.set()
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        _at_work.acquire(timeout=_SAVED_WITHIN_S)  # then it waits for work that nobody gives it


def _run_beside(plan: Plan, out: Path, arm: ArmName, seed: int) -> Cell | None:
    """`run_cell`; None also if all is ending: the pool hands out a cell or two ahead."""
    assert _ending is not None
    with _at_work:
        return None if _ending.is_set() else run_cell(plan, out, arm, seed)


def _line(cell: Cell) -> str:
    """A cell in one line."""
    stages = [("pre-trained", cell.pretrain), ("fine-tuned", cell.tune)]
    told = [
        f"{name} {stage.steps:,} steps in {stage.seconds:.0f} s, loss {_loss(stage.last_loss)}"
        for name, stage in stages
        if stage is not None
    ]
    return f"{cell.arm}, seed {cell.seed}: {'; '.join(told)}"


def _loss(loss: float | None) -> str:
    return "unknown" if loss is None else f"{loss:.3f}"


def show_step(say: Say) -> Tell:
    """Tells of every hundredth step in a line."""

    def tell(stage: str, now: TrainStep) -> None:
        if now.step % 100 == 0:
            say(f"  {stage}: {now.step:,} of {now.steps:,}, loss {_loss(now.loss)}")

    return tell
