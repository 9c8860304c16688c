"""Trainings that end no better than guessing say so, and no others do."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from lasagne import objectives
from lasagne.init import Constant
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from convnet_features import ConvNetClassifier, ConvNetRegressor
from convnet_features.callbacks import Callback
from convnet_features.exceptions import ConvNetFeaturesWarning, GuessingWarning
from convnet_features.training.guessing import N_IMAGES, SUSPICIOUS, loss_of_guessing
from convnet_features.training.objectives import huber_loss, resolve_loss


def stuck(make_net, **params):
    """A network whose rate is too small for it to learn anything: 40 epochs of 6 batches."""
    return make_net(max_epochs=40, batch_size=32, update_learning_rate=1e-9, **params)


def warned(net, *data, **fit_params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GuessingWarning)
        net.fit(*data, **fit_params)
    return [str(each.message) for each in caught]


class TestTheWarning:
    def test_a_training_that_stays_at_chance(self, digits, make_net):
        """Units that are dead: every image gets the same answer, whatever it shows."""
        X, y = digits
        net = make_net(
            max_epochs=40, batch_size=32, dense_b=Constant(-1e6), validation_fraction=None
        )
        with pytest.warns(GuessingWarning) as caught:
            net.fit(X, y)
        frequencies = np.bincount(y) / len(y)
        entropy = -(frequencies * np.log(frequencies)).sum()
        loss = log_loss(y, net.predict_proba(X))
        assert [str(each.message) for each in caught] == [
            f"Training ended no better than guessing: after 40 epochs (320 updates) the loss on "
            f"the training images is {loss:.4g}, and to give every image the classes' frequencies "
            f"has a loss of {entropy:.4g}. Try a smaller update_learning_rate than 0.05, "
            "update='adam', more epochs (max_epochs), and batch normalisation in networks of your "
            "own; see that the labels belong to the images, and that input_scale brings pixels "
            "near 1."
        ]

    def test_scikit_learns_users_catch_it(self):
        assert issubclass(GuessingWarning, ConvergenceWarning)
        assert issubclass(GuessingWarning, ConvNetFeaturesWarning)

    def test_the_network_is_fitted_where_warnings_are_errors(self, digits, make_net):
        net = stuck(make_net)
        with pytest.raises(GuessingWarning):
            net.fit(*digits)
        assert net.n_iter_ == 40

    def test_labels(self, digits, make_net):
        X, y = digits
        labels = np.column_stack([y % 2, y > 6]).astype(int)
        (message,) = warned(stuck(make_net, update="adam"), X, labels)
        assert "to give every image the labels' frequencies has a loss of 0." in message
        assert "Try a smaller update_learning_rate than 1e-09, more epochs" in message

    def test_numbers(self, digits):
        """The images have nothing to do with y, and the network has hardly moved."""
        X, _ = digits
        y = np.random.default_rng(0).normal(50.0, 7.0, len(X))
        net = stuck(ConvNetRegressor, random_state=0, validation_fraction=None)
        (message,) = warned(net, X, y)
        assert "to give every image the mean of y has a loss of 1." in message

    def test_early_stopping_that_cuts_a_training_short(self, digits, make_net):
        """Some 20 batches of the 240 that were asked for: more epochs would change nothing."""
        net = stuck(make_net, early_stopping=True, n_iter_no_change=2)
        (message,) = warned(net, *digits)
        assert net.n_iter_ < 10
        assert "more patience (n_iter_no_change), and batch normalisation" in message
        assert "max_epochs" not in message

    def test_label_smoothing_counts_in_both(self, digits, make_net):
        """Dead units: the loss on smoothed targets, beside the entropy of their mean."""
        X, y = digits
        net = make_net(
            max_epochs=60,
            batch_size=32,
            dense_b=Constant(-1e6),
            validation_fraction=None,
            label_smoothing=0.3,
        )
        (message,) = warned(net, X, (y == 3).astype(int))
        smooth = 0.7 * np.array([np.mean(y != 3), np.mean(y == 3)]) + 0.15
        loss = -(smooth * np.log(net.predict_proba(X[:1])[0].astype(float))).sum()
        assert (
            f"the loss on the training images, label smoothing included, is {loss:.4g}, and to "
            "give every image the classes' frequencies has a loss of "
            f"{-(smooth * np.log(smooth)).sum():.4g}." in message
        )

    def test_of_parameters_that_a_callback_put_back(self, digits, make_net):
        """What the last epoch learnt is gone, and its loss tells nothing."""

        class Forgetting(Callback):
            def __init__(self, event):
                self.event = event

            def on_training_begin(self, trainer):
                self.first = trainer.theta * 1e-3

            def on_epoch_end(self, trainer, record):
                self.put_back("epoch", trainer)

            def on_training_end(self, trainer):
                self.put_back("training", trainer)

            def put_back(self, event, trainer):
                if event == self.event and trainer.epoch == 40:
                    trainer.theta[:] = self.first

        for event in ("epoch", "training"):
            net = make_net(max_epochs=40, callbacks=[Forgetting(event)])
            assert len(warned(net, *digits)) == 1
            assert net.loss_ < SUSPICIOUS * np.log(10)

    def test_it_points_at_the_users_line(self, digits, make_net):
        net = stuck(make_net)
        X, y = digits
        pipeline = make_pipeline(FunctionTransformer(), stuck(make_net))
        for fit in (
            lambda: net.fit(X, y),
            lambda: net.fit_transform(X, y),
            lambda: pipeline.fit(X, y),
        ):
            with pytest.warns(GuessingWarning) as caught:
                fit()
            assert caught[0].filename == __file__
            assert caught[0].lineno == fit.__code__.co_firstlineno

    def test_the_answer_to_the_weights(self, digits, make_net):
        """Balanced weights make a network worse than guessing where they don't count."""
        X, y = digits
        rare = (y == 3) & (np.arange(len(y)) < 120)
        net = make_net(max_epochs=40, class_weight="balanced")
        assert not warned(net, X, rare.astype(int))
        message = warned(stuck(make_net, class_weight="balanced"), X, rare.astype(int))[0]
        assert "has a loss of 0.69" in message  # log 2


