"""Drawing by Gumbel noise: the right distribution, from nothing but the key."""

from __future__ import annotations

import math

import pytest
import torch

from pseudolabel.captioners.decoding import TokenRecorder
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.sampling import gumbel_noise, row_keys
from tiny_models import noise_frame

ROWS = 40_000


def _keys(seed: int = 0) -> torch.Tensor:
    frames = [noise_frame(0, height=2, width=2, time_s=index / 1000 + 1) for index in range(ROWS)]
    return torch.tensor(row_keys(frames, samples=1, seed=seed))


def test_noise_is_standard_gumbel() -> None:
    noise = gumbel_noise(_keys()[:1000], 0, 1000).double()
    assert torch.isfinite(noise).all()
    assert abs(noise.mean().item() - 0.5772) < 0.01  # Euler's constant
    assert abs(noise.var().item() - 1.6449) < 0.02  # pi^2 / 6
    # The distribution function of a Gumbel turns it into a uniform: look at ten equal bins.
    counts = torch.histc(torch.exp(-torch.exp(-noise)), bins=10, min=0, max=1) / noise.numel()
    assert (counts - 0.1).abs().max() < 0.002


def test_noise_is_one_rows_own() -> None:
    keys = _keys()[:50]
    noise = gumbel_noise(keys, 3, 100)
    assert torch.equal(gumbel_noise(keys.flip(0), 3, 100).flip(0), noise)
    assert torch.equal(gumbel_noise(keys[7:8], 3, 100)[0], noise[7])
    assert not torch.equal(gumbel_noise(keys, 4, 100), noise), "another step, other noise"
    assert torch.equal(gumbel_noise(keys, 3, 60), noise[:, :60])


def _plain_noise(key: int, step: int, token: int) -> float:
    """The same noise in Python's own integers: SplitMix64, twice."""
    whole, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mix(value: int) -> int:
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & whole
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & whole
        return value ^ (value >> 31)

    state = mix((key + (step + 1) * golden) & whole)
    bits = mix((state + (token + 1) * golden) & whole)
    return -math.log(-math.log1p(-((bits >> 32) + 0.5) * 2**-32))


def test_noise_never_changes() -> None:
    """A run continued by a later version must draw as it did: these numbers are fixed."""
    frame = noise_frame(0, height=2, width=2, time_s=1.5)
    keys = row_keys([frame], samples=2, seed=7)
    assert keys == [-651036819027351812, 611958853979908078]
    noise = gumbel_noise(torch.tensor(keys), 2, 100)
    for key, row in zip(keys, noise.tolist(), strict=True):
        wanted = [_plain_noise(key % 2**64, 2, token) for token in range(100)]
        assert row == pytest.approx(wanted, abs=1e-5)


def test_keys_tell_seed_video_time_and_sample_apart() -> None:
    frames = [noise_frame(0, height=2, width=2, time_s=time_s) for time_s in (1.0, 1.000001, 2.0)]
    keys = row_keys(frames, samples=3, seed=0) + row_keys(frames, samples=3, seed=1)
    assert len(set(keys)) == 18
    # Half a microsecond is how times were stored, not another frame.
    near = noise_frame(0, height=2, width=2, time_s=1.0000000001)
    assert row_keys([near], samples=1, seed=0) == row_keys(frames[:1], samples=1, seed=0)


def _draw(logits: torch.Tensor, **options: float) -> torch.Tensor:
    """Shares of the tokens that were drawn from the same logits, many times."""
    recorder = TokenRecorder(CaptionOptions(samples=2, **options), keys=_keys())  # type: ignore[arg-type]
    left = recorder(torch.zeros(ROWS, 1, dtype=torch.long), logits.expand(ROWS, -1))
    assert (torch.isfinite(left).sum(dim=1) == 1).all(), "one token is left to choose"
    chosen = left.argmax(dim=1)
    expected = logits.log_softmax(-1)[chosen]
    assert torch.allclose(recorder.logprobs()[:, 0], expected), "before temperature and top-p"
    return torch.bincount(chosen, minlength=len(logits)) / ROWS


def test_tokens_are_drawn_as_often_as_their_probability() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5])
    for temperature in (0.5, 1.0, 2.0):
        shares = _draw(logits, temperature=temperature, top_p=1.0)
        wanted = (logits / temperature).softmax(-1)
        deviation = (wanted * (1 - wanted) / ROWS).sqrt()
        assert ((shares - wanted).abs() < 4 * deviation).all(), (temperature, shares, wanted)


def test_top_p_rules_out_the_tail_only() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    shares = _draw(logits, temperature=1.0, top_p=0.75)
    assert shares[2:].tolist() == [0, 0]
    assert abs(shares[0].item() - 0.5 / 0.8) < 0.01


def test_greedy_takes_the_largest_and_leaves_the_scores() -> None:
    recorder = TokenRecorder(CaptionOptions())
    scores = torch.tensor([[0.0, 3.0, 1.0], [5.0, 1.0, 0.0]])
    assert torch.equal(recorder(torch.zeros(2, 4, dtype=torch.long), scores), scores)
    assert recorder.prefix_length == 4
    wanted = scores.log_softmax(-1)[[0, 1], [1, 0]]
    assert torch.equal(recorder.logprobs()[:, 0], wanted)


def test_banned_tokens_are_never_taken_and_change_no_logprob() -> None:
    scores = torch.tensor([[0.0, 3.0, 1.0]])
    recorder = TokenRecorder(CaptionOptions(), banned=(1,))
    assert recorder(torch.zeros(1, 4, dtype=torch.long), scores).argmax().item() == 2
    assert torch.equal(recorder.logprobs()[:, 0], scores.log_softmax(-1)[:, 2])
