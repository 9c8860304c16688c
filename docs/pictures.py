"""Write the pictures of the first page into ``docs/_static``: ``python docs/pictures.py``.

``features.png`` shows digits in the plane, by their pixels and by their features.
``speed.svg`` shows ``benchmarks/results/peers.json``, which ``benchmarks/peers.py --json`` writes.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.model_selection import train_test_split

from convnet_features import ConvNetFeatureExtractor

DOCS = Path(__file__).resolve().parent
MEASURED = DOCS.parent / "benchmarks" / "results" / "peers.json"
#: Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = {
    "ours": ("convnet_features", "#0072B2"),
    "PyTorch tuned": ("PyTorch, tuned", "#E69F00"),
    "PyTorch eager": ("PyTorch, eager", "#CC79A7"),
    "skorch": ("skorch", "#999999"),
}
TITLES = {
    "training": "training on\n28×28 images",
    "transform": "features of\n10,000 images",
    "one image": "prediction of\none image",
    "cifar": "training on\n32×32 colours",
    "normalised": "training with batch\nnormalisation",
}


def off_centre(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Digits turned by up to 15 degrees, at random places of 14×14 pixels."""
    canvases = np.zeros((len(images), 14, 14))
    for canvas, image in zip(canvases, images, strict=True):
        top, left = random.integers(0, 7, size=2)
        turned = rotate(image, random.uniform(-15, 15), reshape=False, order=1)
        canvas[top : top + 8, left : left + 8] = turned
    return canvases


def features_picture() -> None:
    digits = load_digits()
    X = off_centre(digits.images, np.random.default_rng(0))
    X_train, X_test, y_train, y_test = train_test_split(
        X, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )
    extractor = ConvNetFeatureExtractor(random_state=0).fit(X_train, y_train)
    figure = pyplot.figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 4.6])
    for axes, image in zip(above.subplots(1, 10), X_test, strict=False):
        axes.imshow(image, cmap="gray_r")
        axes.set(xticks=[], yticks=[])
    planes = {"pixels": X_test.reshape(len(X_test), -1), "features": extractor.transform(X_test)}
    for axes, (name, rows) in zip(below.subplots(1, 2), planes.items(), strict=True):
        plane = TSNE(random_state=0).fit_transform(rows)
        for label in range(10):
            some = plane[y_test == label]
            axes.scatter(*some.T, s=0)
            for place in some:
                axes.text(*place, str(label), color=pyplot.cm.tab10(label), ha="center", size=8)
        axes.set(xticks=[], yticks=[], title=f"the plane of their {name} (t-SNE)")
    figure.savefig(DOCS / "_static" / "features.png", dpi=110)


def speed_picture() -> None:
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    figure, axes = pyplot.subplots(figsize=(8, 3.8), layout="constrained")
    width = 0.8 / len(COLOURS)
    for position, work in enumerate(TITLES):
        rates = rates_of(measured["work"][work])
        for number, (contestant, (_, colour)) in enumerate(COLOURS.items()):
            times = rates[contestant] / rates["PyTorch eager"]
            place = position + (number - 1.5) * width
            axes.bar(place, times, width, color=colour)
            axes.text(place, times, f"{times:.1f}", ha="center", va="bottom", size=8)
    axes.set_xticks(range(len(TITLES)), list(TITLES.values()))
    axes.set_ylabel("speed, PyTorch eager = 1")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for _, colour in COLOURS.values()]
    axes.legend(handles, [label for label, _ in COLOURS.values()], frameon=False, ncols=2)
    axes.set_title(f"{measured['machine']}\n{measured['command']}", size=9, color="#555555")
    figure.savefig(DOCS / "_static" / "speed.svg", metadata={"Date": None})


def rates_of(work: dict[str, Any]) -> dict[str, float]:
    """Images a second of each contestant, by its median round."""
    seconds = work["seconds"]
    return {name: work["images"] / statistics.median(each) for name, each in seconds.items()}


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "the same file in every run"
    features_picture()
    speed_picture()
