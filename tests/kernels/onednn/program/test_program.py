"""Steps that fail say which."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.exceptions import EngineError
from convnet_features.kernels import threads
from convnet_features.kernels.onednn.binding.declarations import Arg
from convnet_features.kernels.onednn.program.program import Program

pytestmark = pytest.mark.onednn


def test_failing_execution_is_named(primitives, pool):
    with threads.openmp_threads(1):
        program = Program(primitives, pool, 1)
        x = program.external("x", primitives.strided((2, 3)))
        y = program.external("y", primitives.strided((2, 3)))
        # Without its result: refused when executed.
        program.run(primitives.softmax(x.desc, False), {Arg.SRC: x})
        program.finish()
    array = np.ones((2, 3), "float32")
    with pytest.raises(EngineError, match=r"executing the softmax of \(2, 3\)"):
        program.execute({"x": array, "y": array})
    assert y.desc == x.desc
