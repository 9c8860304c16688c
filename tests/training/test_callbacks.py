"""Every callback keeps the contract; each does what it is for."""

from __future__ import annotations

import csv
import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from convnet_features.callbacks import (
    Callback,
    Checkpoint,
    Cosine,
    CSVLog,
    EarlyStopping,
    EpochScoring,
    LearningRateSchedule,
    Linear,
    OneCycle,
    ProgressTable,
    ReduceOnPlateau,
    Step,
    TensorBoardLog,
)
from convnet_features.training import callbacks as module
from convnet_features.training.saving import fingerprint_in

EVENTS = (
    "on_training_begin",
    "on_epoch_begin",
    "on_batch_end",
    "on_epoch_end",
    "on_training_end",
)
MAKE = {
    "CSVLog": lambda folder: CSVLog(folder / "log.csv"),
    "Callback": lambda folder: Callback(),
    "Checkpoint": lambda folder: Checkpoint(folder / "run"),
    "EarlyStopping": lambda folder: EarlyStopping(patience=2),
    "EpochScoring": lambda folder: EpochScoring("accuracy", on="training"),
    "LearningRateSchedule": lambda folder: LearningRateSchedule(Linear(0.05, 0.01)),
    "ProgressTable": lambda folder: ProgressTable(),
    "ReduceOnPlateau": lambda folder: ReduceOnPlateau(patience=1),
    "TensorBoardLog": lambda folder: TensorBoardLog(folder / "events"),
}


@pytest.fixture(params=sorted(MAKE))
def callback(request, tmp_path):
    if request.param == "TensorBoardLog":
        pytest.importorskip("tensorboardX")
    return MAKE[request.param](tmp_path)


def test_every_callback_is_under_contract():
    exported = {name for name in module.__all__ if issubclass(getattr(module, name), Callback)}
    assert exported == set(MAKE)


class TestContract:
    def test_has_all_events_and_answers_none_or_bool(self, callback, digits, make_net):
        answers = []

        class Recorder(type(callback)):
            pass

        for event in EVENTS:
            original = getattr(type(callback), event)

            def recorded(self, *args, _original=original):
                answers.append(_original(self, *args))
                return answers[-1]

            setattr(Recorder, event, recorded)
        recorder = Recorder(**callback.get_params(deep=False))
        make_net(callbacks=[recorder]).fit(*digits)
        assert len(answers) > 2 + 2 * 3
        assert all(answer is None or isinstance(answer, bool) for answer in answers)

    def test_parameters_stay_as_they_were_given(self, callback, digits, make_net):
        before = callback.get_params(deep=False)
        make_net(callbacks=[callback]).fit(*digits)
        assert callback.get_params(deep=False) == before

    def test_a_clone_has_parameters_and_no_past(self, callback, digits, make_net):
        make_net(callbacks=[callback]).fit(*digits)
        fresh = clone(callback)
        assert set(vars(fresh)) == set(callback.get_params(deep=False))

    def test_an_estimator_with_it_can_be_cloned_and_pickled(self, callback, digits, make_net):
        net = make_net(callbacks=[callback]).fit(*digits)
        again = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(again.predict(digits[0]), net.predict(digits[0]))
        assert set(vars(clone(net).callbacks[0])) == set(callback.get_params(deep=False))

    def test_a_second_fit_is_like_the_first(self, callback, digits, make_net):
        net = make_net(callbacks=[callback])
        first = net.fit(*digits)._model.theta.copy()
        np.testing.assert_array_equal(net.fit(*digits)._model.theta, first)

    def test_state_survives_its_own_round_trip(self, callback, digits, make_net):
        make_net(callbacks=[callback]).fit(*digits)
        state = callback.get_state()
        other = clone(callback)
        other.set_state(state)
        assert other.get_state().keys() == state.keys()

    def test_works_without_validation_data(self, callback, digits, make_net):
        net = make_net(callbacks=[callback], validation_fraction=None).fit(*digits)
        assert "valid_loss" not in net.history_[0]
        assert net.validation_scores_ is None

    def test_in_a_grid_search_on_threads(self, callback, digits, make_net):
        net = make_net(callbacks=[callback], max_epochs=1)
        search = GridSearchCV(net, {"update_learning_rate": [0.02, 0.05]}, cv=2, refit=False)
        search.fit(*digits)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert set(vars(callback)) == set(callback.get_params(deep=False))


