"""Networks that people use, read from ONNX: ours beside onnxruntime, OpenVINO and PyTorch.

    python benchmarks/networks.py [--networks resnet18 ...] [--batches 1 32] [--rounds 7]
                                  [--contestants ours onnxruntime ...] [--json FILE]
                                  [--first-calls] [--memory]

Random weights and random statistics of normalisations, float32. Contestants live in processes
of their own and take turns; printed are medians in milliseconds, and how many times as long as
ours each takes, with geometric means. Who is not installed is left out. With --first-calls, how
long a fresh process takes to read a model and compute one image, twice (the second time, what was
kept on disk is there). With --memory, megabytes at most of a process that computes the largest
batch.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Rows and columns of the images, by network; 224 of those that are not here.
SIZES = {"inception_v3": 299, "resnet20": 32, "darknet": 256}


def networks():
    """The networks' makers by name; they need PyTorch."""
    from torch import nn

    def conv(n_in, n_out, size, stride=1, pad=None, groups=1, activation=nn.ReLU):
        pad = size // 2 if pad is None else pad
        parts = [
            nn.Conv2d(n_in, n_out, size, stride, pad, groups=groups, bias=False),
            nn.BatchNorm2d(n_out),
        ]
        return nn.Sequential(*parts, *([activation()] if activation else []))

    class Sum(nn.Module):
        def __init__(self, branch, shortcut=None, activation=None):
            super().__init__()
            self.branch = branch
            self.shortcut = shortcut or nn.Identity()
            self.activation = activation or nn.Identity()

        def forward(self, x):
            return self.activation(self.branch(x) + self.shortcut(x))

    class Concatenation(nn.Module):
        def __init__(self, *branches):
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x):
            import torch

            return torch.cat([branch(x) for branch in self.branches], 1)

    def head(n_features, n_classes=1000):
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_features, n_classes)]

    def block(n_in, width, stride, bottleneck):
        n_out = 4 * width if bottleneck else width
        if bottleneck:
            branch = [conv(n_in, width, 1), conv(width, width, 3, stride)]
            branch.append(conv(width, n_out, 1, activation=None))
        else:
            branch = [conv(n_in, width, 3, stride), conv(width, width, 3, activation=None)]
        shortcut = None
        if stride > 1 or n_in != n_out:
            shortcut = conv(n_in, n_out, 1, stride, activation=None)
        return Sum(nn.Sequential(*branch), shortcut, nn.ReLU()), n_out

    def resnet(counts, bottleneck):
        parts, n = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
        for stage, count in enumerate(counts):
            for number in range(count):
                stride = 2 if stage and not number else 1
                part, n = block(n, 64 << stage, stride, bottleneck)
                parts.append(part)
        return nn.Sequential(*parts, *head(n))

    def resnet20():
        parts, n = [conv(3, 16, 3)], 16
        for stage in range(3):
            for number in range(3):
                part, n = block(n, 16 << stage, 2 if stage and not number else 1, False)
                parts.append(part)
        return nn.Sequential(*parts, *head(n, 10))

    def inverted(n_in, n_out, size, stride, expansion):
        n, act = n_in * expansion, nn.ReLU6
        parts = [conv(n_in, n, 1, activation=act)] if expansion > 1 else []
        parts += [conv(n, n, size, stride, groups=n, activation=act)]
        parts += [conv(n, n_out, 1, activation=None)]
        branch = nn.Sequential(*parts)
        return Sum(branch) if stride == 1 and n_in == n_out else branch

    def mobile(stem, settings, last):
        parts, n = [conv(3, stem, 3, 2, activation=nn.ReLU6)], stem
        for expansion, width, count, stride, size in settings:
            for number in range(count):
                parts.append(inverted(n, width, size, 1 if number else stride, expansion))
                n = width
        return nn.Sequential(*parts, conv(n, last, 1, activation=nn.ReLU6), *head(last))

    def mobilenet_v2():
        settings = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
        settings += [(6, 160, 3, 2), (6, 320, 1, 1)]
        return mobile(32, [(*each, 3) for each in settings], 1280)

    def efficientnet_lite0():
        settings = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)]
        settings += [(6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
        return mobile(32, settings, 1280)

    def vgg11():
        parts, n = [], 3
        for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
            if width:
                parts += [nn.Conv2d(n, width, 3, padding=1), nn.ReLU()]
                n = width
            else:
                parts.append(nn.MaxPool2d(2))
        dense = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
        return nn.Sequential(*parts, nn.Flatten(), *dense, nn.Linear(4096, 1000))

    def fire(n_in, squeeze, expand):
        def part(*args):
            return nn.Sequential(nn.Conv2d(*args), nn.ReLU())

        both = Concatenation(part(squeeze, expand, 1), part(squeeze, expand, 3, 1, 1))
        return nn.Sequential(part(n_in, squeeze, 1), both)

    def squeezenet():
        pool = functools.partial(nn.MaxPool2d, 3, 2)
        parts = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), fire(64, 16, 64), fire(128, 16, 64)]
        parts += [pool(), fire(128, 32, 128), fire(256, 32, 128), pool(), fire(256, 48, 192)]
        parts += [fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256)]
        parts += [nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*parts)

    def normed(n_in, n_out, size):
        act = [nn.BatchNorm2d(n_in), nn.ReLU()]
        return [*act, nn.Conv2d(n_in, n_out, size, padding=size // 2, bias=False)]

    def densenet121():
        parts, n = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
        for stage, count in enumerate((6, 12, 24, 16)):
            for _ in range(count):
                new = nn.Sequential(*normed(n, 128, 1), *normed(128, 32, 3))
                parts.append(Concatenation(nn.Identity(), new))
                n += 32
            if stage < 3:
                parts += [*normed(n, n // 2, 1), nn.AvgPool2d(2)]
                n //= 2
        return nn.Sequential(*parts, nn.BatchNorm2d(n), nn.ReLU(), *head(n))

    def inception_v3():
        def seq(*parts):
            return nn.Sequential(*parts)

        def pooled(n, width):
            return seq(nn.AvgPool2d(3, 1, 1), conv(n, width, 1))

        def a(n, width):
            double = seq(conv(n, 64, 1), conv(64, 96, 3), conv(96, 96, 3))
            five = seq(conv(n, 48, 1), conv(48, 64, 5))
            return Concatenation(conv(n, 64, 1), five, double, pooled(n, width))

        def flat(n, m, size):
            return conv(n, m, (1, size), pad=(0, size // 2))

        def tall(n, m, size):
            return conv(n, m, (size, 1), pad=(size // 2, 0))

        def b(c):
            one = seq(conv(768, c, 1), flat(c, c, 7), tall(c, 192, 7))
            two = seq(conv(768, c, 1), tall(c, c, 7), flat(c, c, 7), tall(c, c, 7))
            two = seq(two, flat(c, 192, 7))
            return Concatenation(conv(768, 192, 1), one, two, pooled(768, 192))

        def c(n):
            one = seq(conv(n, 384, 1), Concatenation(flat(384, 384, 3), tall(384, 384, 3)))
            two = seq(conv(n, 448, 1), conv(448, 384, 3))
            two = seq(two, Concatenation(flat(384, 384, 3), tall(384, 384, 3)))
            return Concatenation(conv(n, 320, 1), one, two, pooled(n, 192))

        pool = functools.partial(nn.MaxPool2d, 3, 2)
        double = seq(conv(288, 64, 1), conv(64, 96, 3), conv(96, 96, 3, 2, 0))
        first = Concatenation(conv(288, 384, 3, 2, 0), double, pool())
        three = seq(conv(768, 192, 1), conv(192, 320, 3, 2, 0))
        seven = seq(conv(768, 192, 1), flat(192, 192, 7), tall(192, 192, 7))
        second = Concatenation(three, seq(seven, conv(192, 192, 3, 2, 0)), pool())
        parts = [conv(3, 32, 3, 2, 0), conv(32, 32, 3, 1, 0), conv(32, 64, 3), pool()]
        parts += [conv(64, 80, 1), conv(80, 192, 3, 1, 0), pool(), a(192, 32), a(256, 64)]
        parts += [a(288, 64), first, b(128), b(160), b(160), b(192), second, c(1280), c(2048)]
        return seq(*parts, *head(2048))

    def darknet():
        leaky = functools.partial(nn.LeakyReLU, 0.1)
        conv_ = functools.partial(conv, activation=leaky)
        parts = [conv_(3, 16, 3), nn.MaxPool2d(2), conv_(16, 32, 3), nn.MaxPool2d(2)]
        for n in (16, 32, 64):
            parts += [conv_(2 * n, n, 1), conv_(n, 8 * n, 3), conv_(8 * n, n, 1)]
            parts += [conv_(n, 8 * n, 3), nn.MaxPool2d(2), conv_(8 * n, 4 * n, 1)]
        return nn.Sequential(*parts, conv_(256, 512, 3), nn.Conv2d(512, 1000, 1), *head(1000))

    return {
        "resnet18": lambda: resnet((2, 2, 2, 2), False),
        "resnet50": lambda: resnet((3, 4, 6, 3), True),
        "mobilenet_v2": mobilenet_v2,
        "efficientnet_lite0": efficientnet_lite0,
        "vgg11": vgg11,
        "squeezenet": squeezenet,
        "densenet121": densenet121,
        "inception_v3": inception_v3,
        "resnet20": resnet20,
        "darknet": darknet,
    }


NAMES = (
    "resnet18", "resnet50", "mobilenet_v2", "efficientnet_lite0", "vgg11", "squeezenet",
    "densenet121", "inception_v3", "resnet20", "darknet",
)  # fmt: skip


def module(name):
    """A network with random weights, and statistics of normalisations as training leaves them."""
    import torch

    torch.manual_seed(0)
    network = networks()[name]()
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.5, 1.0)
            part.bias.data.normal_(0, 0.1)
    return network.eval()


def images(name, n):
    size = SIZES.get(name, 224)
    return np.random.default_rng(0).standard_normal((n, 3, size, size), dtype=np.float32)


def write(name, path):
    """Export a network with PyTorch's exporter."""
    import torch

    torch.onnx.export(
        module(name),
        (torch.from_numpy(images(name, 1)),),
        str(path),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )


class Ours:
    def __init__(self, name, path):
        from convnet_features.onnx import from_onnx

        self.compute = from_onnx(path).transform


class OnnxRuntime:
    def __init__(self, name, path):
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.compute = lambda X: session.run(None, {"x": X})[0]


class OpenVino:
    def __init__(self, name, path):
        import openvino

        core = openvino.Core()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        request = core.compile_model(core.read_model(path), "CPU", hints).create_infer_request()
        self.compute = lambda X: request.infer({"x": X})[0]


class Torch:
    def __init__(self, name, path):
        import torch

        network = module(name).to(memory_format=torch.channels_last)

        def compute(X):
            with torch.inference_mode():
                x = torch.from_numpy(X).contiguous(memory_format=torch.channels_last)
                return network(x).numpy()

        self.compute = compute


CONTESTANTS = {"ours": Ours, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "torch": Torch}


def serve(contestant, name, path):
    """Answer requests, a batch and a number of calls each, with seconds of each call."""
    began = time.perf_counter()
    # What libraries are imported for is not what a first call costs.
    __import__({"ours": "convnet_features.onnx"}.get(contestant, contestant))
    imported = time.perf_counter()
    compute = CONTESTANTS[contestant](name, path).compute
    first = compute(images(name, 1))
    ready = time.perf_counter()
    answer = {"import": imported - began, "first": ready - imported, "y": first[0].tolist()}
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        batch, n_calls = json.loads(line)
        X, times = images(name, batch), []
        for _ in range(n_calls):
            began = time.perf_counter()
            compute(X)
            times.append(time.perf_counter() - began)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"times": times, "peak": peak}), flush=True)


class Process:
    """A contestant in a process of its own."""

    def __init__(self, contestant, name, path):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", contestant, name, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first = self._answer()

    def run(self, batch, n_calls):
        self.process.stdin.write(json.dumps([batch, n_calls]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[3:5]} gave up")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(name, path, contestants, batches, rounds):
    """For each contestant what was measured: medians by batch, in milliseconds, and more."""
    running, found = {}, {}
    for contestant in contestants:
        try:
            running[contestant] = Process(contestant, name, path)
        except RuntimeError as error:
            print(f"{name}: {error}", file=sys.stderr)
    wanted = None
    for contestant, process in running.items():
        y = np.array(process.first.pop("y"))
        wanted = y if wanted is None else wanted
        apart = abs(y - wanted).max() / abs(wanted).max()
        found[contestant] = {**process.first, "apart": apart, "ms": {}}
    for batch in batches:
        times = {contestant: [] for contestant in running}
        n_calls = 5 if batch == 1 else 1
        for number in range(rounds + 1):
            for contestant, process in running.items():
                answer = process.run(batch, n_calls)
                found[contestant]["peak"] = answer["peak"]
                if number:
                    times[contestant].append(statistics.median(answer["times"]))
        for contestant, each in times.items():
            found[contestant]["ms"][batch] = 1e3 * statistics.median(each)
    for process in running.values():
        process.close()
    return found


def first_calls(name, path, contestants):
    """Seconds of a first call in two fresh processes, one after the other."""
    found = {}
    for contestant in contestants:
        seconds = []
        for _ in range(2):
            process = Process(contestant, name, path)
            seconds.append(process.first["first"])
            process.close()
        found[contestant] = seconds
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first-calls", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--models", type=Path, help="a folder where models are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        for name in options.networks:
            path = (options.models or Path(folder)) / f"{name}.onnx"
            if not path.exists():
                write(name, path)
            if options.first_calls:
                results[name] = first_calls(name, path, options.contestants)
                cells = (
                    f"{each} {first:.2f}, then {second:.2f} s"
                    for each, (first, second) in results[name].items()
                )
                print(f"{name}: {'; '.join(cells)}", flush=True)
                continue
            results[name] = compare(
                name, path, options.contestants, options.batches, options.rounds
            )
            show(name, results[name], options.batches, options.memory)
        if not options.first_calls:
            show_means(results, options.batches)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))


def show(name, found, batches, memory):
    for batch in batches:
        ours = found.get("ours", {"ms": {}})["ms"].get(batch)
        cells = [f"{name:20} {batch:3}"]
        for contestant, each in found.items():
            ratio = f" ({each['ms'][batch] / ours:.2f})" if ours and contestant != "ours" else ""
            peak = f" {each['peak']:.0f} MB" if memory else ""
            cells.append(f"{contestant} {each['ms'][batch]:.1f} ms{ratio}{peak}")
        print("  ".join(cells), flush=True)
    worst = {contestant: f"{each['apart']:.1e}" for contestant, each in found.items()}
    print(f"{name:20} results differ by {worst}", flush=True)


def show_means(results, batches):
    contestants = dict.fromkeys(each for found in results.values() for each in found)
    for contestant in contestants:
        ratios = [
            found[contestant]["ms"][batch] / found["ours"]["ms"][batch]
            for found in results.values()
            if contestant in found and "ours" in found
            for batch in batches
        ]
        if ratios and contestant != "ours":
            print(
                f"{contestant}: {statistics.geometric_mean(ratios):.2f} times as long as ours "
                f"(geometric mean of {len(ratios)}; from {min(ratios):.2f} to {max(ratios):.2f})"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