class TestSilence:
    def test_after_what_was_learnt(self, digits, make_net):
        assert not warned(make_net(max_epochs=40), *digits)

    def test_where_few_updates_were_asked_for(self, digits, make_net):
        net = make_net(max_epochs=30, update_learning_rate=1e-9, batch_size=32)
        assert not warned(net, *digits)  # 180 updates

    def test_where_few_were_asked_for_and_stopping_came_early(self, digits, make_net):
        net = make_net(max_epochs=20, update_learning_rate=1e-9, early_stopping=True)
        assert not warned(net, *digits)

    def test_of_penalties_smoothing_and_dropout(self, digits, make_net):
        """They hold the training loss near that of guessing, and the network learns."""
        net = make_net(max_epochs=40, l2=0.006, label_smoothing=0.3)
        assert not warned(net, *digits)
        assert net.loss_ > SUSPICIOUS * np.log(10)
        assert net.score(*digits) > 0.5

    @pytest.mark.parametrize(
        ("loss", "smoothing"),
        [("auto", 0.2), ("auto", 0.6), ("binary_crossentropy", 0.2), ("squared_error", 0.3)],
    )
    def test_of_smoothed_rare_classes_that_are_learnt(self, make_net, loss, smoothing):
        """Every answer is right, and one loss is above the other if but one of them is smoothed."""
        y = (np.arange(500) % 50 == 0).astype(int)
        X = np.random.default_rng(0).normal(size=(500, 1, 6, 6)).astype(np.float32)
        X += 6 * y[:, None, None, None]
        net = make_net(
            max_epochs=15,
            batch_size=32,
            update="adam",
            update_learning_rate=0.01,
            label_smoothing=smoothing,
            loss=loss,
            dropout1_p=0,
            dropout2_p=0,
            validation_fraction=None,
        )
        assert not warned(net, X, y)
        assert net.score(X, y) == 1.0

    @pytest.mark.parametrize("weights", [{0: 1000.0, 1: 0.0001}, {0: 0.0001, 1: 1000.0}])
    def test_of_weights_that_leave_nothing_to_learn(self, digits, make_net, weights):
        """Guessing loses a millionth, of which float32 does not know a hundredth."""
        X, y = digits
        y = y % 2
        counts = np.bincount(y) * [weights[0], weights[1]]
        shares = counts / counts.sum()
        assert 0 < -(shares * np.log(shares)).sum() < 3e-6
        assert not warned(stuck(make_net, class_weight=weights), X, y)
        milder = {label: weight**0.25 for label, weight in weights.items()}
        assert warned(stuck(make_net, class_weight=milder), X, y)

    def test_of_one_class_alone(self, digits, make_net):
        X, _ = digits
        net = stuck(make_net, label_smoothing=0.2)
        assert not warned(net, X, np.ones((len(X), 2), int))

    def test_of_other_losses(self, digits, make_net):
        net = stuck(make_net, loss="multiclass_hinge_loss")
        assert not warned(net, *digits)

    def test_of_partial_fit(self, digits, make_net):
        net = make_net(batch_size=1, update_learning_rate=1e-9)
        net.partial_fit(*digits)  # 240 updates, and nobody knows how many will follow

    def test_of_equal_numbers(self, digits):
        X, _ = digits
        assert not warned(stuck(ConvNetRegressor, random_state=0), X, np.full(len(X), 2.5))


