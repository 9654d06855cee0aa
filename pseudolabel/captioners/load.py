"""From options to a captioner."""

from __future__ import annotations

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Captioner, CaptionerIdentity
from pseudolabel.captioners.sources import SERVER


def identify(options: CaptionOptions) -> CaptionerIdentity:
    """Who would caption with these options; loads no weights.

    Resolves a Hub revision to its commit, hashes a local folder, and settles prompt and dtype.

    Raises:
        CaptionerError: If there is no such captioner, or it cannot be used here.
    """
    if options.model.startswith(SERVER):
        from pseudolabel.captioners.server import ServerModel

        return ServerModel.find(options).identity(options)
    from pseudolabel.captioners.identity import plan_model

    return plan_model(options).identity


def load_captioner(options: CaptionOptions) -> Captioner:
    """The captioner that these options name, ready to caption; `close` it when done.

    Its `identity` equals `identify(options)`.

    Raises:
        CaptionerError: If it cannot be found, loaded or reached, or cannot be used here.
    """
    if options.model.startswith(SERVER):
        from pseudolabel.captioners.server import ServerCaptioner

        return ServerCaptioner.connect(options)
    from pseudolabel.captioners.transformers_captioner import TransformersCaptioner

    return TransformersCaptioner.load(options)
