"""
Tutorial: features from a ConvNet, step by step
===============================================

This tutorial trains a convolutional network on MNIST, looks at its filters,
compiles a function up to any layer, and uses the activations of the dense layer
as features for ordinary classifiers. A tutorial of 2015 took the same steps with
Lasagne, nolearn and Theano. The code on this page made all of its numbers and
pictures.

The tutorial uses MNIST if the files are on this machine or can be downloaded
(``load_mnist`` lists the places). Otherwise it uses scikit-learn's digits of 8×8
pixels, with smaller pictures and other accuracies. The first lines of its output
say which data it uses.

The environment variable ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the tutorial to
a thousand images and one epoch, without a download. The tests run it in this way.
"""

# %%
# Load the data
# -------------
# 50,000 images are for training, 10,000 for validation, and 10,000 for testing.
import os

import matplotlib.pyplot as plt
import numpy as np

from convnet_features.datasets import load_digits_images, load_mnist
from convnet_features.exceptions import DatasetNotFoundError

QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"

try:
    six = load_mnist(download_if_missing=not QUICK)
    X_train, y_train, X_val, y_val, X_test, y_test = six
    print("Running on MNIST.")
except DatasetNotFoundError:
    X, y = load_digits_images()
    X_train, X_val, X_test = X[:1000], X[1000:1400], X[1400:]
    y_train, y_val, y_test = y[:1000], y[1000:1400], y[1400:]
    print("MNIST is not at hand, and not to be downloaded.")
    print("Running on scikit-learn's 8x8 digits.")

if QUICK:
    X_train, y_train = X_train[:1000], y_train[:1000]
    X_val, y_val, X_test, y_test = X_val[:300], y_val[:300], X_test[:300], y_test[:300]
    print("CONVNET_FEATURES_EXAMPLES=quick: a thousand images and one epoch.")

print(f"X_train: {X_train.shape}, {X_train.dtype}")
print(f"y_train: {y_train.shape}, {y_train.dtype}")

# %%
# Look at the images
# ------------------
# Images have the axes (sample, channel, height, width).
fig, ax = plt.subplots(figsize=(3, 3), layout="constrained")
ax.imshow(X_train[0, 0], cmap="gray_r", interpolation="nearest")
ax.set_title(f"a {y_train[0]}")
ax.set_axis_off()

# %%
# Define the network
# ------------------
# The network is a list of names and Lasagne's classes. Their arguments are called
# ``<layer>_<argument>``, as in nolearn. The network has two convolutions with ReLU
# activations and a max pooling behind each, then a dense layer of 256 units between
# two dropout layers, then the ten classes. (``layers=None`` makes the same network.)
# Images of 8×8 are too small for filters of 5×5.
from lasagne import layers, nonlinearities

from convnet_features import ConvNetFeatureExtractor

small = X_train.shape[-1] < 16
filter_size, pad = ((3, 3), "same") if small else ((5, 5), "valid")

net = ConvNetFeatureExtractor(
    layers=[
        ("input", layers.InputLayer),
        ("conv2d1", layers.Conv2DLayer),
        ("maxpool1", layers.MaxPool2DLayer),
        ("conv2d2", layers.Conv2DLayer),
        ("maxpool2", layers.MaxPool2DLayer),
        ("dropout1", layers.DropoutLayer),
        ("dense", layers.DenseLayer),
        ("dropout2", layers.DropoutLayer),
        ("output", layers.DenseLayer),
    ],
    conv2d1_num_filters=32,
    conv2d1_filter_size=filter_size,
    conv2d1_pad=pad,
    conv2d1_nonlinearity=nonlinearities.rectify,
    maxpool1_pool_size=(2, 2),
    conv2d2_num_filters=32,
    conv2d2_filter_size=filter_size,
    conv2d2_pad=pad,
    conv2d2_nonlinearity=nonlinearities.rectify,
    maxpool2_pool_size=(2, 2),
    dropout1_p=0.5,
    dense_num_units=256,
    dense_nonlinearity=nonlinearities.rectify,
    dropout2_p=0.5,
    output_num_units=10,
    output_nonlinearity=nonlinearities.softmax,
    # How it learns.
    update="nesterov_momentum",
    update_learning_rate=0.01,
    update_momentum=0.9,
    max_epochs=1 if QUICK else (40 if small else 10),
    batch_size=32 if small else 128,
    random_state=0,
    verbose=1,
)

# %%
# Train the network
# -----------------
# A fifth of the training images is validation data.
net.fit(X_train, y_train)

# %%
# The learning curves show the same numbers. The training loss stays above the
# validation loss, because dropout is on in training and off in validation.
from convnet_features.inspection import LearningCurvesDisplay

