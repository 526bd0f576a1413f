"""Entries of models that are made up for a test."""

from __future__ import annotations

from configs.models import ModelEntry


def small_model(size: tuple[int, int], architecture: str, skeleton: str, **more: object) -> ModelEntry:
    """A model whose weights are a file, as published ones are; `size` is height and width of its input."""
    fixed = {"name": "small", "stage": "pose", "summary": "stands in", "weights": "file", "licence": "none"}
    return ModelEntry(**fixed, input=size, architecture=architecture, skeleton=skeleton, **more)
