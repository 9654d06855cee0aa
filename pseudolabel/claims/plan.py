"""What is compared: the arms, the models, how long they learn, and where the data is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pseudolabel.claims.labelled import Labelled
from pseudolabel.errors import OptionError
from pseudolabel.training.data.options import DataOptions, Fit, Mix
from pseudolabel.training.train_options import ModelOptions, TrainOptions

ArmName = Literal["nothing", "asr", "pseudolabels", "images", "both"]
ARMS: tuple[ArmName, ...] = get_args(ArmName)
SEED = "{seed}"  # in the path of a model: there is one for each seed
_Options = TypeVar("_Options")
_SOURCES = ("data", "videos", "images", "text", "transcripts", "mix")


@dataclass(frozen=True, slots=True)
class View:
    """How clips are shown to all arms alike; as in `DataOptions`."""

    frames: int = 8
    frame_size: int | None = None
    fit: Fit = "stretch"
    workers: int = 2

    def shown(self, data: DataOptions, seed: int) -> DataOptions:
        """An arm's data, shown like this; nothing is held out of it."""
        return replace(
            data,
            frames=self.frames,
            frame_size=self.frame_size,
            fit=self.fit,
            workers=self.workers,
            validation=0.0,
            seed=seed,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Arms that differ in what they learn from first, and in nothing else.

    Raises:
        OptionError: If there is nothing to compare.
    """

    arms: Mapping[ArmName, DataOptions | None]  # what is learned from first; None: nothing
    labelled: Labelled  # what all of them learn from then
    test: Labelled
    model: ModelOptions = field(default_factory=ModelOptions)
    view: View = field(default_factory=View)
    pretrain: TrainOptions = field(default_factory=TrainOptions)
    tune: TrainOptions = field(default_factory=TrainOptions)
    seeds: tuple[int, ...] = (0, 1, 2)
    is_synthetic: bool = False  # of the timed world, whose captions can be taken apart
    about: str = ""  # a sentence on the data, for the report

    def __post_init__(self) -> None:
        if not self.arms or not self.seeds:
            raise OptionError("nothing to compare: no arm, or no seed", hint="see docs/claims.md")

    def cells(self) -> list[tuple[ArmName, int]]:
        """Arms and seeds in the order in which they run: all arms of a seed, then the next."""
        return [(arm, seed) for seed in self.seeds for arm in ARMS if arm in self.arms]

    def model_of(self, seed: int) -> ModelOptions:
        """What learns, before it has learned anything here."""
        named = {
            name: value.replace(SEED, str(seed))
            for name in ("encoder", "language_model")
            if (value := getattr(self.model, name)) is not None
        }
        return replace(self.model, **named)

    def described(self) -> dict[str, Any]:
        """All of it as plain values, to be compared with what was begun before."""
        plain: dict[str, Any] = _plain(asdict(self))
        for name in ("view", "pretrain", "tune"):
            for free in ("workers", "device", "keep"):
                plain[name].pop(free, None)
        del plain["seeds"]  # more of them may be added
        return plain


def read_plan(path: Path) -> Plan:
    """Read a plan from TOML; docs/claims.md has one.

    Raises:
        OptionError: If it cannot be read, or says something that is not known.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"--config {path}: cannot be read: {error}") from None
    known = ("seeds", "models", "view", "pretrain", "tune", "labelled", "test", "arms")
    _only(path, "at the top", said, known)
    for table in ("labelled", "test", "arms"):
        if table not in said:
            raise OptionError(f"--config {path}: no [{table}]", hint="see docs/claims.md")
    _only(path, "[arms]", said["arms"], ARMS)
    view = _read(path, "view", View, said.get("view", {}))
    return Plan(
        arms={arm: _arm(path, arm, said["arms"][arm]) for arm in ARMS if arm in said["arms"]},
        labelled=_read(path, "labelled", Labelled, said["labelled"]),
        test=_read(path, "test", Labelled, said["test"]),
        model=_read(path, "models", ModelOptions, said.get("models", {})),
        view=view,
        pretrain=_read(path, "pretrain", TrainOptions, said.get("pretrain", {})),
        tune=_read(path, "tune", TrainOptions, said.get("tune", {})),
        seeds=tuple(said.get("seeds", (0, 1, 2))),
    )


def _arm(path: Path, arm: str, said: dict[str, Any]) -> DataOptions | None:
    if not said:
        return None
    _only(path, f"[arms.{arm}]", said, _SOURCES)
    if "mix" in said:
        said = {**said, "mix": Mix.parse(said["mix"])}
    return DataOptions(**said)


def _read(path: Path, table: str, kind: type[_Options], said: dict[str, Any]) -> _Options:
    _only(path, f"[{table}]", said, [part.name for part in fields(kind)])  # type: ignore[arg-type]
    try:
        return kind(**said)
    except TypeError as error:
        raise OptionError(
            f"--config {path}: [{table}]: {error}", hint="see docs/claims.md"
        ) from None


def _only(path: Path, where: str, said: Mapping[str, Any], known: Any) -> None:
    unknown = [name for name in said if name not in known]
    if unknown:
        raise OptionError(
            f"--config {path}: {where}: there is no {unknown[0]!r}",
            hint="one of: " + ", ".join(known),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
