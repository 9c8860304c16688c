"""The libraries that `peers.py` and `accelerator.py` compare, each behind the same few verbs.

A contestant lives in a process of its own (thread pools of two libraries in one
process disturb each other). ``python contestants.py NAME`` reads one JSON
request a line and answers with one JSON line.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time

import numpy as np


def images(n, shape, seed=0):
    """Random images in [0, 1) and labels: speed does not depend on what is in them."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, *shape), dtype=np.float32)
    return X, rng.integers(0, 10, n).astype(np.int64)


NETWORKS = {
    "seed": (1, 28, 28),
    "digits": (1, 8, 8),
    "cifar": (3, 32, 32),
    "normalised": (1, 28, 28),
}
#: Filters of 3×3 of the normalised network; after every second convolution follows a pooling.
NORMALISED = (32, 32, 64, 64, 128, 128)


class Ours:
    """This library."""

    engine = "auto"

    def __init__(self):
        import convnet_features  # noqa: F401

    def layers(self, network):
        if network == "normalised":
            return normalised
        if network != "cifar":
            return None
        from lasagne import layers as ll

        return [
            ("input", ll.InputLayer),
            ("conv1", ll.Conv2DLayer, {"num_filters": 64, "filter_size": 3, "pad": "same"}),
            ("conv2", ll.Conv2DLayer, {"num_filters": 64, "filter_size": 3, "pad": "same"}),
            ("pool1", ll.MaxPool2DLayer, {"pool_size": 2}),
            ("conv3", ll.Conv2DLayer, {"num_filters": 128, "filter_size": 3, "pad": "same"}),
            ("conv4", ll.Conv2DLayer, {"num_filters": 128, "filter_size": 3, "pad": "same"}),
            ("pool2", ll.MaxPool2DLayer, {"pool_size": 2}),
            ("dense", ll.DenseLayer, {"num_units": 256}),
            ("output", ll.DenseLayer),
        ]

    def estimator(self, network, batch_size, epochs=1):
        from convnet_features import ConvNetClassifier

        return ConvNetClassifier(
            self.layers(network),
            batch_size=batch_size,
            max_epochs=epochs,
            validation_fraction=None,
            engine=self.engine,
            random_state=0,
        )

    def train(self, network, n, batch_size):
        X, y = images(n, NETWORKS[network])
        estimator = self.estimator(network, batch_size)
        began = time.perf_counter()
        estimator.fit(X, y)
        self.fitted = estimator
        return time.perf_counter() - began

    def transform(self, n):
        X, _ = images(n, NETWORKS["seed"])
        began = time.perf_counter()
        self.fitted.transform(X)
        return time.perf_counter() - began

    def one_image(self, repeats):
        X, _ = images(1, NETWORKS["seed"])
        function = self.fitted.layer_function("output")
        return median_call(lambda: function(X), repeats)

    def first_fit(self, X, y):
        self.estimator("digits", 32, epochs=10).fit(X, y)

    def second_fit(self, n=256):
        """Seconds before the first batch of a fit whose architecture is known."""
        X, y = images(n, NETWORKS["seed"])
        self.estimator("seed", 128).fit(X, y)
        first = FirstBatch()
        estimator = self.estimator("seed", 128).set_params(callbacks=[first])
        began = time.perf_counter()
        estimator.fit(X, y)
        return first.began - began


def normalised(layer, n_outputs):
    """The normalised network, from its input layer to its output layer."""
    from lasagne import layers as ll
    from lasagne.nonlinearities import softmax

    from convnet_features.layers import batch_norm

    for number, width in enumerate(NORMALISED, start=1):
        layer = batch_norm(ll.Conv2DLayer(layer, width, 3, pad="same", name=f"conv{number}"))
        if number % 2 == 0:
            layer = ll.MaxPool2DLayer(layer, 2, name=f"pool{number}")
    layer = batch_norm(ll.DenseLayer(layer, 256, name="dense"))
    return ll.DenseLayer(layer, n_outputs, nonlinearity=softmax, name="output")


