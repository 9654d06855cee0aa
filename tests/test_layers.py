"""The house has one direction: a room imports only from rooms below it, never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pseudolabel

PACKAGE = Path(pseudolabel.__file__).parent
ROOT = PACKAGE.parent

# From the top of the house to the bottom.
ROOMS = (
    "cli",
    "claims",
    "demo",
    "training",
    "evaluation",
    "release",
    "runs",
    "captioners",
    "captions",
    "videos",
    "speech",
    "contract",
    "records",
    "files",
    "drivers",
    "errors",
)

# The same inside `runs/`: from what a caller asks for to the words that all of its rooms share.
RUN_ROOMS = (
    {"caption", "compact", "consolidate", "show"},
    {"cluster"},
    {"pipeline"},
    {"findings"},
    {"storage"},
    {"floor", "options"},
    {"cores"},
)

# Each outside library has one home.
HOMES = {
    "ctranslate2": {"speech"},
    "faster_whisper": {"speech"},
    "pycocoevalcap": {"evaluation"},
    "av": {"videos"},
    "transformers": {"captioners", "claims", "training"},
    "typer": {"cli"},
    "rich": {"cli"},
    "scenedetect": {"videos"},
    "accelerate": {"training"},
    "datasets": {"release", "training", "videos"},
    "httpx2": {"captioners", "release"},
    "huggingface_hub": {"captioners", "release"},
    "pyarrow": {"contract", "evaluation", "release", "runs", "training", "videos"},
    "torch": {"captioners", "claims", "training"},
}


def modules() -> list[tuple[str, Path]]:
    """Every module of the package and of `cli/`, with the room it stands in."""
    found = [("cli", path) for path in (ROOT / "cli").glob("*.py")]
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            found.append((room, path))
    return found


def imports(path: Path, *, lazily: bool = True) -> set[str]:
    """Dotted names a module imports; `lazily` also those inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if lazily else iter(tree.body)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_a_room() -> None:
    assert {room for room, _ in modules()} == set(ROOMS)


def test_no_room_imports_from_above() -> None:
    wrong = []
    for room, path in modules():
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "pseudolabel" or len(parts) < 2 or parts[1] not in ROOMS:
                continue
            if ROOMS.index(parts[1]) < ROOMS.index(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_no_room_of_runs_imports_from_above_or_beside() -> None:
    floors = {room: floor for floor, rooms in enumerate(RUN_ROOMS) for room in rooms}
    wrong = []
    for path in (PACKAGE / "runs").rglob("*.py"):
        room = path.relative_to(PACKAGE / "runs").parts[0].removesuffix(".py")
        for name in imports(path):
            parts = name.split(".")
            if parts[:2] != ["pseudolabel", "runs"] or len(parts) < 3 or parts[2] == room:
                continue
            if floors[parts[2]] <= floors[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_no_circle_between_modules() -> None:
    graph: dict[str, set[str]] = {}
    for _, path in modules():
        if path.is_relative_to(PACKAGE):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            graph[name] = {part.rpartition(".")[0] for part in imports(path)} | imports(path)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done or name not in graph:
            return
        for imported in graph[name] - {name}:
            visit(imported, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_each_outside_library_has_its_home() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {library}"
        for room, path in modules()
        for library, homes in HOMES.items()
        if library in {name.split(".")[0] for name in imports(path)} and room not in homes
    ]
    assert not wrong


def test_no_room_outgrows_its_noun() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for _, path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
