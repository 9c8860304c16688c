"""The loop: going on where it stopped, and what is left when something ends it."""

from __future__ import annotations

import os
import pickle
import signal
import threading

import numpy as np
import pytest

from convnet_features import ConvNetRegressor
from convnet_features.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LearningRateSchedule,
)
from convnet_features.exceptions import ConvNetFeaturesWarning, DivergenceError
from convnet_features.files.safetensors import read_arrays


def weights(net):
    return np.concatenate([value.ravel() for value in net._model.named_values.values()])


def assert_same_training(one, other):
    np.testing.assert_array_equal(weights(one), weights(other))
    for key in ("epoch", "train_loss", "valid_loss", "valid_score"):
        assert one.history_.column(key) == other.history_.column(key)


class TestGoingOn:
    @pytest.mark.parametrize(
        "update",
        [
            {"update": "nesterov_momentum"},
            {"update": "adam", "update_learning_rate": 0.002},
            {"update": "adamax", "update_learning_rate": 0.002},
        ],
        ids=lambda params: params["update"],
    )
    def test_ten_epochs_are_five_and_five_through_a_pickle(self, digits, make_net, update):
        at_once = make_net(max_epochs=10, **update).fit(*digits)
        half = make_net(max_epochs=5, warm_start=True, **update).fit(*digits)
        whole = pickle.loads(pickle.dumps(half)).fit(*digits)
        assert_same_training(at_once, whole)

    def test_five_and_five_without_a_pickle(self, digits, make_net):
        at_once = make_net(max_epochs=10).fit(*digits)
        assert_same_training(
            at_once, make_net(max_epochs=5, warm_start=True).fit(*digits).fit(*digits)
        )

    def test_a_rate_that_a_callback_set_stays_and_one_that_the_user_sets_counts(
        self, digits, make_net
    ):
        halving = LearningRateSchedule(lambda epoch: 0.04 / epoch)
        net = make_net(max_epochs=2, warm_start=True, callbacks=[halving]).fit(*digits)
        net.set_params(callbacks=None, max_epochs=1).fit(*digits)
        assert net.history_[-1]["learning_rate"] == 0.02
        net.set_params(update_learning_rate=0.001).fit(*digits)
        assert net.history_[-1]["learning_rate"] == 0.001

    def test_another_rule_begins_without_a_past(self, digits, make_net):
        net = make_net(max_epochs=1, warm_start=True).fit(*digits)
        net.set_params(update="adam", update_learning_rate=0.001).fit(*digits)
        assert net.n_iter_ == 2

    def test_partial_fit_goes_on(self, digits, make_net):
        X, y = digits
        parts = make_net()
        for _ in range(3):
            parts.partial_fit(X, y)
        through = make_net().partial_fit(X, y)
        through = pickle.loads(pickle.dumps(through)).partial_fit(X, y).partial_fit(X, y)
        np.testing.assert_array_equal(weights(parts), weights(through))
        assert parts.n_iter_ == 3

    def test_partial_fit_of_numbers_keeps_their_scale(self, digits):
        X, y = digits
        y = y * 10.0
        net = ConvNetRegressor(update_learning_rate=0.01, random_state=0).partial_fit(X, y)
        for part in range(20):
            rows = slice(part % 2 * 120, part % 2 * 120 + 120)
            net.partial_fit(X[rows], y[rows])
        assert net.score(X, y) > 0.5

    def test_dropout_draws_go_on_too(self, digits, make_net):
        """Without the generators' state the second half would repeat the first's masks."""
        net = make_net(max_epochs=1, warm_start=True).fit(*digits)
        before = [g.bit_generator.state["state"]["state"] for g in net._trainer.generators]
        assert len(before) == 2
        net.fit(*digits)
        after = [g.bit_generator.state["state"]["state"] for g in net._trainer.generators]
        assert before != after


class Raise(Callback):
    """Raises in one of its methods, in the second epoch."""

    def __init__(self, event, error=RuntimeError):
        self.event = event
        self.error = error

    def _maybe(self, event, trainer):
        if event == self.event and trainer.epoch == 2:
            raise self.error("stop here")

    def on_epoch_begin(self, trainer):
        self._maybe("on_epoch_begin", trainer)

    def on_batch_end(self, trainer, loss):
        self._maybe("on_batch_end", trainer)

    def on_epoch_end(self, trainer, record):
        self._maybe("on_epoch_end", trainer)

    def on_training_end(self, trainer):
        self._maybe("on_training_end", trainer)


