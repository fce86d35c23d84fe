"""Small pictures of a picture, both from its lowest frequencies: blurhash for clients, a perceptual hash for safety.

Both are a few lines over one transform: the packages for them lack wheels for Python 3.14.
"""

import math
from statistics import median

from PIL import Image

Rows = list[list[float]]

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
SIDE = 32  # of the thumbnail that is hashed
FAINTEST = SIDE**2 / 2  # a wave of half a shade of grey
LINEAR = [c / 12.92 if (c := byte / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for byte in range(256)]


def blurhash(image: Image.Image) -> str:
    """Return the blurhash of an RGB image: 4 by 3 components, the longer side gets more."""
    across, down = (4, 3) if image.width >= image.height else (3, 4)
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    channels = [_frequencies(_rows(band, LINEAR), across, down, shift=0.0) for band in thumbnail.split()]
    factors = [
        [
            channel[y][x] * (1 if x == y == 0 else 2) / SIDE**2 for channel in channels
        ]
        for y in range(down)
        for x in range(across)
    ]  # fmt: skip
    average, *details = factors
    largest = max(abs(value) for each in details for value in each)
    scale = max(0, min(82, int(largest * 166 - 0.5)))
    parts = [_base83(across - 1 + (down - 1) * 9, 1), _base83(scale, 1)]
    red, green, blue = (_to_srgb(value) for value in average)
    parts.append(_base83((red << 16) + (green << 8) + blue, 4))
    for each in details:
        digits = [_quantised(value / ((scale + 1) / 166)) for value in each]
        parts.append(_base83(digits[0] * 19**2 + digits[1] * 19 + digits[2], 2))
    return "".join(parts)


def perceptual_hash(image: Image.Image) -> int | None:
    """Return 64 bits, as a signed number: pictures that look alike differ in few of them (pHash).

    None for a picture of one colour, in which nothing is to be seen.
    Not PDQ: its package is built for no Python after 3.12.
    """
    gray = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    rows = _frequencies(_rows(gray, [float(byte) for byte in range(256)]), 8, 8, shift=0.5)
    values = [value for row in rows for value in row]
    # The first value is the brightness of the whole: it says nothing of the picture.
    if max(map(abs, values[1:])) < FAINTEST:
        return None
    middle = median(values[1:])
    bits = 0
    for value in values:
        bits = bits << 1 | (value > middle)
    return bits - (1 << 64) if bits >> 63 else bits


def _rows(band: Image.Image, scale: list[float]) -> Rows:
    values = [scale[byte] for byte in band.tobytes()]
    return [values[at : at + SIDE] for at in range(0, SIDE * SIDE, SIDE)]


def _frequencies(rows: Rows, across: int, down: int, shift: float) -> Rows:
    """Return the lowest `across` by `down` cosine coefficients, without norms: first along the rows, then down."""

    def waves(count: int) -> Rows:
        return [[math.cos(math.pi * k * (at + shift) / SIDE) for at in range(SIDE)] for k in range(count)]

    along = [[sum(map(float.__mul__, row, wave)) for wave in waves(across)] for row in rows]
    columns = list(zip(*along, strict=True))
    return [[sum(map(float.__mul__, column, wave)) for column in columns] for wave in waves(down)]


def _to_srgb(value: float) -> int:
    value = max(0.0, min(1.0, value))
    return int((value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _quantised(value: float) -> int:
    """One of 19 steps, finer around zero."""
    return max(0, min(18, int(math.copysign(abs(value) ** 0.5, value) * 9 + 9.5)))


def _base83(value: int, length: int) -> str:
    return "".join(ALPHABET[value // 83**power % 83] for power in reversed(range(length)))
