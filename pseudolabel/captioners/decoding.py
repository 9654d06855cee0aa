"""How texts are found, as transformers is told: ours alone, whatever a checkpoint ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.sampling import gumbel_noise

if TYPE_CHECKING:
    import torch

# The part that generates, where it is not the whole model.
_GENERATORS = {"blip": "text_decoder", "blip-2": "language_model", "instructblip": "language_model"}


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The tokens that begin and end a caption, and those that are never in one."""

    start: tuple[int, ...]  # the decoder's first tokens, in an encoder-decoder; else empty
    ends: tuple[int, ...]
    pad: int
    banned: tuple[int, ...]


def settle_decoding(model: Any, tokenizer: Any, options: CaptionOptions) -> SpecialTokens:
    """Replace a model's generation settings by these options', keeping its token ids.

    Checkpoints ship beams, penalties, lengths and sampling of their own (Florence-2: 3 beams and
    no repeated trigrams), which `generate` would fall back to. A forced first token becomes part
    of the decoder's start, so that a caption's log-probability does not count it; a forced last
    token would hide that the text was cut off.
    """
    import transformers

    # Typed loosely, since transformers is: its annotations are partial.
    make_settings: Any = transformers.GenerationConfig
    generator = getattr(model, _GENERATORS.get(model.config.model_type, ""), model)
    shipped = generator.generation_config
    tokens = _special_tokens(model, generator, tokenizer)
    generator.generation_config = model.generation_config = make_settings(
        bos_token_id=shipped.bos_token_id,
        eos_token_id=list(tokens.ends),
        pad_token_id=tokens.pad,
        decoder_start_token_id=tokens.start[0] if tokens.start else None,
        max_new_tokens=options.max_new_tokens,
        num_beams=options.beams,
        length_penalty=1.0,  # a beam's score is then its mean token log-probability
        # Our own processor leaves one token to draw, so that sampling serves to repeat rows
        # after the image is encoded, not before.
        do_sample=options.is_sampling,
        num_return_sequences=options.samples,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        return_dict_in_generate=True,
        output_scores=options.beams > 1,
    )
    return tokens


def _banned(shipped: Any, config: Any) -> tuple[int, ...]:
    """What a checkpoint rules out, and an image's or video's placeholder in a prompt."""
    single = [words[0] for words in shipped.bad_words_ids or () if len(words) == 1]
    names = ("image_token_id", "image_token_index", "video_token_id")
    placeholders = [getattr(config, name, None) for name in names]
    found = {*single, *(shipped.suppress_tokens or ()), *placeholders} - {None}
    return tuple(sorted(found))


def _special_tokens(model: Any, generator: Any, tokenizer: Any) -> SpecialTokens:
    shipped, config = generator.generation_config, model.config
    ends = shipped.eos_token_id
    if config.model_type == "blip":
        ends = config.text_config.sep_token_id  # its generate() says so, its settings do not
    if ends is None:
        ends = getattr(config, "eos_token_id", None) or tokenizer.eos_token_id
    ends = tuple(ends) if isinstance(ends, list) else (ends,) if ends is not None else ()
    pad = next(
        (
            found
            for found in (shipped.pad_token_id, tokenizer.pad_token_id, *ends)
            if found is not None
        ),
        0,
    )
    start: tuple[int, ...] = ()
    if config.is_encoder_decoder and generator is model:
        first = next(
            found
            for found in (
                shipped.decoder_start_token_id,
                getattr(config, "decoder_start_token_id", None),
                shipped.bos_token_id,
                tokenizer.bos_token_id,
                tokenizer.cls_token_id,
            )
            if found is not None
        )
        forced = shipped.forced_bos_token_id
        start = (first,) if forced is None or forced == first else (first, forced)
    return SpecialTokens(start, ends, pad, _banned(shipped, config))


class TokenRecorder:
    """A logits processor that picks each row's token and notes its log-probability.

    Greedy rows take the most probable token. With `keys`, rows draw: temperature and top-p shape
    the distribution, noise decides, and every other token is ruled out. What is noted is the
    model's own log-probability, before anything is banned or shaped; of one token a step, so
    memory is bounded. A beam search keeps its own score, which is the same mean.
    """

    def __init__(
        self,
        options: CaptionOptions,
        banned: tuple[int, ...] = (),
        keys: torch.Tensor | None = None,
    ) -> None:
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self.prefix_length: int | None = None  # tokens before the generated ones
        self._notes: list[torch.Tensor] = []
        self._banned, self._keys = banned, keys
        self._is_beam_search = options.beams > 1
        self._warpers: list[Any] = []
        if options.temperature != 1:
            self._warpers.append(TemperatureLogitsWarper(options.temperature))
        if options.top_p < 1:
            self._warpers.append(TopPLogitsWarper(options.top_p))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores `(rows, vocabulary)` in; the same less banned tokens, or one token, out."""
        import torch

        if self.prefix_length is None:
            self.prefix_length = input_ids.shape[1]
            known = [token for token in self._banned if token < scores.shape[1]]
            self._ban = torch.tensor(known, dtype=torch.long, device=scores.device)
        allowed = scores.index_fill(1, self._ban, -torch.inf) if self._banned else scores
        if self._is_beam_search:
            return allowed
        if self._keys is None:
            chosen = allowed.argmax(dim=-1, keepdim=True)
        else:
            chosen = self._draw(input_ids, allowed)
            allowed = torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)
        logprobs = torch.log_softmax(scores.to(torch.float32), dim=-1)
        self._notes.append(logprobs.gather(1, chosen).squeeze(1))
        return allowed

    def _draw(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        assert self._keys is not None
        for warp in self._warpers:
            scores = warp(input_ids, scores)
        noise = gumbel_noise(self._keys, len(self._notes), scores.shape[-1])
        return (torch.log_softmax(scores.to(torch.float32), -1) + noise).argmax(-1, keepdim=True)

    def logprobs(self) -> torch.Tensor:
        """Log-probability, in nats, of every token taken: float32 `(rows, steps)`."""
        import torch

        return torch.stack(self._notes, dim=1)