class TestWhenSomethingRaises:
    @pytest.mark.parametrize(
        ("event", "finished"),
        [
            ("on_epoch_begin", 1),
            ("on_batch_end", 1),
            ("on_epoch_end", 2),
            ("on_training_end", 2),
        ],
    )
    def test_the_estimator_is_as_of_the_last_finished_epoch(
        self, digits, make_net, event, finished
    ):
        net = make_net(max_epochs=2, callbacks=[Raise(event)])
        with pytest.raises(RuntimeError, match="stop here"):
            net.fit(*digits)
        assert_same_training(net, make_net(max_epochs=finished).fit(*digits))
        assert net.predict(digits[0]).shape == (240,)

    def test_training_goes_on_from_there(self, digits, make_net):
        """The optimiser, the order and the generators are put back too."""
        net = make_net(max_epochs=4, warm_start=True, callbacks=[Raise("on_batch_end")])
        with pytest.raises(RuntimeError, match="stop here"):
            net.fit(*digits)
        net.set_params(callbacks=None, max_epochs=3).fit(*digits)
        assert_same_training(net, make_net(max_epochs=4).fit(*digits))

    def test_before_the_first_epoch_nothing_is_fitted(self, digits, make_net):
        class AtOnce(Callback):
            def on_training_begin(self, trainer):
                raise RuntimeError("too early")

        net = make_net(callbacks=[AtOnce()])
        with pytest.raises(RuntimeError, match="too early"):
            net.fit(*digits)
        assert not hasattr(net, "classes_")

    def test_divergence_names_epoch_batch_and_layer(self, digits, make_net):
        net = make_net(update_learning_rate=1e18, update="sgd", loss="squared_error")
        with pytest.raises(
            DivergenceError,
            match=r"epoch 1, batch \d+: training diverged\. Layer '(conv2d1|conv2d2|dense|output)' "
            r"was the first.*smaller update_learning_rate than 1e\+18",
        ):
            net.fit(*digits)

    @pytest.mark.parametrize(("target", "needed"), [("classes", "softmax"), ("labels", "sigmoid")])
    def test_a_loss_of_what_are_no_probabilities(self, digits, make_net, target, needed):
        """The learning rate has nothing to do with it."""
        from lasagne.nonlinearities import rectify

        X, y = digits
        y = y if target == "classes" else np.column_stack([y % 2, y > 4]).astype(int)
        net = make_net(output_nonlinearity=rectify, target=target)
        with pytest.raises(DivergenceError) as caught:
            net.fit(X * 100, y)
        assert "Layer 'output' gives numbers from 0 to " in str(caught.value)
        assert f"no probabilities of {target}; give it nonlinearity=lasagne.nonlinearities." in str(
            caught.value
        )
        assert f"{needed}, or a loss that takes any numbers." in str(caught.value)
        assert "learning_rate" not in str(caught.value)

    def test_divergence_names_the_layer_that_was_broken(self, digits, make_net):
        class Break(Callback):
            def on_batch_end(self, trainer, loss):
                trainer.model.named_values["output.b"][1] = np.nan

        with pytest.raises(
            DivergenceError,
            match=r"epoch 1, batch 1: .* Layer 'output' was the first: its parameter "
            r"'output.b' is not finite",
        ):
            make_net(callbacks=[Break()]).fit(*digits)

    def test_a_rectifier_does_not_hide_a_parameter_that_is_lost(self, digits, make_net):
        class Break(Callback):
            def on_batch_end(self, trainer, loss):
                if trainer.batch == trainer.n_batches:
                    trainer.model.named_values["conv2d2.b"][1] = np.nan

        with pytest.raises(
            DivergenceError,
            match=r"left the finite numbers at epoch 1, batch \d.*'conv2d2' was the first",
        ):
            make_net(callbacks=[Break()]).fit(*digits)

    def test_divergence_names_the_layer_that_overflowed(self, digits, make_net):
        class Blow(Callback):
            def on_batch_end(self, trainer, loss):
                trainer.model.named_values["dense.W"][...] = 3e38

        with pytest.raises(
            DivergenceError, match=r"Layer 'dense' was the first whose output is not finite"
        ):
            make_net(callbacks=[Blow()]).fit(*digits)


class PressCtrlC(Callback):
    """Sends this process the signal of Ctrl-C in the middle of the second epoch."""

    def on_batch_end(self, trainer, loss):
        if (trainer.epoch, trainer.batch) == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)