class TestTheLossOfGuessing:
    """Beside the least that a search over constants finds, and scikit-learn's losses."""

    codes = np.repeat(np.arange(3, dtype=np.int32), (7, 2, 4))
    weights = np.linspace(0.5, 2.0, 13)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_classes(self, weighted):
        weights = self.weights if weighted else None
        found = loss_of_guessing(resolve_loss("auto", "classes"), "classes", self.codes, 3, weights)
        frequencies = np.bincount(self.codes, weights) / (self.weights.sum() if weighted else 13)
        expected = log_loss(self.codes, np.tile(frequencies, (13, 1)), sample_weight=weights)
        np.testing.assert_allclose(found, expected)

    def test_classes_that_are_absent(self):
        found = loss_of_guessing(resolve_loss("auto", "classes"), "classes", self.codes, 5)
        assert found == loss_of_guessing(resolve_loss("auto", "classes"), "classes", self.codes, 3)

    @pytest.mark.parametrize("loss", ["binary_crossentropy", "squared_error"])
    @pytest.mark.parametrize("target", ["classes", "labels"])
    def test_unit_by_unit(self, loss, target):
        matrix = np.eye(3)[self.codes]
        grid = np.linspace(0.001, 0.999, 999)[:, None, None]
        losses = {
            "binary_crossentropy": -np.where(matrix == 1, np.log(grid), np.log(1 - grid)),
            "squared_error": np.square(matrix - grid),
        }[loss]
        expected = losses.mean(axis=1).min(axis=0).mean()
        values = self.codes if target == "classes" else matrix.astype(np.float32)
        found = loss_of_guessing(resolve_loss(loss, target), target, values, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    @pytest.mark.parametrize("loss", ["binary_crossentropy", "squared_error", "auto"])
    @pytest.mark.parametrize("target", ["classes", "labels"])
    def test_smoothed(self, loss, target):
        """As of the targets that smoothing makes; one sample has what knowing the answer has."""
        n_values = 3 if target == "classes" else 2
        smooth = np.eye(3)[self.codes] * 0.7 + 0.3 / n_values
        name = "categorical_crossentropy" if (loss, target) == ("auto", "classes") else loss
        values = self.codes if target == "classes" else np.eye(3, dtype=np.float32)[self.codes]
        for rows in (slice(None), slice(1)):
            t = smooth[rows]
            p = t.mean(axis=0)
            expected = {
                "categorical_crossentropy": -(t * np.log(p)).sum(axis=1),
                "squared_error": np.square(t - p),
            }.get(name, -(t * np.log(p) + (1 - t) * np.log(1 - p)))
            found = loss_of_guessing(
                resolve_loss(loss, target), target, values[rows], 3, smoothing=0.3
            )
            np.testing.assert_allclose(found, expected.mean(), rtol=1e-5, atol=1e-12)

    def test_numbers(self, rng):
        y = rng.normal(size=(13, 2)).astype(np.float32)
        found = loss_of_guessing(objectives.squared_error, "numbers", y, 2, self.weights)
        mean = np.average(y, axis=0, weights=self.weights)
        expected = np.average(np.square(y - mean).mean(axis=1), weights=self.weights)
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.parametrize(
        ("loss", "target"),
        [
            (huber_loss, "numbers"),
            (objectives.binary_crossentropy, "numbers"),
            (objectives.categorical_crossentropy, "labels"),
        ],
    )
    def test_others_are_not_known(self, loss, target):
        assert loss_of_guessing(loss, target, np.ones((4, 2), np.float32), 2) is None


def test_many_images_are_looked_at_in_part(rng):
    """Also where y repeats itself, as often as rows are left out."""
    X = np.zeros((4 * N_IMAGES, 1, 2, 2), np.float32)
    y = np.arange(len(X)) % 4
    net = ConvNetClassifier(
        conv2d1_num_filters=1,
        conv2d2_num_filters=1,
        dense_num_units=1,
        max_epochs=4,
        batch_size=128,
        random_state=0,
    )
    (message,) = warned(net, X, y)
    assert re.search(r"classes' frequencies has a loss of 1\.38", message)  # log 4 = 1.386
