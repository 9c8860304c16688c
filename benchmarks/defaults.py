"""Do the defaults carry from a hundred images to sixty thousand, and from 8×8 pixels to 224×224?

    python benchmarks/defaults.py [--seeds 2]
    python benchmarks/defaults.py --sizes 8 28 32 64 96 128 224 [--data photographs MNIST]
        [--channels 3 1] [--networks default seed resnet] [--epochs 30] [--seeds 3]

For subsets of digits, MNIST and Fashion-MNIST it prints the held-out accuracy
of a logistic regression and an SVC on pixels and on features, everything at its
default, with the batch size and the epochs that the rule chose.

With --sizes it prints, for images of each size, the default network's blocks and parameters,
seconds an epoch (by the clock, and by the processors' time), the largest memory of the process,
and the held-out accuracy of a logistic regression on its features and of the network itself.
Each row is a process of its own. "photographs" are crops of the pictures that scikit-learn and,
where it is installed, scikit-image carry: a class each, 30 to train with from the left 60% of a
picture, 20 held out from the rest. The others are 600 images to train with and 1,000 held out,
enlarged to the size. `seed` is the tutorial's network fitted to the size, `resnet` is
`small_resnet()`. Without --epochs the number is the default's, which takes minutes a row.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from time import perf_counter, process_time

import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from convnet_features import ConvNetFeatureExtractor
from convnet_features.datasets import load_fashion_mnist, load_mnist
from convnet_features.exceptions import DatasetNotFoundError
from convnet_features.network.presets import default_network, seed_network, small_resnet

PICTURES = [
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "immunohistochemistry",
    "rocket",
]
NETWORKS = {
    "default": default_network,
    "seed": seed_network,
    "resnet": lambda input_shape: small_resnet(),
}


def classifiers():
    return {
        "LR": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "SVC": SVC(),
    }


def digits(n, seed, factor=1.0):
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X * factor, y, test_size=0.25, stratify=y, random_state=seed
    )
    if n < len(X):
        X, _, y, _ = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
    return X, X_test, y, y_test


def idx(load, n, seed):
    X, y, X_val, y_val, X_test, y_test = load()
    X, y = np.concatenate([X, X_val]), np.concatenate([y, y_val])
    if n < len(X):
        X, _, y, _ = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
    return X, X_test, y, y_test


def measure(name, X, X_test, y, y_test, seed):
    extractor = ConvNetFeatureExtractor(random_state=seed)
    began = perf_counter()
    features = extractor.fit(X, y).transform(X)
    taken = perf_counter() - began
    test_features = extractor.transform(X_test)
    # An SVC of 60,000 samples takes minutes, and shows nothing that 10,000 do not.
    some = slice(None, 10_000)
    scores = []
    for classifier in classifiers().values():
        scores.append(classifier.fit(features[some], y[some]).score(test_features, y_test))
    pixels, test_pixels = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    baseline = [
        c.fit(pixels[some], y[some]).score(test_pixels, y_test) for c in classifiers().values()
    ]
    steps = extractor.n_iter_
    print(
        f"{name:<22}{len(X):>7}{seed:>5}{steps:>7}{taken:>8.1f} s"
        f"{scores[0]:>9.4f}{scores[1]:>9.4f}{baseline[0]:>9.4f}{baseline[1]:>9.4f}"
        f"{extractor.score(X_test, y_test):>9.4f}",
        flush=True,
    )
    return scores


def pictures():
    """Pictures of installed packages, as PIL's."""
    from PIL import Image

    found = [Image.fromarray(each) for each in load_sample_images().images]
    try:
        from skimage import data
    except ModuleNotFoundError:
        print("scikit-image is not installed: two classes only", file=sys.stderr)
    else:
        found += [Image.fromarray(getattr(data, name)()).convert("RGB") for name in PICTURES]
        found.append(Image.fromarray(data.stereo_motorcycle()[0]))
    return found


def crops(size, seed, n_train=30, n_test=20):
    """Squares of random places and sizes: those held out lie right of those to train with."""
    rng = np.random.default_rng(seed)
    parts = [], []
    for label, picture in enumerate(pictures()):
        width, height = picture.size
        cut = int(0.6 * width)
        for part, left, right, n in ((0, 0, cut, n_train), (1, cut, width, n_test)):
            for _ in range(n):
                side = int(rng.uniform(0.25, 0.6) * min(height, right - left)) + 1
                side = max(side, min(40, height, right - left))
                x, y = rng.integers(left, right - side + 1), rng.integers(height - side + 1)
                box = (int(x), int(y), int(x) + side, int(y) + side)
                parts[part].append((resized(picture, size, box), label))
    (X, y), (X_test, y_test) = (map(np.array, zip(*part, strict=True)) for part in parts)
    return X, X_test, y, y_test


