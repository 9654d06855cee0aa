"""HDR pixels to SDR: what FFmpeg's scaler leaves in PQ or HLG, as a captioner has seen pictures.

Light is counted in units of diffuse white, 203 cd/m2 (ITU-R BT.2408). What is up to half as
bright keeps its brightness; above, highlights are rolled off towards white. The result is sRGB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["pq", "hlg"]

_WHITE_CD_M2 = 203.0
_HLG_PEAK_CD_M2 = 1000.0
_HLG_GAMMA = 1.2  # of a display of that peak (BT.2100)
_KNEE = 0.5
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # BT.2020
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_CODES = 1 << 16


def to_sdr(coded: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """Tone-map a picture.

    Args:
        coded: Full-range RGB `(H, W, 3)` of BT.2020 primaries, 16 bits.
        transfer: Of PQ (SMPTE 2084) or HLG (ARIB STD-B67).

    Returns:
        sRGB `(H, W, 3)`.
    """
    light = _light_of_codes(transfer)[coded]
    if transfer == "hlg":
        scene = np.maximum(light @ _LUMINANCE, 1e-6)[:, :, None]
        light = light * scene ** np.float32(_HLG_GAMMA - 1) * (_HLG_PEAK_CD_M2 / _WHITE_CD_M2)
    light = np.maximum(light @ _TO_BT709.T, 0)
    brightest = light.max(axis=2, keepdims=True)
    over = (brightest - _KNEE) / (1 - _KNEE)
    rolled = np.where(over > 0, 1 - (1 - _KNEE) * np.exp(-np.maximum(over, 0)), brightest)
    light *= rolled / np.maximum(brightest, 1e-6)
    codes = np.rint(light * (_CODES - 1)).astype(np.uint16)
    return np.asarray(_srgb_of_light()[codes], dtype=np.uint8)


@lru_cache(maxsize=2)
def _light_of_codes(transfer: Transfer) -> NDArray[np.float32]:
    """Light of every 16-bit code: of the display (PQ), or of the scene in 0..1 (HLG)."""
    code = np.linspace(0, 1, _CODES)
    if transfer == "pq":
        root = code ** (1 / 78.84375)
        ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        light = 10_000 / _WHITE_CD_M2 * ratio ** (1 / 0.1593017578125)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_of_light() -> NDArray[np.uint8]:
    light = np.linspace(0, 1, _CODES)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255), dtype=np.uint8)
