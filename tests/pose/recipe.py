"""Synthetic weights and inputs that anyone can make again: a pure function of salt, state-dict key and shape.

The published implementations were run once with these weights; their outputs are what the networks here must give.
The first rule whose expression is found in the key and whose number of dimensions fits says how a tensor is drawn.
"""

from __future__ import annotations

import re
import zlib

import numpy as np
import torch
from torch import nn

# (expression, dimensions or None, (low, high) of a uniform draw, or the gain of a convolution)
_RULES: tuple[tuple[str, int | None, tuple[float, float] | float], ...] = (
    (r"running_mean$", 1, (-0.1, 0.1)),
    (r"running_var$", 1, (0.5, 1.5)),
    (r"^offset_feats\.\d+\.bn2\.weight$", 1, (0.2, 0.4)),
    (r"\.branches\..*\.bn2\.weight$", 1, (0.15, 0.35)),
    (r"\.fuse_layers\..*\.weight$", 1, (0.1, 0.3)),
    (r"(^|\.)layer\d+\.\d+\.bn[23]\.weight$", 1, (0.3, 0.5)),
    (r"\.convBlock\.7\.weight$", 1, (0.2, 0.4)),
    (r"merge_(preds|features)\..*\.bn\.weight$", 1, (0.2, 0.4)),
    (r"\.weight$|^weight$", 1, (0.9, 1.1)),
    (r"bias$", 1, (-0.1, 0.1)),
    (r"(^|\.)final_layer\.weight$", 4, 0.05),
    (r"(^|\.)outs\.\d+\.\d+\.conv\.weight$", 4, 0.5),
    (r"(^|\.)offsets[1-5]\.weight$", 4, 1.0),
    (r"(^|\.)deform_conv[1-5]\.weight$", 4, 1.0),
    (r"", 4, 2.0),
    (r"", 2, 1.0),
)
_TRANSPOSED = r"(^|\.)(s_)?deconv(_layers|\d+)?\."  # of stride 2: a quarter of the kernel meets each output


def uniform(salt: str, key: str, count: int) -> np.ndarray:
    """[count] float64 in [0, 1)"""
    seed = zlib.crc32(f"{salt}/{key}".encode())
    return np.random.Generator(np.random.PCG64(seed)).random(count)


def tensor(salt: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of one entry of a state dict."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    how = next(h for found, dims, h in _RULES if dims in (None, len(shape)) and re.search(found, key))
    if isinstance(how, tuple):
        low, high = how
    else:
        fan = float(np.prod(shape[1:]))
        if len(shape) == 4 and re.search(_TRANSPOSED, key):
            fan = shape[0] * float(np.prod(shape[2:])) / 4
        high = float(np.sqrt(3 * how / fan))
        low = -high
    draw = uniform(salt, key, int(np.prod(shape)))
    return (low + (high - low) * draw).astype(np.float32).reshape(shape)


def image_like(
    salt: str, name: str, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0, fine: float = 0.25
) -> np.ndarray:
    """[N, C, H, W] float32: one value for each 8x8 cell, and noise on it."""
    n, c, h, w = shape
    rows, columns = -(-h // 8), -(-w // 8)
    draw = uniform(salt, f"input/{name}/coarse", n * c * rows * columns).reshape(n, c, rows, columns)
    coarse = low + (high - low) * draw
    big = np.repeat(np.repeat(coarse, 8, axis=2), 8, axis=3)[:, :, :h, :w]
    noise = (uniform(salt, f"input/{name}/fine", n * c * h * w).reshape(shape) * 2 - 1) * fine * (high - low) / 2
    return np.clip(big + noise, low, high).astype(np.float32)


def state(module: nn.Module, salt: str) -> dict[str, torch.Tensor]:
    """Recipe values for every entry of the module's state dict."""
    return {k: torch.from_numpy(tensor(salt, k, tuple(v.shape))) for k, v in module.state_dict().items()}


def fill(module: nn.Module, salt: str) -> nn.Module:
    """The module with recipe weights, in place."""
    module.load_state_dict(state(module, salt), strict=True)
    return module


def inputs_of(case: dict) -> list[torch.Tensor]:
    """The inputs that a stored case names."""
    made = []
    for spec in case["inputs"]:
        x = image_like(case["salt"], spec["name"], tuple(spec["shape"]), spec["lo"], spec["hi"])
        if spec.get("layout") == "NHWC":
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        made.append(torch.from_numpy(x))
    return made


def outputs_of(answer: object, name: str = "out") -> dict[str, np.ndarray]:
    """Tensors by the names that stored cases use: `out`, or `out.<stack>.<scale>`."""
    if torch.is_tensor(answer):
        return {name: answer.numpy()}
    found: dict[str, np.ndarray] = {}
    for number, part in enumerate(answer):
        found |= outputs_of(part, f"{name}.{number}")
    return found


def assert_close(got: np.ndarray, want: np.ndarray, scale: float | None = None) -> None:
    """Within 3e-5 of the largest value and 1e-4 of each: a slip such as a wrong dilation shows from 5e-3."""
    assert got.shape == want.shape
    got, want = got.astype(np.float64), want.astype(np.float64)
    allowed = 3e-5 * (scale or np.abs(want).max()) + 1e-4 * np.abs(want)
    worst = np.abs(got - want) - allowed
    assert (worst <= 0).all(), f"off by {np.abs(got - want).max():.3g} of {np.abs(want).max():.3g}"
