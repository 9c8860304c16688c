"""A training that is killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from convnet_features.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LearningRateSchedule,
    Linear,
    ReduceOnPlateau,
)
from convnet_features.exceptions import ConvNetFeaturesWarning, FileFormatError
from convnet_features.files.safetensors import read_arrays, write_arrays
from convnet_features.training.state import TrainingState

#: What a killed process ran; the same network and data as the fixtures make.
SCRIPT = textwrap.dedent(
    """
    import sys
    from sklearn.datasets import load_digits
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Checkpoint, LearningRateSchedule, Linear

    X, y = load_digits(return_X_y=True)
    net = ConvNetClassifier(
        conv2d1_num_filters=4, conv2d2_num_filters=4, dense_num_units=16, max_epochs=40,
        random_state=0, update_learning_rate=0.05,
        callbacks=[LearningRateSchedule(Linear(0.05, 0.01)), Checkpoint(sys.argv[1], resume=True)],
    )
    print("begins", flush=True)
    net.fit(X[:240] / 16, y[:240])
    """
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize(
    "delay",
    [pytest.param(0.0, marks=pytest.mark.slow), 0.05, pytest.param(0.13, marks=pytest.mark.slow)],
)
def test_a_process_that_is_killed(digits, make_net, tmp_path, delay):
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (folder / "last.safetensors").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()

    _, notes = read_arrays(folder / "last.safetensors")  # whole, whenever it was killed
    written = len(notes["state"]["history"])
    assert 1 <= written <= 40
    read_arrays(folder / "best.safetensors")

    falling = LearningRateSchedule(Linear(0.05, 0.01))
    resumed = make_net(callbacks=[falling, Checkpoint(folder, resume=True)], max_epochs=40)
    resumed.fit(*digits)
    whole = make_net(callbacks=[falling], max_epochs=40).fit(*digits)
    np.testing.assert_array_equal(resumed._model.theta, whole._model.theta)
    for key in ("epoch", "train_loss", "valid_loss", "learning_rate"):
        assert resumed.history_.column(key) == whole.history_.column(key)


class CrashError(Exception):
    pass


class DieAfter:
    """Ends a training as a crash would, once an epoch's checkpoint is written."""

    place = 2

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, record):
        if trainer.epoch == self.epoch:
            raise CrashError


def interrupted(make_net, digits, folder, epoch, callbacks=(), **params):
    dying = [*callbacks, Checkpoint(folder), DieAfter(epoch)]
    with pytest.raises(CrashError):
        make_net(callbacks=dying, **params).fit(*digits)


@pytest.mark.parametrize("update", ["adam", "sgd", "adadelta"])
def test_the_rules_memory_is_in_it(digits, make_net, tmp_path, update):
    params = {"update": update, "update_learning_rate": 0.01, "max_epochs": 5}
    interrupted(make_net, digits, tmp_path, 2, **params)
    resumed = make_net(callbacks=[Checkpoint(tmp_path, resume=True)], **params).fit(*digits)
    np.testing.assert_array_equal(
        resumed._model.theta, make_net(**params).fit(*digits)._model.theta
    )


@pytest.mark.parametrize("too_early", [7, 3, 0])
def test_the_other_callbacks_go_on_too(digits, make_net, tmp_path, too_early):
    """Patience, and the weights to restore, are those of the whole training."""

    def callbacks():
        return [
            ReduceOnPlateau(patience=1, tol=0.05, factor=0.5),
            EarlyStopping(patience=3, tol=0.02),
        ]

    params = {"max_epochs": 30}
    whole = make_net(callbacks=callbacks(), **params).fit(*digits)
    assert too_early < whole.n_iter_ < 30  # patience ended it
    died_after = whole.n_iter_ - too_early
    interrupted(make_net, digits, tmp_path, died_after, callbacks(), **params)
    resumed = make_net(callbacks=[*callbacks(), Checkpoint(tmp_path, resume=True)], **params)
    resumed.fit(*digits)
    assert resumed.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(resumed._model.theta, whole._model.theta)


def test_a_finished_training_is_not_trained_again(digits, make_net, tmp_path):
    net = make_net(callbacks=[Checkpoint(tmp_path)]).fit(*digits)
    again = make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(*digits)
    np.testing.assert_array_equal(again._model.theta, net._model.theta)
    assert again.history_ == net.history_


