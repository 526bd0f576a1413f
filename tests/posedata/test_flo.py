"""Flow files: what is written comes back, what is broken is named."""

import struct

import numpy as np
import pytest

from posedata.errors import BadInput
from posedata.formats.flo import read_flo, write_flo


def test_flow_comes_back(tmp_path):
    flow = np.random.default_rng(0).normal(0, 9, (5, 7, 2)).astype(np.float32)
    flow[2, 3] = np.nan
    write_flo(tmp_path / "a.flo", flow)
    np.testing.assert_array_equal(read_flo(tmp_path / "a.flo"), flow)
    assert (tmp_path / "a.flo").read_bytes()[:12] == struct.pack("<fii", 202021.25, 7, 5)


BROKEN_FLOW = {
    "empty": b"",
    "other magic": b"RIFF" + bytes(24),
    "cut": b"PIEH" + struct.pack("<ii", 4, 4) + bytes(100),
    "longer": b"PIEH" + struct.pack("<ii", 1, 1) + bytes(12),
    "huge": b"PIEH" + struct.pack("<ii", 1 << 30, 1 << 30),
    "negative": b"PIEH" + struct.pack("<ii", -1, 4),
}


@pytest.mark.parametrize("name", BROKEN_FLOW)
def test_broken_flow_is_named(name, tmp_path):
    (tmp_path / "a.flo").write_bytes(BROKEN_FLOW[name])
    with pytest.raises(BadInput, match=r"a\.flo"):
        read_flo(tmp_path / "a.flo")