@pytest.mark.parametrize("event", EVENTS)
def test_returning_true_stops(event, digits, make_net):
    class Stop(Callback):
        pass

    def stop(self, trainer, *args):
        return trainer.epoch == (0 if event == "on_training_begin" else 2)

    setattr(Stop, event, stop)
    net = make_net(callbacks=[Stop()], max_epochs=4).fit(*digits)
    finished = {"on_training_begin": 0, "on_epoch_begin": 1, "on_training_end": 4}
    assert net.n_iter_ == finished.get(event, 2)


def test_something_true_is_not_true(digits, make_net):
    class Chatty(Callback):
        def on_epoch_end(self, trainer, record):
            return "all well"

    assert make_net(callbacks=[Chatty()]).fit(*digits).n_iter_ == 3


def test_an_object_with_some_of_the_methods_will_do(digits, make_net):
    class Plain:
        epochs = 0

        def on_epoch_end(self, trainer, record):
            self.epochs += 1
            record["note"] = self.epochs

    net = make_net(callbacks=[Plain()]).fit(*digits)
    assert net.history_.column("note") == [1, 2, 3]


class Says(Callback):
    """Puts given values into the history, as if they had been measured."""

    def __init__(self, key, values):
        self.key = key
        self.values = values

    def on_epoch_end(self, trainer, record):
        record[self.key] = self.values[trainer.epoch - 1]


class TestEarlyStopping:
    @pytest.mark.parametrize(
        ("key", "values", "best"),
        [
            ("valid_loss", [3, 2, 1, 2, 2, 0], 3),
            ("valid_score", [0.1, 0.5, 0.4, 0.5, 0.9], 2),
            ("my_accuracy", [0.1, 0.2, 0.2, 0.2, 0.9], 2),
        ],
    )
    def test_stops_and_restores(self, digits, make_net, key, values, best):
        stopping = EarlyStopping(monitor=key, patience=2)
        net = make_net(callbacks=[Says(key, values), stopping], max_epochs=len(values))
        net.fit(*digits)
        assert stopping.best_epoch_ == best
        assert stopping.best_value_ == values[best - 1]
        assert net.n_iter_ == best + 2
        expected = make_net(max_epochs=best).fit(*digits)
        np.testing.assert_array_equal(net._model.theta, expected._model.theta)

    def test_restores_where_patience_never_ran_out(self, digits, make_net):
        stopping = EarlyStopping(monitor="x", patience=10)
        net = make_net(callbacks=[Says("x", [1, 0, 1]), stopping]).fit(*digits)
        expected = make_net(max_epochs=2).fit(*digits)
        np.testing.assert_array_equal(net._model.theta, expected._model.theta)

    def test_can_leave_the_last_weights(self, digits, make_net):
        stopping = EarlyStopping(monitor="x", patience=10, restore_best=False)
        net = make_net(callbacks=[Says("x", [1, 0, 1]), stopping]).fit(*digits)
        np.testing.assert_array_equal(net._model.theta, make_net().fit(*digits)._model.theta)

    def test_less_than_tol_is_no_improvement(self, digits, make_net):
        stopping = EarlyStopping(monitor="x", patience=2, tol=0.5)
        says = Says("x", [1.0, 0.7, 0.6, 0.1])
        net = make_net(callbacks=[says, stopping], max_epochs=4).fit(*digits)
        assert net.n_iter_ == 3
        assert stopping.best_epoch_ == 3

    def test_an_unknown_column(self, digits, make_net):
        with pytest.raises(
            ValueError,
            match=r"EarlyStopping: there is no 'val_loss' in the history, which has epoch",
        ):
            make_net(callbacks=[EarlyStopping("val_loss")]).fit(*digits)

    def test_the_estimator_has_it_by_a_switch(self, digits, make_net):
        net = make_net(early_stopping=True, n_iter_no_change=1, tol=10.0, max_epochs=9)
        assert net.fit(*digits).n_iter_ == 2


