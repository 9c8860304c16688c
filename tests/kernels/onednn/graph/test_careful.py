"""Graphs whose numbers are known to stay finite, as often as it can be known without a look."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.contract import Conv2DSpec, ConvStage, StageGraph
from convnet_features.kernels.onednn.graph import careful
from convnet_features.kernels.onednn.graph.kernel import OneDNNGraph
from convnet_features.kernels.portable import PortableKernels

from ....helpers import assert_close

pytestmark = pytest.mark.onednn

#: More products in a row than a bound for any input says anything of.
DEPTH = 45


@pytest.fixture
def asked(monkeypatch):
    """How often it was found out whether numbers stay finite."""
    calls, stays_finite = [], careful.stays_finite
    monkeypatch.setattr(
        careful, "stays_finite", lambda *args: calls.append(1) or stays_finite(*args)
    )
    return calls


@pytest.fixture
def graph():
    return StageGraph.chain([ConvStage(Conv2DSpec(), False, "rectify")] * DEPTH)


@pytest.fixture
def kernel(graph, primitives, pool):
    portable = PortableKernels().graph(graph)
    return careful.CarefulGraph(graph, OneDNNGraph(graph, primitives, pool, portable), portable)


@pytest.fixture
def filters(rng):
    return [rng.standard_normal((8, 8, 1, 1)).astype("float32") / 2 for _ in range(DEPTH)]


@pytest.mark.parametrize("prepared", [False, True])
def test_sizes_that_were_sound_are_sound_again(prepared, kernel, graph, filters, asked, rng):
    images = rng.standard_normal((2, 8, 3, 3)).astype("float32")
    right = PortableKernels().graph(graph)
    compute = kernel.prepare(filters) if prepared else (lambda xs: kernel.forward(xs, filters))
    compute([images])
    asked.clear()
    for factor in (1, 0.5, -2):
        x = images * np.float32(factor)
        assert_close(compute([x])[0], right.forward([x], filters)[0], "float32")
    assert not asked
    x = images * np.float32(1000)  # larger than ever
    assert_close(compute([x])[0], right.forward([x], filters)[0], "float32")
    assert asked


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_is_found_after_sizes_that_were_sound(
    strange, prepared, kernel, graph, filters, rng
):
    images = rng.standard_normal((2, 8, 3, 3)).astype("float32")
    compute = kernel.prepare(filters) if prepared else (lambda xs: kernel.forward(xs, filters))
    for _ in range(2):
        compute([images])
    x = images.copy()
    x[1, 2, 0, 1] = strange
    with np.errstate(all="ignore"):
        right = PortableKernels().graph(graph).forward([x], filters)[0]
        np.testing.assert_array_equal(np.isnan(compute([x])[0]), np.isnan(right))
        np.testing.assert_array_equal(np.isinf(compute([x])[0]), np.isinf(right))


def test_parameters_that_grow_are_looked_at(kernel, graph, filters, rng):
    images = rng.standard_normal((2, 8, 3, 3)).astype("float32")
    kernel.forward([images], filters)
    grown = [w.copy() for w in filters]
    grown[3] *= np.float32(1e38)
    with np.errstate(all="ignore"):
        right = PortableKernels().graph(graph).forward([images], grown)[0]
        found = kernel.forward([images], grown)[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(right))
