"""The script of the 2015 tutorial, at reduced size.

Lasagne and nolearn on MNIST: train a network of nine layers, look at its
filters, compile functions up to its layers, and feed the dense layer's
activations to classifiers. Only the imports of Python 2 and of ``nolearn`` are
other ones, the images fewer, and the window is not shown.
"""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest

pytest.importorskip("matplotlib")

# The form of the tutorial's script, run as a script is: at module level, in one namespace.
SCRIPT = """
import os
import gzip
import pickle
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import matplotlib.cm as cm
import numpy as np

import theano
import lasagne
from lasagne import layers
from lasagne.updates import nesterov_momentum

from convnet_features.nolearn import NeuralNet
from convnet_features.nolearn import visualize

from sklearn.metrics import classification_report
from sklearn.metrics import confusion_matrix


def load_dataset():
    with gzip.open(FILENAME, "rb") as f:
        data = pickle.load(f)
    X_train, y_train = data[0]
    X_val, y_val = data[1]
    X_test, y_test = data[2]
    X_train = X_train.reshape((-1, 1, 28, 28))
    X_val = X_val.reshape((-1, 1, 28, 28))
    X_test = X_test.reshape((-1, 1, 28, 28))
    y_train = y_train.astype(np.uint8)
    y_val = y_val.astype(np.uint8)
    y_test = y_test.astype(np.uint8)
    return X_train, y_train, X_val, y_val, X_test, y_test


X_train, y_train, X_val, y_val, X_test, y_test = load_dataset()
plt.imshow(X_train[0][0], cmap=cm.binary)

net1 = NeuralNet(
    layers=[("input", layers.InputLayer),
            ("conv2d1", layers.Conv2DLayer),
            ("maxpool1", layers.MaxPool2DLayer),
            ("conv2d2", layers.Conv2DLayer),
            ("maxpool2", layers.MaxPool2DLayer),
            ("dropout1", layers.DropoutLayer),
            ("dense", layers.DenseLayer),
            ("dropout2", layers.DropoutLayer),
            ("output", layers.DenseLayer),
            ],
    # input layer
    input_shape=(None, 1, 28, 28),
    # layer conv2d1
    conv2d1_num_filters=32,
    conv2d1_filter_size=(5, 5),
    conv2d1_nonlinearity=lasagne.nonlinearities.rectify,
    conv2d1_W=lasagne.init.GlorotUniform(),
    # layer maxpool1
    maxpool1_pool_size=(2, 2),
    # layer conv2d2
    conv2d2_num_filters=32,
    conv2d2_filter_size=(5, 5),
    conv2d2_nonlinearity=lasagne.nonlinearities.rectify,
    # layer maxpool2
    maxpool2_pool_size=(2, 2),
    # dropout1
    dropout1_p=0.5,
    # dense
    dense_num_units=256,
    dense_nonlinearity=lasagne.nonlinearities.rectify,
    # dropout2
    dropout2_p=0.5,
    # output
    output_nonlinearity=lasagne.nonlinearities.softmax,
    output_num_units=10,
    # optimization method params
    update=nesterov_momentum,
    update_learning_rate=0.01,
    update_momentum=0.9,
    max_epochs=EPOCHS,
    verbose=1,
    )

nn = net1.fit(X_train, y_train)

preds = net1.predict(X_test)
cm = confusion_matrix(y_test, preds)
plt.matshow(cm)
plt.title("Confusion matrix")
plt.colorbar()
plt.ylabel("True label")
plt.xlabel("Predicted label")

visualize.plot_conv_weights(net1.layers_["conv2d1"])

dense_layer = layers.get_output(net1.layers_["dense"], deterministic=True)
output_layer = layers.get_output(net1.layers_["output"], deterministic=True)
input_var = net1.layers_["input"].input_var
f_output = theano.function([input_var], output_layer)
f_dense = theano.function([input_var], dense_layer)

instance = X_test[0][None, :, :]
pred = f_output(instance)
N = pred.shape[1]
plt.bar(range(N), pred.ravel())

pred = f_dense(instance)
N = pred.shape[1]
plt.bar(range(N), pred.ravel())
"""


