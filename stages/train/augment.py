"""Changes of a training picture that move nothing: colour, sharpness, hidden patches. RGB uint8 in and out."""

from __future__ import annotations

import cv2
import numpy as np


def colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation, colour cast and gamma by chance; sometimes grey."""
    levels = np.arange(256, dtype=np.float32) / 255
    gain = rng.uniform(0.6, 1.4) * rng.uniform(0.88, 1.12, 3)
    shift = rng.uniform(-0.12, 0.12)
    gamma = rng.uniform(0.75, 1.35)
    table = np.clip(levels[:, None] ** gamma * gain + shift, 0, 1) * 255
    image = cv2.LUT(image, table.astype(np.uint8).reshape(256, 1, 3))
    saturation = 0.0 if rng.random() < 0.08 else rng.uniform(0.5, 1.5)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)


def degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As from far away, out of focus, in motion, noisy or strongly compressed."""
    choice = rng.integers(5)
    height, width = image.shape[:2]
    if choice == 0:
        share = rng.uniform(0.25, 0.7)
        small = cv2.resize(
            image, (max(8, int(width * share)), max(8, int(height * share))), interpolation=cv2.INTER_AREA
        )
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if choice == 1:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.6))
    if choice == 2:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        middle = (length - 1) / 2
        tip = (round(middle + middle * np.cos(angle)), round(middle + middle * np.sin(angle)))
        tail = (round(middle - middle * np.cos(angle)), round(middle - middle * np.sin(angle)))
        cv2.line(kernel, tail, tip, 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    if choice == 3:
        noise = rng.normal(0, rng.uniform(3, 14), image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


def erase(image: np.ndarray, rng: np.random.Generator, patch: np.ndarray | None = None) -> None:
    """Hides a rectangle of 3..20 % of the picture, in place, with `patch` (another picture), one colour or noise."""
    height, width = image.shape[:2]
    share, stretch = rng.uniform(0.03, 0.2), np.exp(rng.uniform(-0.9, 0.9))
    h = min(height, max(1, int(np.sqrt(share * stretch) * height)))
    w = min(width, max(1, int(np.sqrt(share / stretch) * width)))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    if patch is not None:
        filling = cv2.resize(patch, (w, h), interpolation=cv2.INTER_AREA)
    elif rng.random() < 0.5:
        filling = rng.integers(0, 256, (1, 1, 3))
    else:
        filling = rng.integers(0, 256, (h, w, 3))
    image[y : y + h, x : x + w] = filling
