"""Machines: those that tests describe, to assert choices for, and the one at hand."""

from __future__ import annotations

import pytest

from convnet_features.kernels.machine import Machine, never
from convnet_features.kernels.onednn.binding.library import load_library

#: On these code is generated, for vectors of 8 and of 16.
GENERATING = {
    "AVX2, Intel": Machine("avx2", "intel"),
    "AVX2, AMD, limited": Machine("avx2", "amd", is_limited=True),
    "AVX-512, Intel": Machine("avx512", "intel"),
    "AVX-512, AMD": Machine("avx512", "amd"),
}
#: And on these it is not.
WITHOUT_CODE = {
    "SSE4.1": Machine("sse41", "intel"),
    "AVX-512, no code can be made": Machine("avx512", "amd", can_compile=never),
}
MACHINES = GENERATING | WITHOUT_CODE


def here():
    """What this process computes on, within the limits of ``CONVNET_FEATURES_ISA``."""
    return load_library().machine


def skip_without_code():
    """For tests of nothing but generated code."""
    if not here().generates:
        pytest.skip(f"no code is generated here: {here()}")