class FirstBatch:
    """A callback that notes when the first epoch begins."""

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *args: None
        raise AttributeError(name)

    def on_epoch_begin(self, trainer):
        self.began = time.perf_counter()


class Portable(Ours):
    """This library without oneDNN."""

    engine = "portable"


class Jax(Ours):
    """This library on JAX, on its default device."""

    engine = "jax"

    def device(self):
        import jax

        return f"{jax.default_backend()}: {jax.devices()[0].device_kind}"


class JaxTF32(Jax):
    """The same, with products of 19 bits where the device has them."""

    def __init__(self):
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32")
        super().__init__()


class Torch:
    """PyTorch, eager, as skorch runs it."""

    channels_last = False

    def __init__(self):
        import torch

        self.torch = torch

    def on_device(self, what):
        """A module or a tensor where the arithmetic is done."""
        return what

    def wait(self):
        """Until everything asked for is done."""

    def module(self, network):
        nn, torch = self.torch.nn, self.torch
        torch.manual_seed(0)
        if network == "cifar":
            module = nn.Sequential(
                nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1),
                nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
                nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                nn.Linear(128 * 64, 256), nn.ReLU(), nn.Linear(256, 10),
            )  # fmt: skip
        elif network == "normalised":
            module = self.normalised()
        else:
            padding, flat = (0, 512) if network == "seed" else (1, 128)
            kernel = 5 if network == "seed" else 3
            module = nn.Sequential(
                nn.Conv2d(1, 32, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(32, 32, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
                nn.Dropout(0.5), nn.Flatten(), nn.Linear(flat, 256), nn.ReLU(), nn.Dropout(0.5),
                nn.Linear(256, 10),
            )  # fmt: skip
        if self.channels_last:
            module = module.to(memory_format=torch.channels_last)
        return module

    def normalised(self):
        nn, parts, n_channels = self.torch.nn, [], 1
        for number, width in enumerate(NORMALISED, start=1):
            parts += [nn.Conv2d(n_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            parts += [nn.ReLU(), nn.MaxPool2d(2)] if number % 2 == 0 else [nn.ReLU()]
            n_channels = width
        parts += [nn.Flatten(), nn.Linear(9 * n_channels, 256, bias=False), nn.BatchNorm1d(256)]
        return nn.Sequential(*parts, nn.ReLU(), nn.Linear(256, 10))

    def prepared(self, X):
        X = self.torch.from_numpy(X)
        if self.channels_last:
            X = X.contiguous(memory_format=self.torch.channels_last)
        return X

    def train(self, network, n, batch_size):
        torch = self.torch
        X, y = images(n, NETWORKS[network])
        module = self.on_device(self.module(network)).train()
        optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)
        loss = torch.nn.CrossEntropyLoss()
        X, y = torch.from_numpy(X), torch.from_numpy(y)
        began = time.perf_counter()
        for rows in torch.randperm(n).split(batch_size):
            batch = self.on_device(X[rows])
            if self.channels_last:
                batch = batch.contiguous(memory_format=torch.channels_last)
            optimiser.zero_grad(set_to_none=True)
            loss(module(batch), self.on_device(y[rows])).backward()
            optimiser.step()
        self.wait()
        taken = time.perf_counter() - began
        self.fitted = module.eval()
        return taken

    def features(self):
        return self.fitted[:10]

    def transform(self, n):
        X, _ = images(n, NETWORKS["seed"])
        features = self.features()
        began = time.perf_counter()
        with self.torch.no_grad():
            for batch in self.torch.from_numpy(X).split(128):
                features(self.on_device(batch)).cpu().numpy()
        return time.perf_counter() - began

    def one_image(self, repeats):
        X, _ = images(1, NETWORKS["seed"])
        torch, module = self.torch, self.fitted
        x = self.prepared(X)

        def call():
            with torch.no_grad():
                return torch.softmax(module(x), 1)

        return median_call(call, repeats)


class TunedTorch(Torch):
    """PyTorch at its best: channels_last, inference_mode, the best batch size."""

    channels_last = True

    def transform(self, n):
        X, _ = images(n, NETWORKS["seed"])
        return min(self._transform(X, size) for size in (64, 128, 256, 1000))

    def _transform(self, X, size):
        features = self.features()
        began = time.perf_counter()
        with self.torch.inference_mode():
            for batch in self.torch.from_numpy(X).split(size):
                features(batch.contiguous(memory_format=self.torch.channels_last)).numpy()
        return time.perf_counter() - began

    def one_image(self, repeats):
        X, _ = images(1, NETWORKS["seed"])
        torch, module = self.torch, self.fitted
        best = []
        for x in (torch.from_numpy(X), self.prepared(X)):

            def call(x=x):
                with torch.inference_mode():
                    return torch.softmax(module(x), 1)

            best.append(median_call(call, repeats))
        return min(best)


class DeviceTorch(Torch):
    """PyTorch, eager, on a GPU if it finds one; products in float32."""

    tf32 = False

    def __init__(self):
        super().__init__()
        torch = self.torch
        self.target = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.tf32

    def device(self):
        if self.target.type == "cuda":
            return f"gpu: {self.torch.cuda.get_device_name()}"
        return "cpu: cpu"

    def on_device(self, what):
        return what.to(self.target)

    def wait(self):
        if self.target.type == "cuda":
            self.torch.cuda.synchronize()


class DeviceTorchTF32(DeviceTorch):
    """The same, with products of 19 bits where the device has them."""

    tf32 = True


class Skorch(Torch):
    """skorch on PyTorch eager."""

    def estimator(self, network, batch_size, epochs=1):
        import skorch

        return skorch.NeuralNetClassifier(
            self.module(network),
            criterion=self.torch.nn.CrossEntropyLoss,
            optimizer=self.torch.optim.SGD,
            optimizer__momentum=0.9,
            optimizer__nesterov=True,
            lr=0.01,
            batch_size=batch_size,
            max_epochs=epochs,
            train_split=None,
            iterator_train__shuffle=True,
            verbose=0,
        )

    def train(self, network, n, batch_size):
        X, y = images(n, NETWORKS[network])
        net = self.estimator(network, batch_size).initialize()
        began = time.perf_counter()
        net.partial_fit(X, y)
        self.net, self.fitted = net, net.module_.eval()
        return time.perf_counter() - began

    def transform(self, n):
        X, _ = images(n, NETWORKS["seed"])
        began = time.perf_counter()
        self.net.predict_proba(X)
        return time.perf_counter() - began

    def one_image(self, repeats):
        X, _ = images(1, NETWORKS["seed"])
        return median_call(lambda: self.net.predict_proba(X), repeats)

    def first_fit(self, X, y):
        self.estimator("digits", 32, epochs=10).fit(X, y)


def median_call(call, repeats):
    for _ in range(20):
        call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


CONTESTANTS = {
    "ours": Ours,
    "ours, portable": Portable,
    "PyTorch tuned": TunedTorch,
    "PyTorch eager": Torch,
    "skorch": Skorch,
    "ours on JAX": Jax,
    "ours on JAX, TF32": JaxTF32,
    "PyTorch": DeviceTorch,
    "PyTorch, TF32": DeviceTorchTF32,
}


def first_fit(name):
    """Import, then a first fit of ten epochs on digits, in this fresh process."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8).astype(np.float32)
    began = time.perf_counter()
    CONTESTANTS[name]().first_fit(X, y.astype(np.int64))
    return time.perf_counter() - began


def peak_memory(name):
    """Megabytes at most while training the seed network on 20,000 images."""
    CONTESTANTS[name]().train("seed", 20_000, 128)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(name):
    contestant = CONTESTANTS[name]()
    for line in sys.stdin:
        verb, *args = json.loads(line)
        print(json.dumps(getattr(contestant, verb)(*args)), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(
            json.dumps(
                {"first_fit": first_fit, "peak_memory": peak_memory}[sys.argv[2]](sys.argv[1])
            )
        )
    else:
        serve(sys.argv[1])
