"""Thousands of inputs that nobody would choose: each has a right answer or one of our errors."""

from __future__ import annotations

import os
import traceback
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import ConvNetFeaturesError

from . import counts

SEED = int(os.environ.get("ROBUSTNESS_SEED", "0"))
#: What scikit-learn's users expect of bad input, and our own errors.
DOCUMENTED = (ConvNetFeaturesError, ValueError, TypeError, OSError)
#: Files whose errors are answers: ours and scikit-learn's. Anything else came from deep inside.
ANSWERING = ("convnet_features", "sklearn")
DEEP = ("kernels", "compilation", "theano_facade", "program")


def answered(error):
    """Whether an error is an answer to the caller rather than an accident within."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, DOCUMENTED):
        return False
    if isinstance(error, ConvNetFeaturesError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    last = next(
        (
            frame.filename
            for frame in reversed(frames)
            if any(a in frame.filename for a in ANSWERING)
        ),
        "",
    )
    inside = last.rpartition("convnet_features")[2] if "sklearn" not in last else ""
    return bool(last) and not any(f"/{part}" in inside or inside.startswith(part) for part in DEEP)


def outcome(work):
    """What came out, or None where the answer was one of our errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work()
    except BaseException as error:
        if answered(error):
            counts.add("bad inputs answered by an error")
            return None
        raise


def profile(count):
    """Settings for `count` examples, or more where the soak says so."""
    return settings(
        max_examples=count * (int(os.environ.get("ROBUSTNESS_EFFORT", "1"))),
        deadline=None,
        database=None,
        derandomize=SEED == 0,
        suppress_health_check=list(HealthCheck),
    )


DTYPES = st.sampled_from(
    [
        "float16",
        "float32",
        "float64",
        ">f4",
        "int8",
        "uint8",
        "int64",
        "bool",
        "complex64",
        "object",
        "U3",
        "longdouble",
    ]
)
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=12),
    st.tuples(st.integers(1, 30), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 30), st.integers(1, 100)),
)