def test_without_resume_it_begins_anew(digits, make_net, tmp_path):
    make_net(callbacks=[Checkpoint(tmp_path)], max_epochs=5).fit(*digits)
    net = make_net(callbacks=[Checkpoint(tmp_path)], max_epochs=2).fit(*digits)
    assert net.n_iter_ == 2
    assert len(read_arrays(tmp_path / "last.safetensors")[1]["state"]["history"]) == 2


def test_best_and_every(digits, make_net, tmp_path):
    saving = Checkpoint(tmp_path, every=2)
    net = make_net(callbacks=[saving], max_epochs=5).fit(*digits)
    assert saving.best_epoch_ == 1 + int(np.argmin(net.history_.column("valid_loss")))
    notes = {n: read_arrays(tmp_path / f"{n}.safetensors")[1] for n in ("best", "last")}
    assert len(notes["best"]["state"]["history"]) == saving.best_epoch_
    assert len(notes["last"]["state"]["history"]) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "last.safetensors"}


class StopAfterThree(Callback):
    """A user's own, which does not remember that it has stopped a training."""

    def on_epoch_end(self, trainer, record):
        return trainer.epoch == 3


@pytest.mark.parametrize("every", [1, 2, 50])
@pytest.mark.parametrize("stopping", [StopAfterThree(), EarlyStopping(patience=2, tol=10.0)])
def test_a_training_that_a_callback_ended_has_ended(digits, make_net, tmp_path, stopping, every):
    """Its last epoch is in the file whatever `every` is, and resuming repeats nothing of it."""
    saving = Checkpoint(tmp_path, resume=True, every=every)
    net = make_net(callbacks=[stopping], max_epochs=9).fit(*digits)
    saved = make_net(callbacks=[stopping, saving], max_epochs=9).fit(*digits)
    assert len(read_arrays(tmp_path / "last.safetensors")[1]["state"]["history"]) == 3
    written = (tmp_path / "last.safetensors").stat().st_mtime_ns
    resumed = make_net(callbacks=[stopping, saving], max_epochs=9).fit(*digits)
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == written
    for each in (saved, resumed):
        assert each.n_iter_ == 3
        np.testing.assert_array_equal(each.predict_proba(digits[0]), net.predict_proba(digits[0]))


def test_the_best_is_as_good_as_early_stopping_says(digits, make_net, tmp_path):
    stopping = EarlyStopping(patience=99, tol=0)
    net = make_net(callbacks=[stopping, Checkpoint(tmp_path)], max_epochs=6).fit(*digits)
    other = make_net(max_epochs=1).fit(*digits)
    report = other.load_params(tmp_path / "best.safetensors")
    assert not report.missing
    assert not report.unused
    np.testing.assert_array_equal(other.predict_proba(digits[0]), net.predict_proba(digits[0]))


def halved_loss(prediction, target):
    from lasagne.objectives import categorical_crossentropy

    return categorical_crossentropy(prediction, target) / 2


def lower_loss(share):
    return lambda prediction, target: halved_loss(prediction, target) * share


def darker(images, generator):
    return images * np.float32(0.5)


@pytest.fixture(scope="module")
def two_epochs(digits, make_net, tmp_path_factory):
    """The folder of a training of two epochs, to be copied."""
    folder = tmp_path_factory.mktemp("two_epochs")
    first = Checkpoint(folder, resume=True)
    make_net(callbacks=[first], max_epochs=2).fit(*digits)
    assert first.folder_ == folder
    return folder


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": 1},
        {"batch_size": 7},
        {"update": "sgd"},
        {"update_learning_rate": 0.01},
        {"update_momentum": 0.5},
        {"conv2d1_num_filters": 5},
        {"dropout1_p": 0.1},
        {"dense_nonlinearity": np.tanh},
        {"validation_fraction": None},
        {"freeze": ["conv2d1"]},
        {"l1": 0.01},
        {"l2": 0.01},
        {"l2": {"dense": 0.01}},
        {"loss": halved_loss},
        {"loss": "squared_error"},
        {"augment": darker},
        {"label_smoothing": 0.1},
        {"max_grad_norm": 0.1},
        {"class_weight": {0: 2.0}},
        {"shuffle": False},
        {"input_scale": 0.5},
        {"engine": "portable"},
        {"early_stopping": True},
        {"callbacks": [LearningRateSchedule(Linear(0.02, 0.01))]},
        {"callbacks": [ReduceOnPlateau(patience=1)]},
    ],
    ids=str,
)
def test_another_training_begins_anew_in_a_folder_of_its_own(
    digits, make_net, two_epochs, tmp_path, params
):
    if params.get("dense_nonlinearity") is np.tanh:
        from lasagne.nonlinearities import tanh

        params = {"dense_nonlinearity": tanh}
    others = params.get("callbacks", [])
    shutil.copytree(two_epochs, tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "last.safetensors").read_bytes()
    saving = Checkpoint(tmp_path, resume=True)
    net = make_net(**({"max_epochs": 2} | params | {"callbacks": [*others, saving]})).fit(*digits)
    alone = make_net(**({"max_epochs": 2} | params)).fit(*digits)
    np.testing.assert_array_equal(net._model.theta, alone._model.theta)
    assert saving.folder_.parent == tmp_path
    assert (tmp_path / "last.safetensors").read_bytes() == before
    again = make_net(**({"max_epochs": 2} | params | {"callbacks": [*others, saving]}))
    again.fit(*digits)  # of which nothing is trained
    assert again.history_.column("duration") == net.history_.column("duration")


