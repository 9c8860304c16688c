"""
What a network has learnt
=========================

Every display on one network, trained on the digits that ship with
scikit-learn. Each works from the extractor as well as from the Pipeline it
stands in; ``from_estimator`` computes, ``plot`` draws.

With ``CONVNET_FEATURES_EXAMPLES=quick`` in the environment the network trains
for two epochs only, and t-SNE places a hundred digits.
"""

# %%
# A Pipeline
# ----------
import os

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetFeatureExtractor
from convnet_features.datasets import load_digits_images

QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"

X, y = load_digits_images()
parts = train_test_split(X, y, stratify=y, random_state=0)
X_train, X_test, y_train, y_test = parts

model = make_pipeline(
    ConvNetFeatureExtractor(max_epochs=2 if QUICK else "auto", random_state=0),
    LogisticRegression(max_iter=5000),
)
model.fit(X_train, y_train)
print(f"Accuracy on {len(X_test)} other digits: {model.score(X_test, y_test):.4f}")

# %%
# The layers
# ----------
from convnet_features.inspection import ArchitectureDisplay

architecture = ArchitectureDisplay.from_estimator(model).plot()

# %%
# The learning curves
# -------------------
# Two displays may share a figure: each draws into the axes that it is given.
from convnet_features.inspection import LearningCurvesDisplay

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
curves = LearningCurvesDisplay.from_estimator(model)
curves.plot("loss", ax=axes[0], log=True)
curves.plot("score", ax=axes[1])

# %%
# Filters, and what they make of an image
# ---------------------------------------
from convnet_features.inspection import ActivationMapsDisplay, FiltersDisplay

filters = FiltersDisplay.from_estimator(model)
filters.plot(n_columns=8, figsize=(7, 3.8))

# %%
maps = ActivationMapsDisplay.from_estimator(model, X_test[:1]).plot()

# %%
# What a prediction depends on
# ----------------------------
# A square covers one part of the image after another, and the whole Pipeline
# predicts anew. Red is where the probability of the true class falls, blue
# where it rises.
from convnet_features.inspection import OcclusionDisplay

images, labels = X_test[:3], y_test[:3]
occlusion = OcclusionDisplay.from_estimator(model, images, labels, square=3)
occlusion.plot()

# %%
# The gradient of the network's own score with respect to the pixels asks the
# same in one pass.
from convnet_features.inspection import SaliencyDisplay

saliency = SaliencyDisplay.from_estimator(model, images, labels).plot()

# %%
# Where the last convolution found what speaks for the class that the
# LogisticRegression predicts: Grad-CAM.
from convnet_features.inspection import GradCAMDisplay

where = GradCAMDisplay.from_estimator(model, images).plot()

# %%
# The errors
# ----------
# The most confident first: how probable the predicted class was thought, that
# class, and the true one.
from convnet_features.inspection import MisclassifiedDisplay

errors = MisclassifiedDisplay.from_estimator(model, X_test, y_test, max_images=10).plot()

# %%
# The features of one image
# -------------------------
from convnet_features.inspection import LayerActivationsDisplay

bars = LayerActivationsDisplay.from_estimator(model, X_test[:1]).plot()

# %%
# The features of many
# --------------------
# In the plane, by t-SNE: on the left the pixels themselves (the input layer's
# "activations"), on the right what the network makes of them, with some digits at
# their points. The network has seen none of these.
from sklearn.manifold import TSNE

from convnet_features.inspection import FeatureEmbeddingDisplay

shown = slice(100 if QUICK else None)
reducer = TSNE(max_iter=250 if QUICK else 1000, random_state=0)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for layer, ax in zip(["input", "dense"], axes, strict=True):
    display = FeatureEmbeddingDisplay.from_estimator(
        model, X_test[shown], y_test[shown], layer=layer, reducer=reducer, thumbnails=40
    )
    display.plot(ax=ax).axes_.set_title(layer)

plt.show()
