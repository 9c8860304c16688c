"""A grid search over networks, by one process and by two.

    python benchmarks/grid_search.py [--rounds 3] [--jobs 2] [--epochs 40] [--samples 1797]

searches 2 × 2 × 2 candidates (filters × learning rate × dense units) in 3 folds
of scikit-learn's digits, with ``n_jobs=1`` and with ``n_jobs=<jobs>``, in turns,
so that a busy machine slows both alike. It prints the time of each search, the
share of it that went into compiling, summed over the processes that computed
and divided by their number, and how many threads a worker used.

Workers are started before the clock: they stay for every search that follows,
as they do in a session of a user's. ``--cold`` starts new ones for each search.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from convnet_features import ConvNetClassifier
from convnet_features.kernels.threads import get_num_threads
from convnet_features.network.functions import clear_programs, compilations

GRID = {
    "conv2d1_num_filters": [16, 32],
    "dense_num_units": [64, 128],
    "update_learning_rate": [0.01, 0.03],
}


def measures(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The accuracy, and what the process that found it has compiled so far."""
    return {
        "accuracy": estimator.score(X, y),
        "process": os.getpid(),
        "programs": compilations.programs,
        "compiling": compilations.seconds,
        "threads": get_num_threads(),
    }


def forget() -> int:
    """Have nothing compiled, and the kernels loaded."""
    clear_programs()
    compilations.programs, compilations.seconds = 0, 0.0
    time.sleep(0.2)  # so that each worker gets one of these
    return get_num_threads()


def search(n_jobs: int, X: np.ndarray, y: np.ndarray, epochs: int) -> dict[str, float]:
    """One search with an empty cache of programs."""
    Parallel(n_jobs)(delayed(forget)() for _ in range(n_jobs))
    estimator = ConvNetClassifier(max_epochs=epochs, random_state=0)
    began = time.perf_counter()
    found = GridSearchCV(estimator, GRID, cv=3, n_jobs=n_jobs, scoring=measures, refit=False).fit(
        X, y
    )
    seconds = time.perf_counter() - began
    results = {
        name: np.concatenate([found.cv_results_[f"split{k}_test_{name}"] for k in range(3)])
        for name in ("accuracy", "process", "programs", "compiling", "threads")
    }
    workers = [results["process"] == each for each in np.unique(results["process"])]
    compiling = sum(results["compiling"][worker].max() for worker in workers)
    return {
        "seconds": seconds,
        "share": compiling / len(workers) / seconds,
        "programs": sum(results["programs"][worker].max() for worker in workers),
        "workers": len(workers),
        "threads": results["threads"].max(),
        "accuracy": results["accuracy"].max(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--samples", type=int, default=1797)
    parser.add_argument("--cold", action="store_true", help="new worker processes each time")
    options = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X, y = X[: options.samples], y[: options.samples]
    seconds: dict[int, list[float]] = {1: [], options.jobs: []}
    print("jobs  seconds  compiling  programs  workers  threads  accuracy   load")
    for _ in range(options.rounds):
        for n_jobs in seconds:
            if options.cold:
                get_reusable_executor().shutdown()
            found = search(n_jobs, X, y, options.epochs)
            seconds[n_jobs].append(found["seconds"])
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
            print(
                f"{n_jobs:>4}  {found['seconds']:>7.1f}  {found['share']:>9.1%}  "
                f"{found['programs']:>8.0f}  {found['workers']:>7}  {found['threads']:>7.0f}  "
                f"{found['accuracy']:>8.4f}  {load:>5.1f}",
                flush=True,
            )
    one, several = (statistics.median(times) for times in seconds.values())
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(
        f"n_jobs={options.jobs} in {several / one:.2f} of the time of n_jobs=1 (medians; "
        f"by round {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
