"""
What a network has learnt
=========================

This example shows all displays for one network, trained on scikit-learn's digits. A
display accepts the extractor or the Pipeline that contains it. ``from_estimator``
computes, and ``plot`` draws.

The environment variable ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the example to two
epochs and a hundred digits for t-SNE.
"""

# %%
# Train a Pipeline
# ----------------
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
# Layers
# ------
from convnet_features.inspection import ArchitectureDisplay

architecture = ArchitectureDisplay.from_estimator(model).plot()

# %%
# Learning curves
# ---------------
# Two displays can share a figure. Each draws into the given axes.
from convnet_features.inspection import LearningCurvesDisplay

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
curves = LearningCurvesDisplay.from_estimator(model)
curves.plot("loss", ax=axes[0], log=True)
curves.plot("score", ax=axes[1])

# %%
# Filters and activation maps
# ---------------------------
from convnet_features.inspection import ActivationMapsDisplay, FiltersDisplay

filters = FiltersDisplay.from_estimator(model)
filters.plot(n_columns=8, figsize=(7, 3.8))

# %%
maps = ActivationMapsDisplay.from_estimator(model, X_test[:1]).plot()

# %%
# Occlusion, saliency and Grad-CAM
# --------------------------------
# Occlusion: a square hides one part of the image after another, and the Pipeline predicts each
# time. The probability of the true class falls in the red regions and rises in the blue
# regions.
from convnet_features.inspection import OcclusionDisplay

images, labels = X_test[:3], y_test[:3]
occlusion = OcclusionDisplay.from_estimator(model, images, labels, square=3)
occlusion.plot()

# %%
# Saliency: the gradient of the network's own score with respect to the pixels, in one pass.
from convnet_features.inspection import SaliencyDisplay

saliency = SaliencyDisplay.from_estimator(model, images, labels).plot()

# %%
# Grad-CAM: the regions that speak for the class that the LogisticRegression predicts.
from convnet_features.inspection import GradCAMDisplay

where = GradCAMDisplay.from_estimator(model, images).plot()

# %%
# Misclassified images
# --------------------
# The most confident errors come first. The titles have the predicted class, its probability,
# and the true class.
from convnet_features.inspection import MisclassifiedDisplay

errors = MisclassifiedDisplay.from_estimator(model, X_test, y_test, max_images=10).plot()

# %%
# Features of one image
# ---------------------
from convnet_features.inspection import LayerActivationsDisplay

bars = LayerActivationsDisplay.from_estimator(model, X_test[:1]).plot()

# %%
# Features of many images
# -----------------------
# t-SNE arranges the test images in two dimensions: on the left by their pixels (the activations
# of the input layer), on the right by their features, with some images at their points. The
# network has not seen these images.
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
