"""Writing to parameters in every way there is: features are of what was written."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytensor
import pytest
import theano
from lasagne.layers import DenseLayer, InputLayer
from pytensor.link.basic import Container

from convnet_features import ConvNetFeatureExtractor
from convnet_features.kernels.registry import available_engines
from convnet_features.network.laid_out import LaidOut
from convnet_features.network.model import Model

needs_onednn = pytest.mark.skipif(
    "onednn" not in available_engines(), reason="other engines lay nothing out"
)


@pytest.fixture(params=["portable", "onednn"])
def fitted(request, rng):
    """A fitted extractor that has made features already, and images."""
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not on this machine")
    X, y = images_of(rng)
    extractor = ConvNetFeatureExtractor(
        max_epochs=1, batch_size=8, validation_fraction=None, engine=request.param, random_state=0
    )
    extractor.fit(X, y)
    for _ in range(3):
        extractor.transform(X)
    return extractor, X


@pytest.fixture
def looked(monkeypatch):
    """How often parameters were looked at, to see whether they have changed."""
    looks, is_for = [], LaidOut.is_for
    monkeypatch.setattr(
        LaidOut, "is_for", lambda self, theta: looks.append(1) or is_for(self, theta)
    )
    return looks


def images_of(rng, n_samples=24):
    X = rng.standard_normal((n_samples, 1, 8, 8)).astype("float32")
    return X, np.arange(n_samples) % 3


def weights(extractor):
    return extractor.layers_["dense"].W


def assert_right(extractor, X, before=None):
    """Features are, bit for bit, of the weights that the variables hold, and not those of before.

    A pickle has never laid parameters out.
    """
    features = extractor.transform(X)
    np.testing.assert_array_equal(features, pickle.loads(pickle.dumps(extractor)).transform(X))
    again = ConvNetFeatureExtractor.__new__(type(extractor))
    vars(again).update(vars(copy.deepcopy(extractor)), engine="portable")
    np.testing.assert_allclose(features, again.transform(X), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(features, extractor.transform(X))
    if before is not None:
        assert not np.array_equal(features, before)
    return features


def set_value(variable):
    variable.set_value(variable.get_value() * 2)


def set_borrowed_value(variable):
    variable.set_value(variable.get_value() * 2, borrow=True)


def write_into_borrowed(variable):
    variable.get_value(borrow=True)[...] *= 2


def write_into_a_part(variable):
    variable.get_value(borrow=True)[:1].T[...] += 3


def write_into_its_base(variable):
    variable.get_value(borrow=True).base[...] *= 2


def write_through_memory(variable):
    view = memoryview(variable.get_value(borrow=True))
    np.frombuffer(view, dtype="float32")[...] *= 2


def write_into_a_clone(variable):
    variable.clone().get_value(borrow=True)[...] *= 2


def set_container(variable):
    variable.container.value = variable.get_value() * 2


def write_into_containers_data(variable):
    variable.container.data[...] *= 2


def put_into_storage(variable):
    variable.container.storage[0] = variable.get_value() * 2


def write_into_storage(variable):
    variable.container.storage[0][...] *= 2


def put_another_container(variable):
    plain = Container(variable, [variable.get_value() * 2])
    variable.container = plain


def update_by_theano(variable):
    theano.function([], updates=[(variable, variable * 2)])()


def update_by_pytensor(variable):
    pytensor.function([], updates=[(variable, variable * 2)], mode="FAST_COMPILE")()


WAYS = [
    set_value,
    set_borrowed_value,
    write_into_borrowed,
    write_into_a_part,
    write_into_its_base,
    write_through_memory,
    write_into_a_clone,
    set_container,
    write_into_containers_data,
    put_into_storage,
    write_into_storage,
    put_another_container,
    update_by_theano,
    update_by_pytensor,
]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_to_a_variable_counts(way, fitted):
    extractor, X = fitted
    variable = weights(extractor)
    for _ in range(3):
        before = extractor.transform(X)
        way(variable)
        assert_right(extractor, X, before)


HOLDS = {
    "an array": lambda variable: variable.get_value(borrow=True),
    "a part": lambda variable: variable.get_value(borrow=True)[1:, ::2],
    "all parameters": lambda variable: variable.get_value(borrow=True).base,
    "a container's value": lambda variable: variable.container.value,
    "memory": lambda variable: np.asarray(memoryview(variable.get_value(borrow=True))),
}


@pytest.mark.parametrize("hold", HOLDS)
def test_what_is_written_later_counts(hold, fitted):
    extractor, X = fitted
    held = HOLDS[hold](weights(extractor))
    for _ in range(3):
        before = extractor.transform(X)
        np.testing.assert_array_equal(extractor.transform(X), before)
        held[...] *= 2
        assert_right(extractor, X, before)


def test_what_is_written_through_a_weak_reference_counts(fitted):
    extractor, X = fitted
    seen = weakref.ref(weights(extractor).get_value(borrow=True))
    for _ in range(3):
        before = extractor.transform(X)
        extractor.transform(X)
        seen()[...] *= 2
        assert_right(extractor, X, before)


def test_what_is_written_to_the_buffers_of_a_pickle_counts(fitted):
    extractor, X = fitted
    buffers = []
    pickle.dumps(extractor, protocol=5, buffer_callback=buffers.append)
    arrays = [
        np.frombuffer(buffer, "float32") for buffer in buffers if buffer.raw().nbytes % 4 == 0
    ]
    theta = max(arrays, key=len)
    for _ in range(3):
        before = extractor.transform(X)
        extractor.transform(X)
        theta *= 2
        assert_right(extractor, X, before)


def test_the_same_bits_in_another_order_count():
    first = DenseLayer(InputLayer((None, 1, 3, 3)), 9, name="first")
    second = DenseLayer(first, 9, name="second")
    X = np.ones((2, 1, 3, 3), "float32")
    model = Model(second, (1, 3, 3), None, "numbers")
    model.outputs(["second"], X)
    values = [layer.W.get_value() for layer in (second, first)]
    model.freeze(["first"])
    for layer, value in zip((first, second), values, strict=True):
        layer.W.set_value(value)
    right = X.reshape(2, 9)
    for value in values:
        right = np.maximum(right @ value, 0)
    np.testing.assert_allclose(model.outputs(["second"], X)[0], right, 1e-5, 1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="of one system is enough")
def test_loans_are_seen_where_python_was_traced_meanwhile():
    code = """
