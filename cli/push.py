"""`pseudolabel push`: a release to the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._shared import echo_json, option, say

if TYPE_CHECKING:
    from pseudolabel.release.push import Pushed, PushPlan

SHOWN = 20


def push(
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="The release folder.")],
    repo: Annotated[str, typer.Argument(metavar="USER/REPO", help="The dataset on the Hub.")],
    private: Annotated[
        bool, option("--private", help="Make it private, where it is made.")
    ] = False,
    create_pr: Annotated[
        bool,
        option("--create-pr", help="Open a pull request; push again to tag when it is merged."),
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", help="Check, say what would be sent, and send nothing.")
    ] = False,
    as_json: Annotated[bool, option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Push a release to the Hub: one commit, one tag that never moves.

    It is validated first, and compared with what arrived at the end. Run again after an
    interruption, it finishes.

    Example: pseudolabel push releases/1.0.0 USER/REPO --dry-run
    """
    from pseudolabel.release.push import push as push_release

    def show(plan: PushPlan) -> None:
        for line in _plan_lines(plan, private):
            say(line)

    done = push_release(
        release,
        repo,
        private=private,
        create_pr=create_pr,
        dry_run=dry_run,
        on_plan=show,
        on_step=say,
    )
    if as_json:
        echo_json(_summary(done, dry_run))
        return
    if dry_run and not done.was_there:
        say("nothing was sent")
        return
    if done.pull_request is not None:
        say(f"pull request: {done.pull_request}")
        say("when it is merged, the same command without --create-pr sets the tag")
        return
    say(f"{done.plan.url}/tree/{done.plan.tag}")


def _plan_lines(plan: PushPlan, private: bool) -> list[str]:
    kind = f"a new {'private' if private else 'public'} dataset" if plan.is_new_repo else "there"
    lines = [
        f"to {plan.url} ({kind}), by one commit, tagged {plan.tag}",
        f"  send    {len(plan.send)} files, {plan.bytes / 1e6:.1f} MB",
    ]
    lines += [f"    {path}" for path in plan.send[:SHOWN]]
    if len(plan.send) > SHOWN:
        lines.append(f"    and {len(plan.send) - SHOWN} more")
    if plan.remove:
        lines.append(f"  remove  {len(plan.remove)} files of the version before")
        lines += [f"    {path}" for path in plan.remove[:SHOWN]]
    return lines


def _summary(done: Pushed, dry_run: bool) -> dict[str, object]:
    plan = done.plan
    return {
        "url": plan.url,
        "tag": plan.tag,
        "dry_run": dry_run,
        "is_new_repo": plan.is_new_repo,
        "send": list(plan.send),
        "remove": list(plan.remove),
        "bytes": plan.bytes,
        "commit": done.commit,
        "pull_request": done.pull_request,
        "was_there": done.was_there,
    }
