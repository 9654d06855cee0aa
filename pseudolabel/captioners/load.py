"""From options to a captioner."""

from __future__ import annotations

from dataclasses import dataclass, field

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner, CaptionerIdentity, ClipCaptioner
from pseudolabel.captioners.sources import SERVER, VIDEO
from pseudolabel.videos.options import FrameOptions


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a captioner says of itself before its weights are loaded."""

    identity: CaptionerIdentity
    wanted_frames: FrameOptions = field(default_factory=FrameOptions)  # of a clip, by default


def introduce(captioner: CaptionOptions | Captioner) -> Introduction:
    """Who would caption with these options, and what it wants to see; loads no weights.

    Resolves a Hub revision to its commit, hashes a local folder, and settles prompt and dtype.

    Raises:
        CaptionerError: If there is no such captioner, or it cannot be used here.
    """
    if not isinstance(captioner, CaptionOptions):
        wants = captioner.wanted_frames if isinstance(captioner, ClipCaptioner) else FrameOptions()
        return Introduction(captioner.identity, wants)
    if captioner.model.startswith(SERVER):
        from pseudolabel.captioners.server import ServerModel

        return Introduction(ServerModel.find(captioner).identity(captioner))
    if captioner.model.startswith(VIDEO):
        from pseudolabel.captioners.video_plan import plan_video_model

        plan = plan_video_model(captioner)
        return Introduction(plan.model.identity, plan.wanted_frames)
    from pseudolabel.captioners.identity import plan_model

    return Introduction(plan_model(captioner).identity)


def identify(options: CaptionOptions) -> CaptionerIdentity:
    """Who would caption with these options, as `introduce`."""
    return introduce(options).identity


def load_captioner(options: CaptionOptions) -> Captioner:
    """The captioner that these options name, ready to caption; `close` it when done.

    Its `identity` equals `identify(options)`.

    Raises:
        CaptionerError: If it cannot be found, loaded or reached, or cannot be used here.
    """
    if options.model.startswith(SERVER):
        from pseudolabel.captioners.server import ServerCaptioner

        return ServerCaptioner.connect(options)
    if options.model.startswith(VIDEO):
        from pseudolabel.captioners.video_captioner import VideoModelCaptioner

        return VideoModelCaptioner.load(options)
    from pseudolabel.captioners.transformers_captioner import TransformersCaptioner

    return TransformersCaptioner.load(options)