@st.composite
def arrays(draw):
    """An array of any shape, dtype and memory layout, with or without strange numbers."""
    shape, dtype = draw(SHAPES), draw(DTYPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.standard_normal(shape) * 10 ** draw(st.floats(-3, 6))
    with np.errstate(all="ignore"):
        array = np.asarray(values).astype(dtype)
    if array.dtype.kind in "fc" and array.size and draw(st.integers(0, 5)) == 0:
        array.flat[rng.integers(array.size)] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    layout = draw(st.integers(0, 5))
    if layout == 1:
        array = np.asfortranarray(array)
    elif layout == 2 and array.ndim:
        array = array[::-1]
    elif layout == 3 and array.ndim > 1:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif layout == 4:
        array.flags.writeable = False
    elif layout == 5 and array.ndim and array.size:
        array = np.broadcast_to(array[:1], array.shape)
    return array


@st.composite
def targets(draw, n_samples):
    kind = draw(st.integers(0, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = n_samples if draw(st.integers(0, 5)) else draw(st.integers(0, 5))
    if kind == 0:
        return rng.integers(0, draw(st.integers(1, 6)), n)
    if kind == 1:
        return np.array(["cat", "dog", "eel"])[rng.integers(0, 3, n)]
    if kind == 2:
        return rng.standard_normal(n)
    if kind == 3:
        return rng.integers(0, 2, (n, draw(st.integers(0, 4))))
    if kind == 4:
        return rng.standard_normal((n, 2)).astype("float32")
    if kind == 5:
        return rng.integers(0, 2, n).astype(bool)
    if kind == 6:
        return [None] * n
    return draw(arrays())


ESTIMATORS = st.sampled_from([ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor])


@given(data=st.data())
@profile(25)
def test_any_array_for_fit(data):
    X = data.draw(arrays(), "X")
    y = data.draw(targets(len(X) if X.ndim else 1), "y")
    network = data.draw(ESTIMATORS)(max_epochs=1, random_state=0)
    counts.add("arrays tried as X and y")
    fitted = outcome(lambda: network.fit(X, y))
    if fitted is None:
        assert "_model" not in vars(network)
        assert "n_features_in_" not in vars(network)
        return
    features = network.transform(X)
    assert features.dtype == np.float32
    assert features.shape == (len(X), 256)
    assert np.isfinite(features).all()
    assert len(network.predict(X)) == len(X)
    # What X's memory looks like changes no number.
    plain = np.ascontiguousarray(X).astype(X.dtype.newbyteorder("="), copy=True)
    np.testing.assert_allclose(network.transform(plain), features, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    network = ConvNetClassifier(max_epochs=1, random_state=0)
    return network.fit(rng.random((20, 2, 6, 5)), np.arange(20) % 2)


@pytest.fixture(scope="module")
def dense(fitted):
    return fitted.layer_function("dense")


@given(data=st.data())
@profile(80)
def test_any_array_for_transform(fitted, dense, data):
    X = data.draw(arrays(), "X")
    counts.add("arrays tried on a fitted network")
    for method in (fitted.transform, fitted.predict, dense):
        result = outcome(lambda method=method: method(X))
        if result is not None:
            assert len(result) == len(X)
    images = X.ndim == 4 and X.shape[1:] == (2, 6, 5)
    flat = X.ndim == 2 and X.shape[1:] == (60,)
    if not images and not flat:
        assert outcome(lambda: fitted.transform(X)) is None


@st.composite
def layer_lists(draw):
    """Stacks of Lasagne layers with sizes that may or may not fit each other."""
    from lasagne import layers
    from lasagne.nonlinearities import LeakyRectify, linear, rectify, sigmoid, tanh

    size = st.integers(-1, 9)
    pair = st.one_of(size, st.tuples(size, size), st.tuples(size))
    activation = st.sampled_from([rectify, tanh, sigmoid, linear, LeakyRectify(0.1), None])
    pad = st.one_of(pair, st.sampled_from(["same", "full", "valid", "half"]))
    kinds = st.one_of(
        st.fixed_dictionaries(
            {
                "class": st.just(layers.Conv2DLayer),
                "num_filters": st.integers(-1, 6),
                "filter_size": pair,
            },
            optional={
                "stride": pair,
                "pad": pad,
                "nonlinearity": activation,
                "b": st.none(),
                "untie_biases": st.booleans(),
            },
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.MaxPool2DLayer), "pool_size": pair},
            optional={"stride": pair, "pad": pair, "ignore_border": st.booleans()},
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.Pool2DLayer), "pool_size": pair},
            optional={
                "mode": st.sampled_from(
                    ["max", "average_inc_pad", "average_exc_pad", "sum", "median"]
                )
            },
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.DenseLayer), "num_units": st.integers(-1, 9)},
            optional={"nonlinearity": activation, "b": st.none()},
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.DropoutLayer)}, optional={"p": st.floats(-0.5, 1.5)}
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.GaussianNoiseLayer)}, optional={"sigma": st.floats(-1, 1)}
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.LocalResponseNormalization2DLayer)},
            optional={"n": st.integers(0, 7)},
        ),
        st.fixed_dictionaries(
            {"class": st.just(layers.FeaturePoolLayer), "pool_size": st.integers(0, 4)}
        ),
        st.fixed_dictionaries({"class": st.just(layers.GlobalPoolLayer)}),
        st.fixed_dictionaries({"class": st.just(layers.FlattenLayer)}),
        st.fixed_dictionaries(
            {"class": st.just(layers.DimshuffleLayer), "pattern": st.permutations([0, 1, 2, 3])}
        ),
        st.fixed_dictionaries(
            {
                "class": st.just(layers.ReshapeLayer),
                "shape": st.lists(st.integers(-2, 8), min_size=1, max_size=4).map(tuple),
            }
        ),
        st.fixed_dictionaries({"class": st.just(layers.PadLayer), "width": st.integers(-1, 3)}),
        st.fixed_dictionaries(
            {
                "class": st.just(layers.Conv1DLayer),
                "num_filters": st.just(2),
                "filter_size": st.just(2),
            }
        ),
        st.fixed_dictionaries({"class": st.just(layers.InputLayer)}),
    )
    chosen = draw(st.lists(kinds, max_size=4))
    specs = [
        (
            f"layer{position}",
            {**params}.pop("class"),
            {k: v for k, v in params.items() if k != "class"},
        )
        for position, params in enumerate(chosen)
    ]
    return [*specs, ("output", layers.DenseLayer)] if draw(st.integers(0, 9)) else specs


