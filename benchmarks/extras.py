"""What augmentation and batch normalisation cost a training.

    python benchmarks/extras.py [--images 12800] [--rounds 5]

prints training images/s on made-up images of 28x28 in batches of 128: the seed
network with each supplied augmentation, beside the time that the augmentation
takes alone; what those of photographs take for a batch of 3x64x64; then
networks with and without batch normalisation. Rounds are interleaved, figures
are medians, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import statistics
from time import perf_counter

import numpy as np

from convnet_features import ConvNetClassifier
from convnet_features.augmentation import (
    Chain,
    ColorJitter,
    CutMix,
    Cutout,
    MixUp,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomShift,
)
from convnet_features.layers import batch_norm

BATCH = 128
AUGMENTATIONS = {
    "none": None,
    "shift": RandomShift(2),
    "crop": RandomCrop(2),
    "flip": RandomFlip(),
    "cutout": Cutout(8),
    "rotation": RandomRotation(10),
    "flip, crop, cutout": Chain([RandomFlip(), RandomCrop(2), Cutout(8)]),
}


#: Of photographs, 64x64 pixels of three bytes.
OF_PHOTOGRAPHS = {
    "flip": RandomFlip(),
    "resized crop": RandomResizedCrop(),
    "jitter without hue": ColorJitter(0.4, 0.4, 0.4),
    "hue": ColorJitter(hue=0.1),
    "jitter": ColorJitter(0.4, 0.4, 0.4, 0.1),
    "grey": RandomGrayscale(),
    "erasing": RandomErasing(),
    "erasing, random": RandomErasing(value="random"),
    "mixup": MixUp(),
    "cutmix": CutMix(),
}


def convolutions(widths, n_convolutions, size, normalise):
    """A network: after each width a pooling, then a dense layer of 256 units."""
    wrap = batch_norm if normalise else (lambda layer: layer)

    def network(images, n_outputs):
        from lasagne import layers
        from lasagne.nonlinearities import softmax

        layer = images
        for width in widths:
            for _ in range(n_convolutions):
                layer = wrap(layers.Conv2DLayer(layer, width, size, pad="same"))
            layer = layers.MaxPool2DLayer(layer, 2)
        layer = wrap(layers.DenseLayer(layer, 256, name="dense"))
        return layers.DenseLayer(layer, n_outputs, nonlinearity=softmax, name="output")

    return network


NETWORKS = {
    "2 convolutions 5x5": ((32, 32), 1, 5),
    "6 convolutions 3x3": ((32, 64, 128), 2, 3),
}


def classifier(layers=None, augment=None):
    return ConvNetClassifier(
        layers,
        augment=augment,
        max_epochs=1,
        batch_size=BATCH,
        validation_fraction=None,
        warm_start=True,
        random_state=0,
    )


def compare(nets, X, y, rounds):
    """Median training images/s of each of some networks, by name."""
    seen = {name: [] for name in nets}
    for net in nets.values():
        net.fit(X[: 2 * BATCH], y[: 2 * BATCH])  # compiles
    for _ in range(rounds):
        for name, net in nets.items():
            seen[name].append(len(X) / net.fit(X, y).history_[-1]["duration"])
    return {name: statistics.median(speeds) for name, speeds in seen.items()}


def milliseconds_alone(augment, X, rounds):
    """Median time of one batch's augmentation, with nothing beside it."""
    if augment is None:
        return 0.0
    random, batch, taken = np.random.default_rng(0), X[:BATCH], []
    for _ in range(20 * rounds):
        began = perf_counter()
        augment(batch, random)
        taken.append(perf_counter() - began)
    return 1e3 * statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100 * BATCH)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.random((options.images, 1, 28, 28), dtype=np.float32)
    y = np.arange(len(X)) % 10

    nets = {name: classifier(augment=augment) for name, augment in AUGMENTATIONS.items()}
    speeds = compare(nets, X, y, options.rounds)
    print(f"{'augmentation':<22}{'images/s':>10}{'of none':>9}{'ms a batch alone':>18}")
    for name, augment in AUGMENTATIONS.items():
        alone = milliseconds_alone(augment, X, options.rounds)
        print(
            f"{name:<22}{speeds[name]:>10,.0f}{speeds[name] / speeds['none']:>9.2f}{alone:>18.2f}"
        )

    photographs = rng.integers(0, 256, size=(BATCH, 3, 64, 64), dtype=np.uint8)
    print(f"\n{'augmentation':<22}{'ms a batch alone':>18}   (3x64x64, bytes)")
    for name, augment in OF_PHOTOGRAPHS.items():
        print(f"{name:<22}{milliseconds_alone(augment, photographs, options.rounds):>18.2f}")

    print(f"\n{'network':<22}{'plain':>10}{'normalised':>12}{'ratio':>7}   (images/s)")
    some = slice(len(X) // 5)  # the larger network takes its time
    for name, shape in NETWORKS.items():
        pair = {
            normalise: classifier(convolutions(*shape, normalise)) for normalise in (False, True)
        }
        speeds = compare(pair, X[some], y[some], options.rounds)
        ratio = speeds[True] / speeds[False]
        print(f"{name:<22}{speeds[False]:>10,.0f}{speeds[True]:>12,.0f}{ratio:>7.2f}")


if __name__ == "__main__":
    main()