def strokes(n_samples, rng):
    """28×28 images of ten classes: a bright bar whose direction is the class, and noise."""
    y = rng.integers(10, size=n_samples)
    rows, columns = np.mgrid[-13.5:14.5, -13.5:14.5]
    angle = np.pi * (y + rng.normal(scale=0.1, size=n_samples)) / 10
    off_the_bar = np.cos(angle)[:, None, None] * rows - np.sin(angle)[:, None, None] * columns
    images = np.exp(-((off_the_bar / 2) ** 2)) + rng.normal(scale=0.1, size=(n_samples, 28, 28))
    return images.reshape(n_samples, 784).clip(0, 0.99).astype(np.float32), y


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script's names after it has run to its end, and what it printed."""
    from contextlib import redirect_stdout
    from io import StringIO

    import lasagne.random
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(2015)
    path = tmp_path_factory.mktemp("tutorial") / "mnist.pkl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump([strokes(n, rng) for n in (800, 10, 200)], file)
    names = {"FILENAME": path, "EPOCHS": 10, "__name__": "tutorial"}
    printed, source = StringIO(), lasagne.random.get_rng()
    lasagne.random.set_rng(np.random.RandomState(2015))
    try:
        with redirect_stdout(printed):
            exec(compile(SCRIPT, "tutorial.py", "exec"), names)
    finally:
        lasagne.random.set_rng(source)
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    return names | {"printed": printed.getvalue(), "figures": figures}


def test_it_learns(script):
    accuracy = np.trace(script["cm"]) / script["cm"].sum()
    assert accuracy > 0.8
    history = script["net1"].train_history_
    assert [record["epoch"] for record in history] == list(range(1, 11))
    assert history[-1]["valid_loss"] < history[0]["valid_loss"]


def test_it_prints_the_network_and_a_line_an_epoch(script):
    printed = script["printed"]
    assert "160,362 learnable parameters" in printed
    assert "conv2d2   32x8x8" in printed
    assert "trn loss" in printed
    assert len(printed.strip().split("dur")[1].splitlines()) == 12


def test_functions_compiled_up_to_a_layer_see_the_trained_weights(script):
    X_test, net = script["X_test"], script["net1"]
    probabilities = script["f_output"](X_test)
    np.testing.assert_allclose(probabilities, net.predict_proba(X_test), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), script["preds"])
    features = script["f_dense"](X_test)
    assert features.shape == (200, 256)
    np.testing.assert_allclose(features, net.get_output("dense", X_test), rtol=1e-4, atol=1e-5)


def test_it_draws_the_filters(script):
    axes = {each.get_title(): each for figure in script["figures"] for each in figure.axes}
    assert "Confusion matrix" in axes
    # 32 filters of 5x5, a pixel apart.
    height, width = axes["conv2d1"].images[0].get_array().shape[:2]
    assert height * width >= 32 * 5 * 5


def test_features_go_into_classifiers(script):
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    f_dense = script["f_dense"]
    train, test = f_dense(script["X_train"]), f_dense(script["X_test"])
    for classifier in (LogisticRegression(max_iter=1000), SVC()):
        assert classifier.fit(train, script["y_train"]).score(test, script["y_test"]) > 0.8


@pytest.mark.slow
@pytest.mark.data
def test_the_real_thing_learns_mnist(data_folder, tmp_path):
    """5,000 digits of MNIST itself, three epochs."""
    from convnet_features.datasets import load_mnist

    X, y, X_val, y_val, X_test, y_test = load_mnist(data_home=data_folder)
    parts = [(X[:5000], y[:5000]), (X_val[:10], y_val[:10]), (X_test[:1000], y_test[:1000])]
    path = tmp_path / "mnist.pkl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump(parts, file)
    names = {"FILENAME": path, "EPOCHS": 3, "__name__": "tutorial"}
    exec(compile(SCRIPT, "tutorial.py", "exec"), names)
    assert np.trace(names["cm"]) / names["cm"].sum() > 0.85