class TestCtrlC:
    @pytest.fixture(autouse=True)
    def as_at_a_terminal(self):
        """A suite that a script runs in the background is started with Ctrl-C ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_training_ends_after_the_batch_with_a_fitted_estimator(self, digits, make_net):
        net = make_net(max_epochs=50, callbacks=[PressCtrlC()])
        with pytest.warns(
            ConvNetFeaturesWarning, match="interrupted in epoch 2 of 50; the network is as it was"
        ):
            net.fit(*digits)
        assert net.n_iter_ == 2
        one = make_net(max_epochs=1).fit(*digits)
        assert not np.array_equal(weights(net), weights(one))
        assert net.predict(digits[0]).shape == (240,)

    @pytest.mark.parametrize("event", ["on_batch_end", "on_epoch_end"])
    def test_no_epoch_is_begun_after_it(self, digits, make_net, tmp_path, event):
        """Between the last batch and the next epoch, what was finished is finished."""

        class Press(Callback):
            def on_batch_end(self, trainer, loss):
                if trainer.batch == trainer.n_batches:
                    self._press("on_batch_end", trainer)

            def on_epoch_end(self, trainer, record):
                self._press("on_epoch_end", trainer)

            def _press(self, now, trainer):
                if now == event and trainer.epoch == 2:
                    os.kill(os.getpid(), signal.SIGINT)

        net = make_net(max_epochs=50, callbacks=[Press(), Checkpoint(tmp_path)])
        with pytest.warns(ConvNetFeaturesWarning, match="interrupted in epoch 2 of 50"):
            net.fit(*digits)
        assert_same_training(net, make_net(max_epochs=2).fit(*digits))
        _, notes = read_arrays(tmp_path / "last.safetensors")
        assert len(notes["state"]["history"]) == 2

    def test_the_handler_is_put_back(self, digits, make_net):
        make_net(max_epochs=1).fit(*digits)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_a_second_one_is_not_waited_for(self, digits, make_net):
        class Twice(Callback):
            def on_batch_end(self, trainer, loss):
                if trainer.epoch == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGINT)

        net = make_net(callbacks=[Twice()])
        with pytest.warns(ConvNetFeaturesWarning, match="interrupted in epoch"):
            net.fit(*digits)
        assert_same_training(net, make_net(max_epochs=1).fit(*digits))

    def test_a_callback_that_raises_keyboard_interrupt(self, digits, make_net):
        net = make_net(callbacks=[Raise("on_batch_end", KeyboardInterrupt)])
        with pytest.warns(ConvNetFeaturesWarning, match="interrupted"):
            net.fit(*digits)
        assert_same_training(net, make_net(max_epochs=1).fit(*digits))

    def test_early_stopping_still_restores_the_best(self, digits, make_net):
        stopping = EarlyStopping()
        net = make_net(max_epochs=50, callbacks=[stopping, PressCtrlC()])
        with pytest.warns(ConvNetFeaturesWarning, match="interrupted"):
            net.fit(*digits)
        assert stopping.best_epoch_ in (1, 2)

    def test_fit_in_another_thread_leaves_signals_alone(self, digits, make_net):
        net = make_net(max_epochs=1)
        thread = threading.Thread(target=net.fit, args=digits)
        thread.start()
        thread.join()
        assert net.n_iter_ == 1


class TestSettings:
    def test_a_limit_on_the_norm_of_gradients(self, digits, make_net):
        class Norms(Callback):
            def on_training_begin(self, trainer):
                self.norms_ = []

            def on_batch_end(self, trainer, loss):
                self.norms_.append(float(np.linalg.norm(trainer._step.gradient)))

        free, limited = Norms(), Norms()
        make_net(callbacks=[free]).fit(*digits)
        make_net(callbacks=[limited], max_grad_norm=0.1).fit(*digits)
        assert max(free.norms_) > 0.2
        assert max(limited.norms_) <= 0.1 * (1 + 1e-5)

    def test_a_limit_must_be_positive(self, digits, make_net):
        with pytest.raises(
            ValueError,
            match=r"'max_grad_norm' parameter of .* must be a float in the range .* or None. Got -1",
        ):
            make_net(max_grad_norm=-1).fit(*digits)

    @pytest.mark.parametrize("kind", ["l1", "l2"])
    def test_a_penalty_by_layer_is_felt_by_that_layer_only(self, digits, make_net, kind):
        plain = make_net(max_epochs=1).fit(*digits)
        whole = make_net(max_epochs=1, **{kind: 0.03}).fit(*digits)
        single = make_net(max_epochs=1, **{kind: {"dense": 0.03}}).fit(*digits)
        names = ("conv2d1", "conv2d2", "dense", "output")
        each = dict.fromkeys(names, 0.03)
        every = make_net(max_epochs=1, **{kind: each}).fit(*digits)
        np.testing.assert_allclose(weights(every), weights(whole), rtol=1e-3, atol=1e-5)

        def size(net, name):
            return float(np.abs(net.layers_[name].W.get_value()).sum())

        assert size(single, "dense") < 0.97 * size(plain, "dense")
        assert size(single, "conv2d1") > 0.99 * size(plain, "conv2d1")
        assert size(whole, "conv2d1") < size(single, "conv2d1")

    def test_a_penalty_on_an_unknown_layer(self, digits, make_net):
        with pytest.raises(ValueError, match=r"l2: there is no layer 'dence'; the network has"):
            make_net(l2={"dence": 0.1}).fit(*digits)

    def test_a_negative_penalty_on_a_layer(self, digits, make_net):
        expected = (
            r"'l1' .* a mapping from layers to floats in the range \[0.0, inf\). Got {'dense'"
        )
        with pytest.raises(ValueError, match=expected):
            make_net(l1={"dense": -1}).fit(*digits)

    def test_a_penalty_on_no_layer(self, digits, make_net):
        nothing, none = make_net(l2={}).fit(*digits), make_net(l2=0.0).fit(*digits)
        np.testing.assert_array_equal(
            nothing.predict_proba(digits[0]), none.predict_proba(digits[0])
        )
