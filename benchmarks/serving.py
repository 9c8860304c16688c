"""How long the example's server lets its clients wait, under load on loopback.

    python benchmarks/serving.py [--clients 1 4 16 64] [--seconds 5]

serves a Pipeline of the seed network and a LogisticRegression by
``examples/deployment/serving.py``, in a process of its own, and asks it for predictions
of one 28×28 image at a time, sent as JSON. Each client is a thread that keeps its
connection and asks again as soon as it is answered. Printed: requests a second, the 50th
and 99th percentile of the time from asking to the whole answer, and how many requests the
server computed at a time. The clients take their share of the same cores.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import joblib
import numpy as np
from peers import machine

EXAMPLE = Path(__file__).parent.parent / "examples" / "deployment" / "serving.py"


def fitted():
    """A Pipeline that has seen random images: speed does not depend on what is in them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from convnet_features import ConvNetFeatureExtractor

    X = np.random.default_rng(0).integers(0, 256, (500, 784))
    network = ConvNetFeatureExtractor(max_epochs=1, random_state=0)
    return make_pipeline(network, LogisticRegression(max_iter=20)).fit(X, np.arange(500) % 10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server():
    """The port of a server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path, port = f"{folder}/pipeline.pkl", free_port()
        joblib.dump(fitted(), path)
        command = [sys.executable, str(EXAMPLE), path, "--port", str(port)]
        process = subprocess.Popen([*command, "--log-level", "warning"])
        try:
            while not is_up(port):
                if process.poll() is not None:
                    raise RuntimeError("the server did not start")
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait()


def is_up(port):
    try:
        return health(port)["status"] == "up"
    except ConnectionError:
        return False


def health(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/health")
    return json.load(connection.getresponse())


def load(port, n_clients, duration):
    """Seconds that each request took."""
    rng = np.random.default_rng(1)
    bodies = [json.dumps({"images": rng.integers(0, 256, (1, 784)).tolist()}) for _ in range(50)]
    end = time.perf_counter() + duration
    seconds = []

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (began := time.perf_counter()) < end:
            connection.request("POST", "/predict", bodies[number % len(bodies)])
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            assert answer.status == 200

    threads = [threading.Thread(target=client, args=(number,)) for number in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    print(machine())
    with server() as port:
        load(port, 4, 1)  # compiles for several sizes of batch
        print("clients  requests/s  p50, ms  p99, ms  requests a batch")
        for n_clients in given.clients:
            before = health(port)["batches"]
            seconds = load(port, n_clients, given.seconds)
            batches = health(port)["batches"] - before
            p50, p99 = np.percentile(seconds, [50, 99]) * 1000
            print(
                f"{n_clients:>7}  {len(seconds) / given.seconds:>10,.0f}  {p50:>7.1f}  {p99:>7.1f}"
                f"  {len(seconds) / batches:>16.1f}"
            )


if __name__ == "__main__":
    main()