@given(layers=layer_lists(), data=st.data())
@profile(25)
def test_any_stack_of_layers(layers, data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 11), st.integers(1, 9)), "images")
    rng = np.random.default_rng(0)
    X, y = rng.random((12, *shape)), np.arange(12) % 2
    feature = layers[0][0] if layers else "output"
    network = ConvNetClassifier(layers, feature_layer=feature, max_epochs=1, random_state=0)
    counts.add("stacks of layers tried")
    if outcome(lambda: network.fit(X, y)) is None:
        assert "_model" not in vars(network)
        return
    features, probabilities = network.transform(X), network.predict_proba(X)
    assert features.shape == (12, len(network.get_feature_names_out()))
    assert probabilities.shape == (12, 2)
    # One sample at a time, or all together: the same numbers.
    one = np.concatenate([network.transform(X[k : k + 1]) for k in range(3)])
    if np.isfinite(features).all():
        np.testing.assert_allclose(
            one, features[:3], rtol=1e-3, atol=1e-4 * (1 + np.abs(features).max())
        )


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.just(10**30),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.lists(st.integers(-1, 5), max_size=4),
    st.tuples(st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9)),
    st.sampled_from(
        [
            "auto",
            "onednn",
            "portable",
            "dense",
            "conv2d1",
            "adam",
            "sgd",
            "squared_error",
            "balanced",
            np.float32(0.1),
            np.int8(2),
            np.nan,
            object(),
            print,
            {},
            {"dense": 1e-3},
        ]
    ),
)
PARAMETERS = [
    name
    for name in ConvNetClassifier()._get_param_names()
    if name not in ("layers", "verbose", "max_epochs")
] + [
    "conv2d1_num_filters",
    "conv2d1_filter_size",
    "maxpool1_pool_size",
    "dense_num_units",
    "dropout1_p",
    "dense_nonlinearity",
    "nothing_at_all",
    "update_beta1",
    "output_num_units",
]


@given(params=st.dictionaries(st.sampled_from(PARAMETERS), ANYTHING, min_size=1, max_size=2))
@profile(40)
def test_any_parameter(params):
    rng = np.random.default_rng(0)
    X, y = rng.random((12, 1, 8, 8)), np.arange(12) % 2
    counts.add("parameters tried")
    network = outcome(lambda: ConvNetClassifier(max_epochs=1, **params))
    if network is None:
        return
    assert {key: network.get_params()[key] for key in params} == params or _unequal(params)
    if outcome(lambda: network.fit(X, y)) is not None:
        outcome(lambda: network.transform(X))


def _unequal(params):
    """Whether some value is not equal to itself, as NaN."""
    return any(value != value for value in params.values())


EXTREMES = {
    "no samples": (np.zeros((0, 1, 8, 8)), np.zeros(0, int)),
    "no pixels": (np.zeros((4, 1, 0, 8)), np.arange(4) % 2),
    "no channels": (np.zeros((4, 0, 8, 8)), np.arange(4) % 2),
    "one sample": (np.zeros((1, 1, 8, 8)), np.zeros(1, int)),
    "two samples": (np.eye(2).reshape(2, 1, 2, 1), np.arange(2)),
    "one pixel": (np.arange(20.0).reshape(20, 1, 1, 1), np.arange(20) % 2),
    "ten thousand channels": (np.random.default_rng(0).random((6, 10_000, 2, 2)), np.arange(6) % 2),
    "one row": (np.random.default_rng(0).random((6, 1, 1, 3000)), np.arange(6) % 2),
    "as many classes as samples": (np.random.default_rng(0).random((30, 1, 6, 6)), np.arange(30)),
    "constant": (np.ones((20, 1, 8, 8)), np.arange(20) % 2),
    "the largest floats": (np.full((20, 1, 8, 8), np.finfo("float64").max), np.arange(20) % 2),
    "large for float32": (np.full((20, 1, 8, 8), 1e39), np.arange(20) % 2),
    "denormal": (np.full((20, 1, 8, 8), 5e-324), np.arange(20) % 2),
    "large integers": (np.full((20, 1, 8, 8), 2**62), np.arange(20) % 2),
}


@pytest.mark.parametrize("case", list(EXTREMES))
def test_extremes(case):
    X, y = EXTREMES[case]
    counts.add("extreme inputs tried")
    network = ConvNetClassifier(max_epochs=1, random_state=0)
    if outcome(lambda: network.fit(X, y)) is not None:
        assert np.isfinite(network.transform(X)).all()


def test_what_counts_as_an_answer():
    """The judge of the tests above tells accidents from answers."""
    network = ConvNetClassifier(max_epochs=1)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        network.fit(np.full((4, 9), np.nan), [0, 1, 0, 1])
    assert answered(caught.value)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        np.zeros(3).reshape(2, 2)
    assert not answered(caught.value)
    assert not answered(KeyError("x"))
    assert not answered(ZeroDivisionError())
    from convnet_features.kernels.registry import get_kernels

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        get_kernels("portable").dot(np.zeros((2, 3)), np.zeros((4, 5)))
    assert not answered(caught.value)
