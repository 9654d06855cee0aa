"""What a trained captioner says of clips whose frames are at hand."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train_options import TrainOptions


def caption_clips(checkpoint: Path, data: DataOptions, options: TrainOptions) -> dict[str, str]:
    """What a captioner says of all clips of some data, greedily, by `VIDEO#INDEX`.

    Raises:
        InputError: If clips cannot be read.
    """
    import torch
    from transformers import AutoTokenizer

    from pseudolabel.captioners.devices import resolve_device
    from pseudolabel.captioners.video_model.model import VideoCaptioner
    from pseudolabel.captioners.video_model.pixels import normalized
    from pseudolabel.captioners.weights import quiet_transformers
    from pseudolabel.training.data.loading import Tally, checked, everything, make_loader
    from pseudolabel.training.data.opening import open_examples
    from pseudolabel.training.targets import Tokenize

    device = resolve_device(options.device)
    with quiet_transformers():
        model = VideoCaptioner.from_pretrained(checkpoint).eval().to(device)
        tokenize = Tokenize(AutoTokenizer.from_pretrained(checkpoint), options.max_tokens)
    if data.frame_size is None:
        data = replace(data, frame_size=model.config.vision_config.image_size)
    examples, _ = open_examples(data, is_training=False)
    loader = make_loader(
        examples, everything(examples, "video", options.batch_size), workers=data.workers
    )
    captions: dict[str, str] = {}
    tally = Tally()
    for batch in checked(loader, tally):
        pixels = normalized(batch["pixels"].to(device), model.config)
        with torch.no_grad():
            said = tokenize.read(model.generate(pixels, **tokenize.limits()))
        captions |= zip(batch["id"], said, strict=True)
    for broken in tally.broken:
        captions.pop(broken, None)
    return captions
