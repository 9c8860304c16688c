"""Both kinds of random streams."""

from __future__ import annotations

import pickle

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from pytensor.tensor.random.type import RandomGeneratorType
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

from tests.helpers import assert_close


@pytest.fixture(params=[MRG_RandomStreams, RandomStreams])
def streams(request):
    return request.param


def draw(stream, kind, *args, **kwargs):
    return theano.function([], getattr(stream, kind)(*args, **kwargs))()


@pytest.mark.parametrize(
    ("kind", "options", "mean", "std"),
    [
        ("binomial", {"p": 0.3}, 0.3, 0.458),
        ("binomial", {"p": 0.5, "n": 4}, 2, 1),
        ("uniform", {"low": -1.0, "high": 3.0}, 1, 1.155),
        ("normal", {"avg": 2.0, "std": 0.5}, 2, 0.5),
        ("random_integers", {"low": 1, "high": 6}, 3.5, 1.708),
    ],
)
def test_moments(streams, kind, options, mean, std):
    values = draw(streams(1), kind, (100, 200), **options)
    assert values.shape == (100, 200)
    assert abs(values.mean() - mean) < 0.05
    assert abs(values.std() - std) < 0.05


def test_dtypes(streams):
    stream = streams(1)
    assert stream.uniform((2,)).dtype == stream.normal((2,)).dtype == "float32"
    assert stream.binomial((2,)).dtype == "int64"
    assert stream.binomial((2,), dtype="float32").dtype == "float32"
    assert draw(stream, "normal", (3,), dtype="float64").dtype == "float64"


def test_the_seed_decides(streams):
    first, second = draw(streams(7), "normal", (5,)), draw(streams(7), "normal", (5,))
    np.testing.assert_array_equal(first, second)
    assert (first != draw(streams(8), "normal", (5,))).all()
    assert (draw(streams([1, 2, 3]), "normal", (5,)) != first).all()


def test_every_draw_and_every_call_is_new(streams):
    stream = streams(7)
    f = theano.function([], [stream.normal((5,)), stream.normal((5,))])
    (a, b), (c, d) = f(), f()
    assert len(np.unique(np.concatenate([a, b, c, d]))) == 20
    held = theano.function([], stream.normal((5,)), no_default_updates=True)
    np.testing.assert_array_equal(held(), held())


def test_seeding_starts_anew(streams):
    stream = streams(7)
    f = theano.function([], stream.uniform((4,)))
    stream.seed(3)
    first = f()
    assert (f() != first).all()
    stream.seed(3)
    np.testing.assert_array_equal(f(), first)


@pytest.mark.parametrize("size", ["tuple", "symbolic tuple", "shape", "vector", "parameter"])
def test_sizes(streams, size):
    x = T.matrix("x")
    stream = streams(1)
    mask = {
        "tuple": lambda: stream.binomial((2, 3), dtype="float32"),
        "symbolic tuple": lambda: stream.binomial((x.shape[0], 3)),
        "shape": lambda: stream.binomial(x.shape),
        "vector": lambda: stream.binomial(T.cast(T.stack([x.shape[0], 3]), "int64"), ndim=2),
        "parameter": lambda: stream.binomial(p=x),
    }[size]()
    assert mask.ndim == 2
    f = theano.function([x], mask, on_unused_input="ignore")
    assert f(np.full((2, 3), 0.5, "float32")).shape == (2, 3)


def test_multinomial(streams):
    p = T.matrix("p")
    f = theano.function([p], streams(1).multinomial(pvals=p, dtype="float32"))
    values = f(np.tile(np.array([[0.1, 0.2, 0.7]], "float32"), (5000, 1)))
    assert (values.sum(axis=1) == 1).all()
    assert_close(np.round(values.mean(axis=0), 1), np.array([0.1, 0.2, 0.7]))
    with pytest.raises(ValueError, match="pvals must have an axis of classes"):
        streams(1).multinomial(pvals=T.scalar())


def test_permutation(streams):
    values = draw(streams(1), "permutation", (50,), n=6)
    assert values.shape == (50, 6)
    assert (np.sort(values, axis=1) == np.arange(6)).all()
    assert len(np.unique(values, axis=0)) > 10
    assert sorted(draw(streams(1), "permutation", n=4)) == [0, 1, 2, 3]


def test_generators_can_be_found_in_the_graph(streams):
    stream = streams(1)
    mask = stream.binomial((2, 3))
    ((generator, following),) = stream.updates()
    assert isinstance(generator.type, RandomGeneratorType)
    assert generator.default_update is following
    assert generator in theano.gof.graph.inputs([mask])


def test_a_stream_holds_no_graph(streams):
    stream = streams(1)
    draws = [stream.normal((2,)) for _ in range(3)]
    assert len(stream.state_updates) == 3
    draws.clear()
    import gc

    gc.collect()
    assert stream.state_updates == []
    copy = pickle.loads(pickle.dumps(stream))
    np.testing.assert_array_equal(draw(copy, "normal", (5,)), draw(stream, "normal", (5,)))