import sys
import numpy as np
from lasagne.layers import DenseLayer, InputLayer

def trace(frame, event, argument):
    frame.f_locals
    return trace

from importlib import import_module, reload
loans = import_module("convnet_features.network.loans")
sys.settrace(trace)
reload(loans)
sys.settrace(None)
theta = np.zeros(4, "float32")
from pytensor import shared
variable = shared(np.zeros(2, "float32"))
variable.set_value(theta[:2], borrow=True)
watched = loans.Loans(theta, [(variable, variable.get_value(borrow=True))])
del theta
assert not watched.are_open()
held = variable.get_value(borrow=True)
assert watched.are_open()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_put_into_a_held_storage_later_counts(fitted):
    extractor, X = fitted
    variable = weights(extractor)
    storage = variable.container.storage
    for write in (lambda: storage[0].fill(0.25), lambda: storage.__setitem__(0, storage[0] * 2)):
        before = extractor.transform(X)
        extractor.transform(X)
        write()
        assert_right(extractor, X, before)


@pytest.mark.parametrize("make", [theano.function, pytensor.function])
def test_functions_that_update_later_count(make, fitted):
    extractor, X = fitted
    variable = weights(extractor)
    mode = {} if make is theano.function else {"mode": "FAST_COMPILE"}
    update = make([], updates=[(variable, variable * 2)], **mode)
    for _ in range(3):
        before = extractor.transform(X)
        extractor.transform(X)
        update()
        assert_right(extractor, X, before)


def test_a_borrowed_value_belongs_to_the_variable(fitted):
    extractor, X = fitted
    given = weights(extractor).get_value() * 2
    weights(extractor).set_value(given, borrow=True)
    first = assert_right(extractor, X)
    given *= 2
    np.testing.assert_array_equal(extractor.transform(X), first)
    np.testing.assert_array_equal(weights(extractor).get_value(), given / 2)


def test_training_on_counts(fitted, rng):
    extractor, X = fitted
    _, y = images_of(rng)
    before = extractor.transform(X)
    extractor.partial_fit(X, y)
    before = assert_right(extractor, X, before)
    extractor.set_params(warm_start=True).fit(X, y)
    before = assert_right(extractor, X, before)
    extractor.set_params(warm_start=False, random_state=1).fit(X, y)
    assert_right(extractor, X, before)


def test_loaded_parameters_count(fitted, rng, tmp_path):
    extractor, X = fitted
    path = tmp_path / "weights.npz"
    weights(extractor).get_value(borrow=True)[...] *= 2
    doubled = extractor.transform(X)
    extractor.save_params(path)
    weights(extractor).get_value(borrow=True)[...] /= 2
    assert not np.array_equal(extractor.transform(X), doubled)
    extractor.load_params(path)
    np.testing.assert_array_equal(extractor.transform(X), doubled)


