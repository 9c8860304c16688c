"""Write the gallery's pictures of examples that draw nothing: ``python docs/thumbnails.py``.

Curves and bars show the figures that the guide's tables have.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_images

from convnet_features import pretrained_extractor
from convnet_features.augmentation import ColorJitter, RandomFlip, RandomResizedCrop
from convnet_features.inspection import FeatureEmbeddingDisplay

DOCS = Path(__file__).resolve().parent
THUMBNAILS = DOCS / "_static" / "thumbnails"
SIZE = (4, 2.8)


def rows_of(page: str, start: str) -> list[list[float]]:
    """The numbers of each row of the guide's table that follows a text."""
    text = (DOCS / "guide" / page).read_text(encoding="utf-8").partition(start)[2]
    rows = []
    for line in text.splitlines()[1:]:
        numbers = [float(each.replace(",", "")) for each in re.findall(r"(?<!\S)[\d.,]+", line)]
        if not numbers and rows:
            break
        rows += [numbers] if numbers else []
    return rows


def mnist_ten_epochs() -> Figure:
    figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
    epochs = [[float(n) for n in row] for row in training_of_mnist()]
    for column, label in ((1, "training"), (2, "validation")):
        axes.plot([row[0] for row in epochs], [row[column] for row in epochs], label=label)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    return figure


def training_of_mnist() -> list[list[str]]:
    """The rows that ``verbose=1`` printed, as the chapter on training shows them."""
    text = (DOCS / "guide" / "training.md").read_text(encoding="utf-8")
    found = re.findall(r"^ +\d+ +[\d.]+\*? +[\d.]+\*? +[\d.]+ +[\d.]+\*? +[\d.]+s$", text, re.M)
    return [re.findall(r"[\d.]+", row) for row in found]


def transfer() -> Figure:
    figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
    table = rows_of("training.md", "| examples of each digit | 10 | 50 | 200 |")
    labels = ["raw pixels", "from scratch", "feature extraction", "frozen convolutions", "all"]
    for row, label in zip(table, labels, strict=True):
        axes.plot(range(3), row, marker="o", label=label)
    axes.set_xticks(range(3), ["10", "50", "200"])
    axes.set(xlabel="examples of each digit", ylabel="accuracy")
    axes.legend(frameon=False, fontsize=7)
    return figure


def serving() -> Figure:
    figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
    table = rows_of("deployment.md", "| clients | requests/s |")
    axes.bar([f"{row[0]:.0f}" for row in table], [row[1] for row in table])
    axes.set(xlabel="clients", ylabel="requests/s")
    return figure


def photographs() -> np.ndarray:
    """64 pieces of scikit-learn's two photographs, 32 of each, of shape (64, 3, 96, 96)."""
    random = np.random.default_rng(0)
    pieces = []
    for picture in load_sample_images().images:
        for _ in range(32):
            top, left = random.integers(0, (427 - 192, 640 - 192))
            pieces.append(picture[top : top + 192 : 2, left : left + 192 : 2])
    return np.stack(pieces).transpose(0, 3, 1, 2)


def augment_and_schedule() -> Figure:
    flower = load_sample_images().images[1][:, 130:557].transpose(2, 0, 1)
    changed = np.repeat(flower[None], 8, axis=0)
    random = np.random.default_rng(3)
    for step in (RandomResizedCrop(scale=(0.3, 1.0)), RandomFlip(), ColorJitter(0.4, 0.4, 0.4)):
        changed = step(changed, random)
    figure, axes = pyplot.subplots(2, 4, figsize=SIZE, layout="constrained")
    for each, image in zip(axes.flat, changed, strict=True):
        each.imshow(image.transpose(1, 2, 0))
        each.axis("off")
    return figure


def pretrained() -> Figure:
    extractor = pretrained_extractor("efficientnet_lite0")
    images = extractor.image_loader().transform(list(photographs().transpose(0, 2, 3, 1)))
    display = FeatureEmbeddingDisplay.from_estimator(extractor, images, thumbnails=60)
    figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
    display.plot(ax=axes)
    return figure


if __name__ == "__main__":
    THUMBNAILS.mkdir(exist_ok=True)
    examples = (mnist_ten_epochs, transfer, serving, augment_and_schedule, pretrained)
    for draw in examples:
        draw().savefig(THUMBNAILS / f"{draw.__name__}.png", dpi=100)