def test_dropout_scales_what_it_keeps():
    x = T.matrix("x")
    lasagne.random.set_rng(np.random.RandomState(5))
    try:
        layer = lasagne.layers.DropoutLayer(lasagne.layers.InputLayer((None, 300)), p=0.25)
    finally:
        lasagne.random.set_rng(np.random)
    output = lasagne.layers.get_output(layer, x)
    assert output.dtype == "float32"
    values = output.eval({x: np.ones((100, 300), "float32")})
    assert set(np.unique(values)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs(values.mean() - 1) < 0.02


def test_choices_with_replacement(streams):
    values = draw(streams(1), "choice", (300, 200), a=5)
    assert values.dtype == "int64"
    np.testing.assert_allclose(np.bincount(values.ravel()) / values.size, 0.2, atol=0.01)
    p = [0.5, 0.0, 0.2, 0.3]
    chosen = draw(streams(1), "choice", (300, 200), a=[1.5, 2.5, 3.5, 4.5], p=p)
    shares = [(chosen == each).mean() for each in (1.5, 2.5, 3.5, 4.5)]
    np.testing.assert_allclose(shares, p, atol=0.01)
    assert draw(streams(1), "choice", a=3).shape == ()


def test_choices_without_replacement(streams):
    everything = draw(streams(1), "choice", (3, 4), a=12, replace=False)
    assert everything.shape == (3, 4)
    np.testing.assert_array_equal(np.sort(everything.ravel()), np.arange(12))
    # The first of two: with the probability that it has.
    stream, p = streams(2), np.array([0.7, 0.2, 0.1])
    first = theano.function([], stream.choice((2,), a=3, replace=False, p=p)[0])
    shares = np.bincount([first() for _ in range(1000)], minlength=3) / 1000
    np.testing.assert_allclose(shares, p, atol=0.05)
    with pytest.raises(ValueError, match="a must be a number or a vector; it has 2 axes"):
        streams(1).choice((2,), a=np.eye(2))


def test_rows_are_shuffled_each_by_itself(streams):
    rows = np.arange(2 * 3 * 50).reshape(2, 3, 50)
    x = T.ltensor3()
    shuffle = theano.function([x], streams(1).shuffle_row_elements(x))
    shuffled = shuffle(rows)
    np.testing.assert_array_equal(np.sort(shuffled, -1), rows)
    assert len({tuple(row % 50) for row in shuffled.reshape(6, 50)}) == 6
    assert not np.array_equal(shuffle(rows), shuffled)


def test_draws_of_several_by_probabilities():
    stream = RandomStreams(3)
    pvals = np.array([0.1, 0.6, 0.3])
    counts = stream.multinomial(size=(2000,), n=5, pvals=pvals).eval()
    assert counts.shape == (2000, 3)
    assert set(counts.sum(axis=1)) == {5}
    np.testing.assert_allclose(counts.mean(axis=0), 5 * pvals, atol=0.1)
    rows = stream.multinomial(n=4, pvals=T.as_tensor_variable(np.array([[1.0, 0.0], [0.0, 1.0]])))
    assert rows.eval().tolist() == [[4, 0], [0, 4]]


def test_classes_that_are_not_drawn_twice():
    stream = MRG_RandomStreams(3)
    pvals = np.tile([0.6, 0.3, 0.1, 0.0], (3000, 1))
    drawn = stream.multinomial_wo_replacement(pvals=pvals, n=3).eval()
    assert drawn.shape == (3000, 3)
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    assert drawn.max() == 2
    first = np.bincount(drawn[:, 0], minlength=4) / 3000
    np.testing.assert_allclose(first, [0.6, 0.3, 0.1, 0], atol=0.04)
    chosen = stream.choice(size=2, replace=False, p=pvals).eval()
    assert all(len(set(row)) == 2 for row in chosen.tolist())
    again = stream.choice(size=2, p=pvals).eval()
    assert again.shape == (3000, 2)
    np.testing.assert_allclose(np.bincount(again[:, 1]) / 3000, [0.6, 0.3, 0.1], atol=0.04)
    with pytest.raises(ValueError, match="pvals must be a matrix"):
        stream.multinomial_wo_replacement(pvals=[0.5, 0.5])


def test_truncated_normal_and_poisson():
    stream = MRG_RandomStreams(5)
    values = stream.truncated_normal(size=(4000,), avg=1.0, std=2.0)
    assert values.dtype == "float32"
    values = values.eval()
    assert np.abs(values - 1).max() <= 4
    # scipy.stats.truncnorm.std(-2, 2)
    np.testing.assert_allclose([values.mean(), values.std()], [1, 2 * 0.8796], atol=0.1)
    counts = RandomStreams(5).poisson(size=(4000,), lam=3.0)
    draw = theano.function([], counts)
    values = draw()
    assert values.dtype == "int64"
    np.testing.assert_allclose([values.mean(), values.var()], [3, 3], atol=0.25)
    assert not np.array_equal(draw(), values)


@pytest.mark.parametrize("n", [3, 5])
def test_no_more_are_drawn_without_replacement_than_there_are(n):
    streams, p = MRG_RandomStreams(1), T.matrix("p")
    pvals = np.array([[0.0, 0.5, 0.5, 0.0]], "float32")
    draws = [
        streams.multinomial_wo_replacement(pvals=p, n=n),
        streams.choice(size=n, replace=False, p=p),
        streams.choice(size=(n,), a=4, replace=False, p=p[0]),
    ]
    for draw in draws:
        with pytest.raises(AssertionError, match="more are drawn without replacement"):
            theano.function([p], draw)(pvals)
    with pytest.raises(AssertionError, match="more are drawn without replacement"):
        theano.function([], streams.choice(size=(n + 2,), a=4, replace=False))()