curves = LearningCurvesDisplay.from_estimator(net).plot()

# %%
# Predictions
# -----------
predictions = net.predict(X_test)
accuracy = np.mean(predictions == y_test)
print(f"Accuracy on {len(X_test):,} test images: {accuracy:.4f}")

# %%
# scikit-learn draws the confusion matrix.
from sklearn.metrics import ConfusionMatrixDisplay

fig, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
matrix = ConfusionMatrixDisplay.from_predictions(
    y_test, predictions, ax=ax, cmap="Blues", colorbar=False
)

# %%
# Look at the filters
# -------------------
# These are the 32 filters of the first convolution. The smallest weight of each
# filter is black and the largest is white. nolearn's
# ``visualize.plot_conv_weights(net.layers_["conv2d1"])`` has the same name in
# ``convnet_features.inspection``.
from convnet_features.inspection import FiltersDisplay

filters = FiltersDisplay.from_estimator(net, layer="conv2d1")
filters.plot(n_columns=8, figsize=(7, 3.8))

# %%
# The activation maps show the output of these filters for one image.
from convnet_features.inspection import ActivationMapsDisplay

maps = ActivationMapsDisplay.from_estimator(net, X_test[:1], layer="conv2d1")
maps.plot()

# %%
# Compile a function up to any layer
# ----------------------------------
# ``net.layers_`` holds real Lasagne layers. Theano compiles an expression for the
# output of a layer, as in 2015. ``deterministic=True`` switches dropout off:
import theano

dense_layer = layers.get_output(net.layers_["dense"], deterministic=True)
output_layer = layers.get_output(net.layers_["output"], deterministic=True)
input_var = net.layers_["input"].input_var

f_output = theano.function([input_var], output_layer)
f_dense = theano.function([input_var], dense_layer)

# %%
# This function does not know the estimator. Scale the pixels yourself if ``fit``
# scaled them (``net.input_scale_`` is not 1). ``layer_function`` scales them, and is
# faster:
instance = X_test[:1]
scaled = instance * np.float32(net.input_scale_)
probabilities = net.layer_function("output")
activations = net.layer_function("dense")

print("input_scale_:", net.input_scale_)
print("same output:", np.allclose(f_output(scaled), probabilities(instance), atol=1e-5))
print("same activations:", np.allclose(f_dense(scaled), activations(instance), atol=1e-4))

# %%
# This is the time for one image, from pixels to probabilities, the best of several runs:
import timeit

runs = 3 if QUICK else 20
for name, function, image in [
    ("theano.function", f_output, scaled),
    ("layer_function", probabilities, instance),
]:
    times = timeit.repeat(lambda f=function, x=image: f(x), number=20, repeat=runs)
    print(f"{name:<16} {1e6 * min(times) / 20:7.0f} µs an image")

# %%
# Look at the activations of one image
# ------------------------------------
# The bars show the ten probabilities and the 256 activations of the dense layer, which
# are the features. Many of them are zero because of ReLU.
from convnet_features.inspection import LayerActivationsDisplay

bars = LayerActivationsDisplay.from_estimator(net, instance).plot()
bars.figure_.suptitle(f"a {y_test[0]}")

# %%
# Use the features in other classifiers
# -------------------------------------
# ``transform`` returns the activations of the dense layer. The classifiers learn from
# the validation images. The network was not trained on these images, so their features
# are like the features of new images.
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

rows = slice(0, 5000)
pixels = [images.reshape(len(images), -1) for images in (X_val[rows], X_test)]
features = [net.transform(images) for images in (X_val[rows], X_test)]
print("features:", features[0].shape, features[0].dtype)

for name, classifier in {
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "SVC": SVC(),
}.items():
    for source, (train, test) in {"pixels": pixels, "features": features}.items():
        classifier.fit(train, y_val[rows])
        print(f"{name:<18} on {source:<8}: {classifier.score(test, y_test):.4f}")

# %%
# PCA shows the features of 1,000 test images in two dimensions.
from convnet_features.inspection import FeatureEmbeddingDisplay

embedding = FeatureEmbeddingDisplay.from_estimator(net, X_test[:1000], y_test[:1000])
embedding.plot()

# %%
# Put everything into one Pipeline
# --------------------------------
# The Pipeline is one estimator for ``GridSearchCV``, ``cross_val_score`` and ``pickle``.
model = make_pipeline(
    ConvNetFeatureExtractor(max_epochs=1 if QUICK else 3, random_state=0),
    LogisticRegression(max_iter=1000),
)
model.fit(X_train[:10_000], y_train[:10_000])
print(f"Pipeline: {model.score(X_test, y_test):.4f}")

plt.show()
