"""
ConvNet features in a Pipeline: digits in four settings
=======================================================

A network learns features from the images, and a scikit-learn classifier learns from the
features. The data are the 1,797 handwritten digits of 8×8 pixels of scikit-learn. A
quarter of them is held out for testing.

These digits are centred and upright, so a support vector machine (SVC) on pixels is as
good as any model. Other images are rarely so tidy. The example therefore uses the digits in
four settings: as they are, with few labels, off centre, and off centre with other strokes.
"""

# %%
# Four settings
# -------------
# ``scatter`` rotates each digit by up to 15 degrees and pastes it at a random place of a
# black image of 14×14 pixels. ``add_strokes`` draws three short bars, as bright as the digits.
import os
from time import perf_counter

import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from convnet_features import ConvNetFeatureExtractor

began = perf_counter()
quick = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
random = np.random.default_rng(0)


def scatter(images, size=14, degrees=15):
    canvases = np.zeros((len(images), size, size))
    for canvas, image in zip(canvases, images, strict=True):
        turned = rotate(image, random.uniform(-degrees, degrees), reshape=False, order=1)
        top, left = random.integers(0, size - 7, size=2)
        canvas[top : top + 8, left : left + 8] = turned
    return canvases


def add_strokes(images, n_strokes=3):
    crossed = images.copy()
    for image in crossed:
        for _ in range(n_strokes):
            row, column = random.integers(0, len(image) - 2, size=2)
            length, brightness = random.integers(2, 5), random.uniform(4, 16)
            height, width = (1, length) if random.random() < 0.5 else (length, 1)
            image[row : row + height, column : column + width] = brightness
    return crossed


digits = load_digits(n_class=2 if quick else 10)
train, test = train_test_split(
    np.arange(len(digits.target)), test_size=0.25, stratify=digits.target, random_state=0
)
few = np.concatenate([train[digits.target[train] == label][:10] for label in digits.target_names])
off_centre = scatter(digits.images)
settings = {
    "as they are": (digits.images, train),
    "10 of each": (digits.images, few),
    "off centre": (off_centre, train),
    "+ strokes": (add_strokes(off_centre), train),
}

# %%
# Four models
# -----------
# There are two classifiers, each with pixels and with features. Images are rows of pixels, as
# usual in scikit-learn. The extractor reads rows of 64 and 196 pixels as square images of 8×8
# and 14×14 pixels.


def models():
    epochs = 3 if quick else "auto"
    return {
        "LogisticRegression on pixels": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000)
        ),
        "SVC on pixels": SVC(),
        "ConvNet features + LogisticRegression": make_pipeline(
            ConvNetFeatureExtractor(max_epochs=epochs, random_state=0),
            StandardScaler(),
            LogisticRegression(max_iter=1000),
        ),
        "ConvNet features + SVC": make_pipeline(
            ConvNetFeatureExtractor(max_epochs=epochs, random_state=0), SVC()
        ),
    }


print(f"accuracy on {len(test)} digits held out".ljust(38) + "".join(f"{n:>13}" for n in settings))
fitted = {}
for name in models():
    print(f"{name:<38}", end="", flush=True)
    for setting, (images, rows) in settings.items():
        X = images.reshape(len(images), -1)
        model = models()[name].fit(X[rows], digits.target[rows])
        fitted[name, setting] = model
        print(f"{model.score(X[test], digits.target[test]):>13.3f}", end="", flush=True)
    print()
print(f"""
as they are  the digits of scikit-learn, {len(train)} to train on
10 of each   the same digits, {len(few)} to train on
off centre   turned by up to 15 degrees, at a random place of 14x14 pixels
+ strokes    off centre, with three short bars across

{perf_counter() - began:.0f} s in all, 8 networks trained""")

# %%
# How to read the table
# ---------------------
# Pixels are good features of centred digits, and a network gains little. With ten labels of
# each digit, the SVC on pixels lies between the two pipelines with features. If a digit can be
# anywhere, a classifier on pixels must learn it for each place. Convolution and pooling learn
# it once for all places.

# %%
# The network
# -----------
extractor = fitted["ConvNet features + SVC", "off centre"][0]
print()
print(extractor.summary())

# sphinx_gallery_thumbnail_path = '_static/features.png'
