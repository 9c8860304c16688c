"""
Transfer learning: from some digits to others
=============================================

This example trains a network on the digits 0 to 4 and uses its layers for the digits 5 to 9,
with 10, 50 and 200 labelled examples of each. It compares feature extraction and
fine-tuning with a classifier on raw pixels, and with a network that is trained from scratch
on the same examples.

MNIST comes from the folder that ``CONVNET_FEATURES_DATA`` names, from the cache, or from a
mirror. ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the script to few images.
"""

# %%
import os
import warnings

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.datasets import load_mnist

QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
LABELLED = (10,) if QUICK else (10, 50, 200)
DRAWS = 1 if QUICK else 3

X, y, _, _, X_test, y_test = load_mnist()
if QUICK:
    X, y, X_test, y_test = X[:1500], y[:1500], X_test[:500], y_test[:500]

# %%
# Train on the digits 0 to 4
# --------------------------
# This is the default network.

old, new, tested = y < 5, y >= 5, y_test >= 5
extractor = ConvNetFeatureExtractor(max_epochs=1 if QUICK else 5, random_state=0)
extractor.fit(X[old], y[old])
print(f"digits 0 to 4: validation accuracy {extractor.validation_scores_[-1]:.4f}")

# %%
# Transfer to the digits 5 to 9
# -----------------------------
# There are three ways of transfer learning: feature extraction for a logistic regression (a
# `FrozenEstimator` is not trained again), fine-tuning with frozen convolutions, and
# fine-tuning of all layers. The output layer starts from new weights, because the digits
# differ. A warning says so in each fit.

warnings.filterwarnings("ignore", message="pretrained: the parameters of 'output'")


def logistic_regression():
    return LogisticRegression(max_iter=2000, C=0.1)


def network(**params):
    return ConvNetClassifier(
        max_epochs=3 if QUICK else "auto", validation_fraction=None, random_state=0, **params
    )


CONTESTANTS = {
    "raw pixels": logistic_regression,
    "from scratch": network,
    "features as they are": lambda: make_pipeline(
        FrozenEstimator(extractor), logistic_regression()
    ),
    "convolutions frozen": lambda: network(
        pretrained=FrozenEstimator(extractor), freeze=["conv2d1", "conv2d2"]
    ),
    "a beginning": lambda: network(pretrained=FrozenEstimator(extractor)),
}


def draw(n_labelled, seed):
    """So many examples of each of the digits 5 to 9."""
    random = np.random.default_rng(seed)
    rows = [random.choice(np.flatnonzero(y == digit), n_labelled, False) for digit in range(5, 10)]
    return np.concatenate(rows)


def flat(model, images):
    """Scikit-learn's own models want rows of pixels."""
    return images.reshape(len(images), -1) if isinstance(model, LogisticRegression) else images


# %%
# Test accuracy
# -------------
# This is the accuracy on the test images of the digits 5 to 9, the mean of three draws.

print(f"{'examples of each digit':<24}" + "".join(f"{n:>8}" for n in LABELLED))
for name, make in CONTESTANTS.items():
    accuracies = []
    for n_labelled in LABELLED:
        scores = []
        for seed in range(DRAWS):
            rows, model = draw(n_labelled, seed), make()
            model.fit(flat(model, X[rows]), y[rows])
            scores.append(model.score(flat(model, X_test[tested]), y_test[tested]))
        accuracies.append(np.mean(scores))
    print(f"{name:<24}" + "".join(f"{accuracy:>8.3f}" for accuracy in accuracies), flush=True)

# sphinx_gallery_thumbnail_path = '_static/thumbnails/transfer.png'