class TestSchedules:
    @pytest.mark.parametrize(
        ("schedule", "expected"),
        [
            (Step(0.1, 0.5, every=2), [0.1, 0.1, 0.05, 0.05, 0.025]),
            (Linear(0.03, 0.01), [0.03, 0.025, 0.02, 0.015, 0.01]),
            (
                Cosine(0.1),
                [0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05, 0.05 * (1 - math.sqrt(0.5)), 0],
            ),
            (lambda epoch: 1 / epoch, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
            (lambda epoch, n_epochs: epoch / n_epochs, [0.2, 0.4, 0.6, 0.8, 1.0]),
        ],
    )
    def test_values(self, digits, make_net, schedule, expected):
        following = LearningRateSchedule(schedule)
        net = make_net(callbacks=[following], max_epochs=5, batch_size=200).fit(*digits)
        np.testing.assert_allclose(net.history_.column("learning_rate"), expected, atol=1e-12)

    def test_linear_is_nolearns_adjust_variable(self):
        expected = np.linspace(0.03, 0.0001, 40)
        found = [Linear(0.03, 0.0001)(epoch, 40) for epoch in range(1, 41)]
        np.testing.assert_allclose(found, expected)

    def test_one_cycle_rises_and_falls(self):
        values = [OneCycle(1.0)(epoch, 101) for epoch in range(1, 102)]
        assert values[0] == pytest.approx(1 / 25)
        assert values[30] == max(values) == pytest.approx(1.0)
        assert values[100] == pytest.approx(1e-4)
        assert (np.diff(values[:31]) > 0).all()
        assert (np.diff(values[30:]) < 0).all()

    def test_by_batch(self, digits, make_net):
        rates = []

        class Watch(Callback):
            def on_batch_end(self, trainer, loss):
                rates.append(trainer.learning_rate)

        following = LearningRateSchedule(lambda epoch: epoch / 100, by_batch=True)
        # 192 training digits in 4 batches; the schedule is told before it.
        net = make_net(callbacks=[Watch(), following], max_epochs=2, batch_size=48)
        net.fit(*digits)
        expected = [1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75]
        np.testing.assert_allclose(rates, np.array(expected) / 100)

    def test_any_argument_of_the_rule(self, digits, make_net):
        seen = []

        class Watch(Callback):
            def on_epoch_end(self, trainer, record):
                seen.append(trainer.updater.arguments["momentum"])

        momentum = LearningRateSchedule(Linear(0.5, 0.9), argument="momentum")
        make_net(callbacks=[momentum, Watch()]).fit(*digits)
        np.testing.assert_allclose(seen, [0.5, 0.7, 0.9])

    def test_an_argument_that_the_rule_does_not_have(self, digits, make_net):
        momentum = LearningRateSchedule(Linear(0.5, 0.9), argument="momentum")
        with pytest.raises(
            ValueError, match=r"rule 'sgd' has no momentum to set; it has learning_rate"
        ):
            make_net(update="sgd", callbacks=[momentum]).fit(*digits)


class TestReduceOnPlateau:
    def test_reduces_when_nothing_gets_better(self, digits, make_net):
        says = Says("x", [5, 4, 4, 4, 3, 3, 3])
        reducing = ReduceOnPlateau("x", factor=0.5, patience=2)
        net = make_net(callbacks=[says, reducing], max_epochs=7).fit(*digits)
        rates = net.history_.column("learning_rate")
        np.testing.assert_allclose(rates, [0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025])
        assert reducing.best_epoch_ == 5

    def test_not_below_the_least(self, digits, make_net):
        reducing = ReduceOnPlateau("x", factor=0.1, patience=1, min_rate=0.02)
        net = make_net(callbacks=[Says("x", [1] * 4), reducing], max_epochs=4).fit(*digits)
        np.testing.assert_allclose(net.history_.column("learning_rate"), [0.05, 0.05, 0.02, 0.02])

    def test_a_factor_that_does_not_reduce(self, digits, make_net):
        with pytest.raises(ValueError, match=r"'factor' parameter of ReduceOnPlateau must be .*2"):
            make_net(callbacks=[ReduceOnPlateau(factor=2)]).fit(*digits)


class TestCSVLog:
    def test_holds_the_history(self, digits, make_net, tmp_path):
        net = make_net(callbacks=[CSVLog(tmp_path / "log.csv")]).fit(*digits)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
        for row, record in zip(rows, net.history_, strict=True):
            assert {key: float(value) for key, value in row.items()} == record
        assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]

    def test_goes_on_with_the_training(self, digits, make_net, tmp_path):
        net = make_net(callbacks=[CSVLog(tmp_path / "log.csv")], warm_start=True)
        net.fit(*digits).fit(*digits)
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 6


@pytest.mark.parametrize("schedule", [Linear(0.03, 0.01), Cosine(0.1), OneCycle(0.1)], ids=repr)
def test_a_schedule_without_a_known_end_is_refused(digits, make_net, schedule):
    net = make_net(callbacks=[LearningRateSchedule(schedule)])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        net.partial_fit(*digits)
    assert str(caught.value) == (
        f"LearningRateSchedule: {schedule!r} depends on the number of epochs, which partial_fit "
        "does not know; give a schedule of the epoch alone (Step, or a function of one argument), "
        "or train with fit."
    )


