"""What a trained captioner says of clips whose frames are at hand."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

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

    device = resolve_device(options.device)
    with quiet_transformers():
        model = VideoCaptioner.from_pretrained(checkpoint).eval().to(device)
        tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
    if data.frame_size is None:
        data = replace(data, frame_size=model.config.vision_config.image_size)
    examples, _ = open_examples(data, is_training=False)
    loader = make_loader(
        examples, everything(examples, "video", options.batch_size), workers=data.workers
    )
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    captions: dict[str, str] = {}
    tally = Tally()
    for batch in checked(loader, tally):
        pixels = normalized(batch["pixels"].to(device), model.config)
        with torch.no_grad():
            tokens = model.generate(
                pixels,
                max_new_tokens=options.max_tokens,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=end if pad is None else pad,
            )
        said = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        captions |= {key: text.strip() for key, text in zip(batch["id"], said, strict=True)}
    for broken in tally.broken:
        captions.pop(broken, None)
    return captions
