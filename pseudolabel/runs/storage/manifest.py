"""What `run.json` says: the options that can change a row, the models, the rules, the versions."""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pseudolabel.captioners.protocol import CaptionerIdentity
from pseudolabel.contract import FORMAT_VERSION
from pseudolabel.videos.options import ClipOptions, FrameOptions

RECORDED_PACKAGES = ("pseudolabel", "torch", "transformers", "av", "numpy")


def described_options(
    clips: ClipOptions, frames: FrameOptions, identity: CaptionerIdentity
) -> dict[str, Any]:
    """Everything that can change what is seen and said of a frame, named as the options are."""
    mode: str = clips.mode
    if mode == "fixed":
        mode += f":{clips.length_s:g}"
    elif mode == "scenes":
        mode += f":{clips.scene_threshold:g}"
    return {
        "--clips": mode,
        "--min-clip": clips.min_clip_s if clips.mode == "fixed" else None,
        "--mark-cuts": clips.mark_cuts,
        "--transcripts": clips.transcripts if clips.mode == "transcript" else None,
        "--frames": frames.count,
        "--snap": frames.snap,
        "--model": identity.model,
        "revision": identity.revision,
        "--prompt": identity.prompt,
        "decoding": identity.decoding,
        "--max-new-tokens": identity.max_new_tokens,
        "--dtype": identity.dtype,
    }


def new_manifest(
    options: Mapping[str, Any], models: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """The `run.json` of a new run.

    Args:
        options: Everything that can change a row.
        models: Who made captions and scores, and the rules of the flags.
        more: What else there is to say.
    """
    return {
        "format_version": FORMAT_VERSION,
        "id": secrets.token_hex(8),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": options,
        "fingerprint": hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest(),
        **models,
        **more,
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in RECORDED_PACKAGES},
        },
    }