def test_another_image_is_another_training(digits, make_net, tmp_path):
    make_net(callbacks=[Checkpoint(tmp_path)], max_epochs=1).fit(*digits)
    X = digits[0].copy()
    X[5, 20] += 1
    net = make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(X, digits[1])
    np.testing.assert_array_equal(net._model.theta, make_net().fit(X, digits[1])._model.theta)


def test_functions_are_compared_by_what_they_do(digits, make_net, tmp_path):
    """Closures too, and their values; two of one make are the same."""
    saving = Checkpoint(tmp_path, resume=True)
    places = []
    for share in (0.5, 0.5, 0.25):
        make_net(callbacks=[saving], loss=lower_loss(share), max_epochs=1).fit(*digits)
        places.append(saving.folder_)
    assert places[0] == places[1] != places[2]


def test_what_cannot_be_compared_begins_anew_with_a_warning(digits, make_net, tmp_path):
    lines = (line for line in "ab")

    def loss(prediction, target):
        assert lines
        return halved_loss(prediction, target)

    net = make_net(callbacks=[Checkpoint(tmp_path, resume=True)], loss=loss, max_epochs=1)
    with pytest.warns(ConvNetFeaturesWarning) as caught:
        net.fit(*digits)
    assert str(caught[0].message) == (
        "Checkpoint: the settings of this training cannot be compared with another one's (there "
        "is a generator, which cannot be told from others), so it begins anew each time. A "
        "function of a module, or an object that can be pickled, can be compared."
    )


def test_a_longer_training_goes_on_and_a_shorter_one_does_not(digits, make_net, tmp_path):
    saving = Checkpoint(tmp_path, resume=True)
    for n_epochs in (2, 4, 3):
        net = make_net(callbacks=[saving], max_epochs=n_epochs).fit(*digits)
        alone = make_net(max_epochs=n_epochs).fit(*digits)
        np.testing.assert_array_equal(net._model.theta, alone._model.theta)
        assert net.n_iter_ == n_epochs
        assert (saving.folder_ == tmp_path) == (n_epochs != 3)


def test_where_a_schedule_asks_for_the_end_another_length_is_another_training(
    digits, make_net, tmp_path
):
    def callbacks():
        return [LearningRateSchedule(Linear(0.05, 0.01))]

    for n_epochs in (2, 3):
        saving = Checkpoint(tmp_path, resume=True)
        net = make_net(callbacks=[*callbacks(), saving], max_epochs=n_epochs).fit(*digits)
        alone = make_net(callbacks=callbacks(), max_epochs=n_epochs).fit(*digits)
        np.testing.assert_array_equal(net._model.theta, alone._model.theta)


def test_without_a_random_state_the_folder_keeps_the_seed(digits, make_net, tmp_path):
    params = {"random_state": None, "max_epochs": 4}
    interrupted(make_net, digits, tmp_path / "other", 1, **params)
    dying = [Checkpoint(tmp_path, resume=True), DieAfter(2)]
    with pytest.raises(CrashError):
        make_net(callbacks=dying, **params).fit(*digits)
    net = make_net(callbacks=[Checkpoint(tmp_path, resume=True)], **params).fit(*digits)
    seed = int((tmp_path / "seed.txt").read_text())
    whole = make_net(**(params | {"random_state": seed})).fit(*digits)
    np.testing.assert_array_equal(net._model.theta, whole._model.theta)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "best.safetensors",
        "last.safetensors",
        "seed.txt",
        "training.txt",
    ]


