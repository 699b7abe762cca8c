"""Made-up photographs."""

import io

import numpy as np
from PIL import Image


def photo(seed, size=(178, 218), mode="RGB"):
    """A smooth photograph-like JPEG, different for every seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 5) if mode == "L" else (6, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
