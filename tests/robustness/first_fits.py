"""Forks children while other threads fit, transform and save for the first time in the process.

    python first_fits.py CHILDREN

Every child does the same, within three minutes, or tells where it hangs and ends with 9. Prints how
many children there were, and ends with the number of those that failed.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import threading
import time

import numpy as np

from convnet_features import ConvNetClassifier
from convnet_features.network.presets import small_resnet

#: A child that hangs does so for ever; beside other work, all of them take a minute.
SECONDS = 180


def main(n_children: int) -> int:
    rng = np.random.default_rng(0)
    X, y = rng.random((96, 1, 16, 16)), np.arange(96) % 3
    threads = [threading.Thread(target=use, args=(kind, X, y)) for kind in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(n_children):
        # Spread over the first half second or so, in which the threads import and compile.
        time.sleep(0.02)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                use(number, X, y)
            except BaseException as error:
                print(f"child {number}: {error!r}", file=sys.stderr, flush=True)
                os._exit(8)
            os._exit(0)
        children.append(child)
    for thread in threads:
        thread.join()
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    print(len(children))
    return failed


def use(kind: int, X: np.ndarray, y: np.ndarray) -> None:
    layers = small_resnet(widths=(16, 32)) if kind % 3 == 2 else None
    engine = "portable" if kind % 3 == 1 else "auto"
    network = ConvNetClassifier(layers, engine=engine, max_epochs=1, random_state=kind)
    network.fit(X, y).predict(X)
    with tempfile.TemporaryDirectory() as folder:
        network.save_params(os.path.join(folder, "params"))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