def test_another_feature_layer_counts(fitted):
    extractor, X = fitted
    weights(extractor).get_value(borrow=True)[...] *= 2
    extractor.set_params(feature_layer="output")
    before = assert_right(extractor, X)
    extractor.layers_["output"].W.get_value(borrow=True)[...] *= 2
    assert_right(extractor, X, before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_are_written_to_by_themselves(copied, fitted):
    extractor, X = fitted
    before = extractor.transform(X)
    other = copied(extractor)
    np.testing.assert_array_equal(other.transform(X), before)
    other.transform(X)
    weights(other).get_value(borrow=True)[...] *= 2
    assert_right(other, X, before)
    np.testing.assert_array_equal(assert_right(extractor, X), before)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # CPython's: of threads and forks
def test_a_forked_child_writes_by_itself(fitted):
    extractor, X = fitted
    before = extractor.transform(X)
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def child():
        weights(extractor).get_value(borrow=True)[...] *= 2
        sending.send((extractor.transform(X), extractor.transform(X)))

    process = context.Process(target=child)
    process.start()
    once, twice = receiving.recv()
    process.join()
    np.testing.assert_array_equal(extractor.transform(X), before)
    weights(extractor).get_value(borrow=True)[...] *= 2
    np.testing.assert_array_equal(extractor.transform(X), once)
    np.testing.assert_array_equal(once, twice)


def test_threads_that_write_and_compute(fitted):
    extractor, X = fitted
    done = threading.Event()

    def computing():
        while not done.is_set():
            extractor.transform(X)

    threads = [threading.Thread(target=computing) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for _ in range(30):
            weights(extractor).get_value(borrow=True)[0, 0] += 1
            features = extractor.transform(X)
            np.testing.assert_array_equal(
                features, pickle.loads(pickle.dumps(extractor)).transform(X)
            )
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)


def test_layers_that_two_models_share(rng):
    layer = DenseLayer(InputLayer((None, 1, 3, 3)), 5, name="dense")
    X, _ = images_of(rng)
    X = X[:, :, :3, :3].copy()
    one, two = (Model(layer, (1, 3, 3), None, "numbers") for _ in range(2))
    for _ in range(3):
        for model in (one, two):
            model.outputs(["dense"], X)
        layer.W.get_value(borrow=True)[...] *= 2
        right = np.maximum(X.reshape(len(X), -1) @ layer.W.get_value() + layer.b.get_value(), 0)
        for model in (one, two):
            np.testing.assert_allclose(model.outputs(["dense"], X)[0], right, 1e-5, 1e-5)


def test_a_watched_variable_is_pickled_as_any_other(fitted):
    extractor, _ = fitted
    variable = weights(extractor)
    assert type(variable.container) is not Container
    for other in (pickle.loads(pickle.dumps(variable)), copy.copy(variable.container)):
        assert type(getattr(other, "container", other)) is Container
    np.testing.assert_array_equal(copy.deepcopy(variable).get_value(), variable.get_value())


@needs_onednn
def test_parameters_that_nobody_has_got_are_not_looked_at(looked, rng):
    X, y = images_of(rng)
    extractor = ConvNetFeatureExtractor(max_epochs=1, engine="onednn", random_state=0).fit(X, y)
    gc.collect()  # no cycle that training left holds parameters
    for _ in range(3):
        extractor.transform(X)
    looked.clear()
    for n_samples in (1, 5, 24):
        extractor.transform(X[:n_samples])
        extractor.predict(X[:n_samples])
    extractor.set_params(feature_layer="output").transform(X)
    extractor.transform(X)
    # A program for other layers reads the parameters' shapes off the variables.
    assert len(looked) <= 2


@needs_onednn
def test_parameters_are_looked_at_as_long_as_somebody_has_them(looked, rng):
    X, y = images_of(rng)
    extractor = ConvNetFeatureExtractor(max_epochs=1, engine="onednn", random_state=0).fit(X, y)
    gc.collect()  # no cycle that training left holds parameters
    part = weights(extractor).get_value(borrow=True)[:2]
    for _ in range(2):
        extractor.transform(X)
    looked.clear()
    for _ in range(5):
        extractor.transform(X)
    assert len(looked) == 5
    del part
    extractor.transform(X)
    looked.clear()
    for _ in range(5):
        extractor.transform(X)
    assert not looked


@needs_onednn
def test_memory_of_others_is_copied_once(looked, rng, tmp_path):
    import joblib

    X, y = images_of(rng)
    extractor = ConvNetFeatureExtractor(max_epochs=1, engine="onednn", random_state=0).fit(X, y)
    gc.collect()  # no cycle that training left holds parameters
    right = extractor.transform(X)
    joblib.dump(extractor, tmp_path / "extractor")
    others = [pickle.loads(pickle.dumps(extractor, protocol=5))]
    others += [joblib.load(tmp_path / "extractor", mmap_mode=mode) for mode in ("r", "r+", "c")]
    for other in others:
        for _ in range(2):
            np.testing.assert_array_equal(other.transform(X), right)
        looked.clear()
        other.transform(X)
        assert not looked
        weights(other).get_value(borrow=True)[...] *= 2
        assert not np.array_equal(other.transform(X), right)
    np.testing.assert_array_equal(extractor.transform(X), right)