@pytest.mark.parametrize("schedule", [Step(0.04, 0.5, every=1), lambda epoch: 0.08 / 2**epoch])
def test_schedules_of_the_epoch_alone_are_obeyed_by_partial_fit(digits, make_net, schedule):
    net = make_net(callbacks=[LearningRateSchedule(schedule)])
    for _ in range(3):
        net.partial_fit(*digits)
    assert net.history_.column("learning_rate") == [0.04, 0.02, 0.01]


class TestFilesOfManyFits:
    """Each fit of a search has its own file, which no other fit writes to."""

    GRID: ClassVar = {"update_learning_rate": [0.01, 0.05]}

    @pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
    def test_logs(self, digits, make_net, tmp_path, n_jobs):
        net = make_net(callbacks=[CSVLog(tmp_path / "log.csv")])
        search = GridSearchCV(net, self.GRID, cv=2, n_jobs=n_jobs).fit(*digits)
        files = sorted(tmp_path.iterdir())
        assert len(files) == 5  # of two candidates, two folds, and the best on everything
        rates = []
        for file in files:
            assert re.fullmatch(r"log-[0-9a-f]{16}\.csv", file.name)
            rows = list(csv.DictReader(file.read_text().splitlines()))
            assert [row["epoch"] for row in rows] == ["1", "2", "3"]
            (rate,) = {row["learning_rate"] for row in rows}
            rates.append(float(rate))
        assert sorted(rates.count(rate) for rate in self.GRID["update_learning_rate"]) == [2, 3]
        (log,) = search.best_estimator_.callbacks
        rows = list(csv.DictReader(log.path_.read_text().splitlines()))
        history = search.best_estimator_.history_
        assert [float(row["train_loss"]) for row in rows] == history.column("train_loss")

    def test_logs_of_other_lengths(self, digits, make_net, tmp_path):
        net = make_net(callbacks=[CSVLog(tmp_path / "log.csv")])
        GridSearchCV(net, {"max_epochs": [1, 2]}, cv=2, refit=False).fit(*digits)
        lengths = [len(file.read_text().splitlines()) - 1 for file in tmp_path.iterdir()]
        assert sorted(lengths) == [1, 1, 2, 2]

    @pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
    def test_checkpoints_that_nobody_resumes(self, digits, make_net, tmp_path, n_jobs):
        net = make_net(callbacks=[Checkpoint(tmp_path)])
        GridSearchCV(net, self.GRID, cv=2, n_jobs=n_jobs).fit(*digits)
        folders = [file.parent for file in tmp_path.rglob("last.safetensors")]
        assert len(folders) == 5
        known = [fingerprint_in(folder / "last.safetensors") for folder in folders]
        assert known == [fingerprint_in(folder / "best.safetensors") for folder in folders]
        assert len({str(each) for each in known}) == 5

    def test_one_training_has_the_name_that_was_given(self, digits, make_net, tmp_path):
        for rate in self.GRID["update_learning_rate"]:
            callbacks = [CSVLog(tmp_path / "log.csv"), Checkpoint(tmp_path / "run")]
            make_net(callbacks=callbacks, update_learning_rate=rate).fit(*digits)
        files = [file.name for file in tmp_path.rglob("*") if file.is_file()]
        assert sorted(files) == ["best.safetensors", "last.safetensors", "log.csv"]


class FitsAnother(Callback):
    """Has another estimator trained in the middle of a training."""

    def __init__(self, other=None, data=None):
        self.other = other
        self.data = data

    def on_epoch_end(self, trainer, record):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.other.fit, *self.data).result()


def test_no_callback_is_told_of_two_trainings_at_once(digits, make_net):
    shared = EarlyStopping(patience=2)
    other = make_net(callbacks=[shared])
    net = make_net(callbacks=[shared, FitsAnother(other, digits)])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        net.fit(*digits)
    assert str(caught.value) == (
        "callbacks: this EarlyStopping is in use by another training, which has not ended, and "
        "keeps that one's state; give each estimator callbacks of its own, as "
        "sklearn.base.clone(estimator) does."
    )
    assert len(other.fit(*digits).history_) == 3  # nothing is left behind


def test_clones_have_callbacks_of_their_own(digits, make_net):
    shared = EarlyStopping(patience=2)
    other = clone(make_net(callbacks=[shared]))
    net = make_net(callbacks=[shared, FitsAnother(other, digits)])
    assert len(net.fit(*digits).history_) == 3
    assert other.callbacks[0] is not shared
