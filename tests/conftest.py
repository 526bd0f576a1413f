"""What tests of several folders share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ptrack` does, before anything imports torch
# a shell starts what it puts into the background with Ctrl-C ignored, and every child would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of development data (real clips, annotations, golden numbers); skips where there is none."""
    value = os.environ.get("PTRACK_TEST_DATA")
    if not value:
        pytest.skip("PTRACK_TEST_DATA is not set: no development data")
    root = Path(value)
    if not root.is_dir():
        pytest.skip(f"PTRACK_TEST_DATA names {root}, which is no folder")
    return root.resolve()
