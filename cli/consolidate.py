"""`pseudolabel consolidate`: another strategy over a finished run, without captioning again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pseudolabel.captions.options import ConsolidateOptions

from ._consolidating import Llm, Strategy, StripBoilerplate, TextEncoder
from ._health import health_lines, health_object, merge_lines
from ._progress import counting_bar, say_waiting
from ._shared import echo_json, option, say

if TYPE_CHECKING:
    from pseudolabel.runs.consolidate import ConsolidateTally


def consolidate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run: a path or a URL.")],
    out: Annotated[str, option(help="The new run folder: a path or a URL.")],
    strategy: Strategy = "center",
    text_encoder: TextEncoder = None,
    llm: Llm = None,
    strip_boilerplate: StripBoilerplate = False,
    device: Annotated[str, option(help="Of the models: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[
        str, option(help="Of the models: auto, float32, bfloat16 or float16.")
    ] = "auto",
    concurrency: Annotated[int, option(help="Requests in flight, for a server.")] = 16,
    timeout: Annotated[float, option(help="Of one request to a server, in s.")] = 120.0,
    as_json: Annotated[bool, option("--json", help="The summary as JSON on stdout.")] = False,
) -> None:
    """Make the captions of a run anew from those of its frames.

    The new run is what `caption` with this strategy would have made; the old one stays as it is.

    Example: pseudolabel consolidate run --strategy medoid --out run2
    """
    options = ConsolidateOptions(
        strategy=strategy,  # type: ignore[arg-type]  # the record checks it
        text_encoder=text_encoder,
        llm=llm,
        strip_boilerplate=strip_boilerplate,
        device=device,
        dtype=dtype,
        concurrency=concurrency,
        timeout_s=timeout,
    )
    from pseudolabel.runs.consolidate import consolidate as consolidate_run

    with counting_bar("consolidating clips") as on_progress:
        tally = consolidate_run(
            run,
            out,
            options,
            on_progress=lambda tally: on_progress(tally.clips),
            on_wait=say_waiting,
        )
    if as_json:
        echo_json({**_object(tally, out), "health": health_object(out)})
        return
    for line in [*_lines(tally, out), *health_lines(out)]:
        say(line)


def _object(tally: ConsolidateTally, out: str) -> dict[str, object]:
    return {
        "run": out,
        "clips": tally.clips,
        "changed": tally.changed,
        "merges_refused": tally.flags["merge_rejected"],
        "merges": tally.rewritten + tally.flags["merge_rejected"],
        "videos_done_before": tally.already_done,
        "wall_s": round(tally.wall_s, 3),
    }


def _lines(tally: ConsolidateTally, out: str) -> list[str]:
    before = f" ({tally.already_done} videos were done before)" if tally.already_done else ""
    return [
        f"{out}: {tally.clips} clips{before}, {tally.changed} with another caption than before",
        *merge_lines(tally.rewritten, tally.flags["merge_rejected"]),
    ]
