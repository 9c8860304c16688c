"""Full disks, kills at any byte, exploding losses and memory that runs out."""

from __future__ import annotations

import errno
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, ConvNetRegressor
from convnet_features.datasets import write_idx
from convnet_features.exceptions import DivergenceError
from convnet_features.files import atomic
from convnet_features.files.layer_values import write_values
from convnet_features.files.safetensors import read_arrays
from convnet_features.training import Callback

from . import counts


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.random((60, 1, 8, 8)), np.arange(60) % 2


@pytest.fixture(scope="module")
def fitted(data):
    return ConvNetClassifier(max_epochs=1, random_state=0).fit(*data)


def save_parameters(fitted, path):
    fitted.save_params(path)


def save_as_nolearn(fitted, path):
    write_values(path, {"dense": [np.ones((400, 500), np.float32)]})


def save_idx(fitted, path):
    write_idx(path, np.zeros(200_000, np.uint8))


class TestSaving:
    """Whatever goes wrong, the previous file is there, whole, and the error names it."""

    @pytest.fixture(params=[save_parameters, save_as_nolearn, save_idx])
    def save(self, request, fitted):
        return functools.partial(request.param, fitted)

    @pytest.fixture
    def previous(self, save, tmp_path):
        path = tmp_path / "model"
        save(path)
        return path, path.read_bytes()

    def unharmed(self, previous):
        path, contents = previous
        assert path.read_bytes() == contents
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    @pytest.mark.parametrize(
        ("step", "number"),
        [
            ("fsync", errno.ENOSPC),
            ("fsync", errno.EIO),
            ("replace", errno.EACCES),
            ("chmod", errno.EPERM),
        ],
    )
    def test_errors_of_the_disk(self, step, number, save, previous, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(atomic.os, step, fail)
        with pytest.raises(OSError, match=re.escape(str(previous[0]))) as caught:
            save(previous[0])
        monkeypatch.undo()
        assert caught.value.errno == number
        self.unharmed(previous)
        counts.add("faults while saving")

    @pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
    def test_a_disk_that_fills_up(self, save, previous):
        """A real write that ends half way, as the kernel ends it."""
        resource = pytest.importorskip("resource")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            for size in (0, 1, 4096, len(previous[1]) - 1):
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
                with pytest.raises(
                    OSError, match=f"File too large: .*{re.escape(str(previous[0]))}"
                ):
                    save(previous[0])
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                self.unharmed(previous)
                counts.add("faults while saving")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    def test_a_folder_that_is_gone(self, save, tmp_path):
        path = tmp_path / "gone" / "model"
        with pytest.raises(FileNotFoundError, match="gone"):
            save(path)
        assert not path.parent.exists()

    @pytest.mark.skipif(os.name != "posix", reason="an open file can be removed on POSIX")
    def test_a_folder_that_goes_meanwhile(self, save, tmp_path, monkeypatch):
        path = tmp_path / "going" / "model"
        path.parent.mkdir()
        monkeypatch.setattr(atomic.os, "fsync", lambda file: shutil.rmtree(path.parent))
        with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
            save(path)
        counts.add("faults while saving")

    def test_a_folder_for_a_file(self, save, tmp_path):
        with pytest.raises(OSError, match=re.escape(str(tmp_path))):
            save(tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
    def test_kills_at_any_moment(self, tmp_path, rng, effort):
        """A child saves over and over until it is killed: there is always a whole file."""
        code = (
            "import sys, numpy as np\n"
            "from convnet_features import ConvNetClassifier\n"
            "from convnet_features.files.safetensors import write_arrays\n"
            "path = sys.argv[1]\n"
            "arrays = [{'a': np.full(300_000, k, np.float32)} for k in range(2)]\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    for each in arrays: write_arrays(path, each)\n"
        )
        path = tmp_path / "killed.safetensors"
        for _ in range(2 * min(effort, 5)):
            child = subprocess.Popen(
                [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE
            )
            child.stdout.readline()
            time.sleep(rng.uniform(0, 0.2))
            child.kill()
            child.wait()
            child.stdout.close()
            if path.exists():
                (array,) = read_arrays(path)[0].values()
                assert array.shape == (300_000,)
                assert (array == array[0]).all()
            counts.add("kills while saving")

    @pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
    def test_kills_at_every_step(self, save, previous):
        """The process dies at any call of the operating system's on the way."""
        path, contents = previous
        steps = ("open", "fdopen", "fsync", "chmod", "replace", "unlink", "write")
        killed = [step for step in steps if self.dies_at(step, save, path)]
        assert path.read_bytes() == contents
        assert {"fsync", "replace"} <= set(killed)
        counts.add("kills while saving", len(killed))

    def dies_at(self, step, save, path):
        """Whether a child that saves gets as far as `step`, where it is killed."""
        child = os.fork()
        if child == 0:

            def die(*args, **kwargs):
                os.kill(os.getpid(), signal.SIGKILL)

            setattr(atomic.os, step, die)
            try:
                save(path)
            finally:
                os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        return status != 0


class AfterBatch(Callback):
    """Does something after one batch of the third epoch."""

    def __init__(self, batch, action):
        self.batch = batch
        self.action = action

    def on_batch_end(self, trainer, loss):
        if (trainer.epoch, trainer.batch) == (3, self.batch):
            self.action(trainer)


def explode(layer, value):
    """Puts `value` into a layer's weights."""

    def action(trainer):
        trainer.model.network.layers[layer].W.get_value(borrow=True)[...] = value

    return action


def leap(trainer):
    """The next update leads nowhere."""
    trainer.updater.arguments["learning_rate"] = np.inf


class TestDivergence:
    """There are six batches to an epoch."""

    def diverge(self, data, batch, action, match):
        X, y = data
        options = {"batch_size": 10, "random_state": 0, "validation_fraction": None}
        good = ConvNetClassifier(max_epochs=2, **options).fit(X, y)
        network = ConvNetClassifier(max_epochs=9, callbacks=[AfterBatch(batch, action)], **options)
        with pytest.raises(DivergenceError, match=match):
            network.fit(X, y)
        assert len(network.history_) == 2
        np.testing.assert_array_equal(network.transform(X), good.transform(X))
        counts.add("divergences")

    @pytest.mark.parametrize("value", [np.inf, np.nan])
    @pytest.mark.parametrize("layer", ["conv2d1", "conv2d2", "dense", "output"])
    def test_names_epoch_batch_and_layer_and_keeps_the_last_good_epoch(self, layer, value, data):
        for batch in (1, 6):
            match = rf"at epoch 3, batch {batch}:.*Layer '{layer}' was the first"
            self.diverge(data, batch, explode(layer, value), match)

    @pytest.mark.parametrize("batch", [1, 5])
    def test_parameters_lost_by_an_update_whose_loss_was_finite(self, batch, data):
        match = rf"Parameters left .* at epoch 3, batch {batch + 1}:.*Layer 'conv2d1' was the first"
        self.diverge(data, batch, leap, match)

    def test_a_learning_rate_that_is_too_large(self, data):
        X, _ = data
        network = ConvNetRegressor(update_learning_rate=1e6, max_epochs=20, random_state=0)
        with pytest.raises(
            DivergenceError, match=r"epoch \d+, batch \d+.*smaller update_learning_rate"
        ):
            network.fit(X, X.sum(axis=(1, 2, 3)))
        counts.add("divergences")

    def test_before_the_first_epoch_there_is_nothing_to_keep(self, data):
        X, y = data
        network = ConvNetClassifier(update_learning_rate=1e30, max_epochs=3, batch_size=5)
        with pytest.raises(DivergenceError):
            network.fit(X, y)
        assert "_model" not in vars(network)
        assert network.set_params(update_learning_rate=0.01).fit(X, y).transform(X).shape == (
            60,
            256,
        )


class TestMemoryErrors:
    """An estimator that met one goes on as if nothing had been."""

    def fail(self, number):
        calls = iter(range(number + 1))

        def out_of_memory(*args, **kwargs):
            if next(calls, None) is None or number == 0:
                raise MemoryError("no memory for this")

        return out_of_memory

    class Greedy(Callback):
        def on_batch_end(self, trainer, loss):
            if trainer.epoch == 2:
                raise MemoryError("no memory for this")

    def test_in_training(self, data):
        X, y = data
        options = {"batch_size": 10, "random_state": 0}
        network = ConvNetClassifier(max_epochs=5, callbacks=[self.Greedy()], **options)
        with pytest.raises(MemoryError, match="no memory for this"):
            network.fit(X, y)
        one_epoch = ConvNetClassifier(max_epochs=1, **options).fit(X, y)
        np.testing.assert_array_equal(network.transform(X), one_epoch.transform(X))
        again = network.set_params(callbacks=None).fit(X, y)
        fresh = ConvNetClassifier(max_epochs=5, **options).fit(X, y)
        np.testing.assert_array_equal(again.transform(X), fresh.transform(X))
        counts.add("memory errors survived")

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
    @pytest.mark.parametrize("engine", ["portable", "onednn"])
    def test_real_ones(self, engine, engines):
        """In a process whose memory is limited, at one size after the other."""
        if engine not in engines:
            pytest.skip(f"{engine} is not on this machine")
        code = f"""
import resource, sys
import numpy as np
from convnet_features import ConvNetClassifier
X = np.random.default_rng(0).random((64, 1, 16, 16), dtype=np.float32)
y = np.arange(64) % 2
network = ConvNetClassifier(engine={engine!r}, max_epochs=1, random_state=0).fit(X, y)
right = network.transform(X)
held = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024
def run():
    survived = 0
    for extra in range(0, 40, 4):
        limit = held + (extra << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        try:
            big = np.zeros((300, 1, 64, 64), np.float32) if extra % 8 else X
            other = ConvNetClassifier(engine={engine!r}, max_epochs=1).fit(big, np.arange(len(big)) % 2)
            other.transform(big)
        except MemoryError:
            survived += 1
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
        other = big = None
        np.testing.assert_array_equal(network.transform(X), right)
        again = ConvNetClassifier(engine={engine!r}, max_epochs=1, random_state=0).fit(X, y)
        np.testing.assert_array_equal(again.transform(X), right)
    print(survived)
# CPython 3.11 crashes by itself where there is no memory for the frame of a function; this
# function's own frame is so large that the memory taken for it has room for those above it.
exec("def with_room(f):\\n if f():\\n  " + "".join(f"v{{i}} = " for i in range(8200)) + "0")
with_room(run)
"""
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=500
        )
        assert result.returncode == 0, result.stderr
        assert int(result.stdout) >= 3
        counts.add("memory errors survived", int(result.stdout))