#: A search that writes down each epoch; its arguments are the folder, n_jobs and two files.
SEARCH = textwrap.dedent(
    """
    import json, sys
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Callback, Checkpoint

    folder, n_jobs, epochs, results = sys.argv[1:]

    class Count(Callback):
        changes_training = False
        def __init__(self, path):
            self.path = path
        def on_epoch_end(self, trainer, record):
            with open(self.path, "a") as file:
                file.write("x")

    X, y = load_digits(return_X_y=True)
    saving = [Checkpoint(folder, resume=True)] if folder else []
    net = ConvNetClassifier(
        conv2d1_num_filters=4, conv2d2_num_filters=4, dense_num_units=16, max_epochs=6,
        random_state=0, callbacks=[*saving, Count(epochs)],
    )
    grid = {"update_learning_rate": [1e-4, 0.01, 0.1]}
    search = GridSearchCV(net, grid, cv=2, n_jobs=int(n_jobs)).fit(X[:240] / 16, y[:240])
    scores = {k: v.tolist() for k, v in search.cv_results_.items() if k.endswith("test_score")}
    with open(results, "w") as file:
        json.dump(scores, file)
    """
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_that_is_killed(tmp_path, n_jobs):
    """Run again, it has the scores of a search without checkpoints, and repeats no epoch."""
    epochs, results = tmp_path / "epochs", tmp_path / "results"

    def start(folder, jobs):
        arguments = [str(folder), str(jobs), str(epochs), str(results)]
        return subprocess.Popen([sys.executable, "-c", SEARCH, *arguments], start_new_session=True)

    assert start("", 1).wait() == 0
    expected = json.loads(results.read_text())
    assert len(set(expected["mean_test_score"])) > 1
    epochs.unlink()
    process = start(tmp_path / "run", n_jobs)
    while not (epochs.exists() and len(epochs.read_text()) >= 15):
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert start(tmp_path / "run", n_jobs).wait() == 0
    assert json.loads(results.read_text()) == expected
    # Six fits and the last one, of six epochs; each process may lose the one it was killed in.
    assert 42 - n_jobs <= len(epochs.read_text()) <= 42 + n_jobs
    epochs.write_text("")
    assert start(tmp_path / "run", n_jobs).wait() == 0
    assert epochs.read_text() == ""
    assert json.loads(results.read_text()) == expected


class Watched(Checkpoint):
    """Writes down what changes in a training, before and after it is resumed."""

    def __init__(self, folder, resume=False, seen=None):
        super().__init__(folder, resume)
        self.seen = seen

    def on_training_begin(self, trainer):
        self.seen.append(TrainingState.of(trainer))
        try:
            super().on_training_begin(trainer)
        finally:
            self.seen.append(TrainingState.of(trainer))


class TestFiles:
    def test_something_else_under_the_name(self, digits, make_net, tmp_path):
        (tmp_path / "last.safetensors").write_bytes(b"not this")
        with pytest.raises(FileFormatError, match="no readable safetensors file"):
            make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(*digits)

    def test_parameters_are_no_checkpoint(self, digits, make_net, tmp_path):
        make_net().fit(*digits).save_params(tmp_path / "last.safetensors")
        with pytest.raises(FileFormatError, match="this is no checkpoint; remove it, or set"):
            make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(*digits)

    def test_a_later_version(self, digits, make_net, tmp_path):
        make_net(callbacks=[Checkpoint(tmp_path)]).fit(*digits)
        arrays, notes = read_arrays(tmp_path / "last.safetensors")
        write_arrays(tmp_path / "last.safetensors", arrays, notes | {"version": 99})
        with pytest.raises(FileFormatError, match=r"version 99 of checkpoints is not the present"):
            make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(*digits)

    @pytest.mark.parametrize("part", ["training/theta", "training/optimiser/0"])
    def test_an_array_that_is_missing(self, digits, make_net, tmp_path, part):
        make_net(callbacks=[Checkpoint(tmp_path)]).fit(*digits)
        arrays, notes = read_arrays(tmp_path / "last.safetensors")
        del arrays[part]
        write_arrays(tmp_path / "last.safetensors", arrays, notes)
        with pytest.raises(FileFormatError, match=f"parts of the checkpoint are missing .*{part}"):
            make_net(callbacks=[Checkpoint(tmp_path, resume=True)]).fit(*digits)

    @pytest.mark.parametrize(
        "change",
        [
            {"fingerprint": None},
            {"fingerprint": [1]},
            {"state": None},
            {"state": {"order": {}}},
            {"state": 5},
            {"state/order": {"bit_generator": "PCG64", "state": {"state": "x", "inc": 3}}},
            {"state/order": 7},
            {"state/generators": []},
            {"state/generators": [{}]},
            {"state/arguments": {}},
            {"state/arguments": [1]},
            {"state/arguments": {"learning_rate": "fast", "momentum": 0.9}},
            {"state/arguments": {"learning_rate": 1e999, "momentum": 0.9}},
            {"state/history": {}},
            {"state/history": [5]},
            {"state/history": [{}]},
            {"state/history": [{"epoch": 2, "train_loss": 0.5}]},
            {"state/history": [{"epoch": 1, "train_loss": "low"}]},
            {"callbacks": None},
            {"callbacks": [5]},
            {"callbacks": {"Watched/0": 5}},
            {"callbacks": {"Watched/0": {"folder": "/elsewhere"}}},
            {"callbacks": {"Watched/0": {"on_epoch_end": "nothing"}}},
            {"callbacks": {"Watched/0": {"__class__": "nothing"}}},
        ],
        ids=str,
    )
    def test_notes_that_lie(self, digits, make_net, tmp_path, change):
        """One error, and the training as it was before: whatever the file says."""
        path = tmp_path / "last.safetensors"
        make_net(callbacks=[Watched(tmp_path, seen=[])], max_epochs=1).fit(*digits)
        arrays, notes = read_arrays(path)
        for place, value in change.items():
            part, _, key = place.rpartition("/")
            (notes[part] if part else notes)[key] = value
        write_arrays(path, arrays, notes)
        seen = []
        saving = Watched(tmp_path, resume=True, seen=seen)
        with pytest.raises(FileFormatError, match="; remove the file, or set resume=False"):
            make_net(callbacks=[saving], max_epochs=2).fit(*digits)
        before, after = seen
        np.testing.assert_equal(vars(after), vars(before))
        assert saving.folder == tmp_path

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("training/theta", np.full(3, 1.0, np.float32)),
            ("training/theta", np.float32(np.nan)),
            ("training/theta", np.complex64(1j)),
            ("training/optimiser/0", np.ones((2, 2), np.float32)),
            ("callback/Nobody/0/best", np.ones(2)),
            ("callback/Watched/0/folder", np.ones(2)),
        ],
        ids=str,
    )
    def test_arrays_that_lie(self, digits, make_net, tmp_path, name, value):
        path = tmp_path / "last.safetensors"
        make_net(callbacks=[Watched(tmp_path, seen=[])], max_epochs=1).fit(*digits)
        arrays, notes = read_arrays(path)
        arrays[name] = value if np.ndim(value) else arrays[name] * value
        write_arrays(path, arrays, notes)
        seen = []
        saving = Watched(tmp_path, resume=True, seen=seen)
        with pytest.raises(FileFormatError, match="; remove the file, or set resume=False"):
            make_net(callbacks=[saving], max_epochs=2).fit(*digits)
        before, after = seen
        np.testing.assert_equal(vars(after), vars(before))

    def test_a_flipped_bit(self, digits, make_net, tmp_path, rng):
        """Of a real checkpoint: noticed, or of no consequence."""
        path = tmp_path / "last.safetensors"
        make_net(callbacks=[Watched(tmp_path, seen=[])], max_epochs=1).fit(*digits)
        arrays, _ = read_arrays(path)
        content = path.read_bytes()
        for bit in rng.choice(8 * len(content), 300, replace=False):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            try:
                found, _ = read_arrays(path)
            except FileFormatError:
                continue
            np.testing.assert_equal(found, arrays)

    def test_a_folder_that_cannot_be_made(self, digits, make_net, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            make_net(callbacks=[Checkpoint(tmp_path / "file" / "run")]).fit(*digits)