def resized(picture, size, box=None):
    from PIL import Image

    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def enlarged(name, size, seed):
    """600 images of a data set to train with, and 1,000 held out, of shape (n, size, size)."""
    from PIL import Image

    if name == "digits":
        X, X_test, y, y_test = digits(600, seed, 15)
    else:
        X, X_test, y, y_test = idx(load_mnist if name == "MNIST" else load_fashion_mnist, 600, seed)
        chosen = np.random.default_rng(seed).permutation(len(X_test))[:1000]
        X, X_test, y_test = 255 * X, 255 * X_test[chosen], y_test[chosen]
    edge = 8 if name == "digits" else 28
    both = [
        np.array([resized(Image.fromarray(image), size) for image in part])
        for part in (np.uint8(each).reshape(-1, edge, edge) for each in (X, X_test))
    ]
    return *both, y, y_test


def of_size(name, size, channels, seed):
    """(X, X_test, y, y_test), X of shape (n, channels, size, size)."""
    if name != "photographs":
        X, X_test, y, y_test = enlarged(name, size, seed)
        return *(np.repeat(each[:, None], channels, axis=1) for each in (X, X_test)), y, y_test
    X, X_test, y, y_test = crops(size, seed)
    both = [each.transpose(0, 3, 1, 2) for each in (X, X_test)]
    if channels == 1:
        both = [np.uint8(each.mean(axis=1, keepdims=True).round()) for each in both]
    return *both, y, y_test


def contest(name, size, channels, network, seed, epochs):
    """In a process of its own: one training."""
    from lasagne.layers import get_all_params

    X, X_test, y, y_test = of_size(name, size, channels, seed)
    layers = NETWORKS[network]((channels, size, size))
    extractor = ConvNetFeatureExtractor(layers, max_epochs=epochs or "auto", random_state=seed)
    clock, used = perf_counter(), process_time()
    extractor.fit(X, y)
    clock, used = perf_counter() - clock, process_time() - used
    features, test_features = extractor.transform(X), extractor.transform(X_test)
    model = classifiers()["LR"].fit(features, y)
    params = get_all_params(extractor.network_, trainable=True)
    print(
        json.dumps(
            {
                "layers": sum(spec.name.startswith("conv2d") for spec in layers),
                "parameters": sum(each.get_value().size for each in params),
                "epochs": extractor.n_iter_,
                "clock": clock / extractor.n_iter_,
                "used": used / extractor.n_iter_,
                "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "features": model.score(test_features, y_test),
                "network": extractor.score(X_test, y_test),
            }
        )
    )


def compare_sizes(options):
    print(
        f"{'data':<14}{'images':>10} {'network':<9}{'blocks':>7}{'parameters':>12}{'epochs':>8}"
        f"{'s/epoch':>9}{'cpu s':>7}{'MiB':>7}  features + LR   network (seeds)"
    )
    for name in options.data:
        for channels in options.channels:
            for size in options.sizes:
                for network in options.networks:
                    rows = [
                        asked(name, size, channels, network, seed, options.epochs)
                        for seed in range(options.seeds)
                    ]
                    print_row(name, f"{channels}x{size}x{size}", network, rows)


def asked(*arguments):
    command = [sys.executable, __file__, "--contest", json.dumps(arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def print_row(name, images, network, rows):
    of = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    scores = [
        f"{of[key].mean():.3f} ({', '.join(f'{score:.3f}' for score in of[key])})"
        for key in ("features", "network")
    ]
    print(
        f"{name:<14}{images:>10} {network:<9}{of['layers'][0]:>7}{of['parameters'][0]:>12,}"
        f"{of['epochs'][0]:>8}{np.median(of['clock']):>9.2f}{np.median(of['used']):>7.2f}"
        f"{of['MiB'].max():>7.0f}  {'   '.join(scores)}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--channels", type=int, nargs="+", default=[3, 1])
    parser.add_argument("--data", nargs="+", default=["photographs"])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=["default"])
    parser.add_argument("--epochs", type=int, help='default: those of max_epochs="auto"')
    parser.add_argument("--contest", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contest:
        contest(*options.contest)
    elif options.sizes:
        compare_sizes(options)
    else:
        compare_numbers(options)


def compare_numbers(options):
    print(
        f"{'data':<22}{'train':>7}{'seed':>5}{'epochs':>7}{'fit':>10}"
        f"{'feat LR':>9}{'feat SVC':>9}{'pix LR':>9}{'pix SVC':>9}{'network':>9}"
    )
    for seed in range(options.seeds):
        for n in (100, 300, 1347):
            measure("digits", *digits(n, seed), seed)
        for factor, name in ((1 / 16, "digits / 16"), (16, "digits * 16")):
            measure(name, *digits(1347, seed, factor), seed)
    for load, name in ((load_mnist, "MNIST"), (load_fashion_mnist, "Fashion-MNIST")):
        try:
            for n in (1_000, 10_000, 60_000):
                measure(name, *idx(load, n, 0), 0)
        except DatasetNotFoundError:
            print(f"{name}: not on this machine")


if __name__ == "__main__":
    main()
