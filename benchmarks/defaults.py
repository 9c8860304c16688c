"""Do the defaults carry from a hundred images to sixty thousand?

    python benchmarks/defaults.py [--seeds 2]

For subsets of digits, MNIST and Fashion-MNIST it prints the held-out accuracy
of a logistic regression and an SVC on pixels and on features, everything at its
default, with the batch size and the epochs that the rule chose.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from convnet_features import ConvNetFeatureExtractor
from convnet_features.datasets import load_fashion_mnist, load_mnist
from convnet_features.exceptions import DatasetNotFoundError


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
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
