"""Every loss by name and as a callable, its targets in whatever shape it needs."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, ConvNetRegressor
from convnet_features.exceptions import NetworkError
from convnet_features.theano_facade import theano_scope
from convnet_features.training.gradients import evaluation_program
from convnet_features.training.objectives import resolve_loss, smoothed

from ..helpers import assert_close

LASAGNE = ("binary_crossentropy", "categorical_crossentropy", "squared_error")
LATER = ("binary_hinge_loss", "huber_loss", "multiclass_hinge_loss")


def computed(objective, prediction, target):
    """The losses as numbers."""
    from pytensor.tensor import matrix, vector

    from convnet_features.compilation import compile_program
    from convnet_features.kernels.registry import get_kernels

    prediction, target = np.float32(prediction), np.asarray(target)
    with theano_scope():
        p = matrix("p", dtype="float32", shape=(None, prediction.shape[1]))
        make = vector if target.ndim == 1 else matrix
        t = make("t", dtype="int32" if target.ndim == 1 else "float32")
        function = compile_program([p, t], [objective(p, t)], get_kernels("portable"))
    return function(prediction, target.astype(t.dtype))[0]


P = np.array([[0.7, 0.1, 0.2], [0.3, 0.3, 0.4]])
LABELS = np.array([0, 1])
HOT = np.eye(3)[LABELS]
SCORES = np.array([[2.0, 1.5, -1.0], [0.5, 0.2, 3.0]])


FACTOR = 1.0


def by_a_global(prediction, target):
    """A user's own loss."""
    from lasagne.objectives import categorical_crossentropy

    return np.float32(FACTOR) * categorical_crossentropy(prediction, target)


class ByAGlobal:
    """The same as an object."""

    def __call__(self, prediction, target):
        return by_a_global(prediction, target)


class TestAgainstNumPy:
    def test_categorical_crossentropy(self):
        loss = resolve_loss("categorical_crossentropy", "classes")
        assert_close(computed(loss, P, LABELS), -np.log(P[[0, 1], LABELS]), "float32")

    def test_binary_crossentropy_of_classes(self):
        expected = -(HOT * np.log(P) + (1 - HOT) * np.log(1 - P))
        loss = resolve_loss("binary_crossentropy", "classes")
        assert_close(computed(loss, P, LABELS), expected, "float32")

    def test_squared_error_of_classes(self):
        loss = resolve_loss("squared_error", "classes")
        assert_close(computed(loss, P, LABELS), (P - HOT) ** 2, "float32")

    def test_multiclass_hinge(self):
        loss = resolve_loss("multiclass_hinge_loss", "classes")
        expected = [max(0, 1 + 1.5 - 2.0), max(0, 1 + 3.0 - 0.2)]
        assert_close(computed(loss, SCORES, LABELS), np.float32(expected))
        assert_close(computed(loss, SCORES, HOT), np.float32(expected))

    def test_binary_hinge(self):
        loss = resolve_loss("binary_hinge_loss", "labels")
        expected = np.maximum(0, 1 - (2 * HOT - 1) * SCORES)
        assert_close(computed(loss, SCORES, HOT), expected, "float32")
        of_classes = resolve_loss("binary_hinge_loss", "classes")
        assert_close(computed(of_classes, SCORES, LABELS), expected, "float32")

    def test_huber(self):
        d = SCORES - HOT
        expected = np.where(np.abs(d) <= 1, d**2 / 2, np.abs(d) - 0.5)
        assert_close(computed(resolve_loss("huber_loss", "numbers"), SCORES, HOT), expected)

    @pytest.mark.parametrize("name", ["categorical_crossentropy", "binary_crossentropy"])
    def test_label_smoothing(self, name):
        loss = smoothed(resolve_loss(name, "classes"), 0.3)
        t = HOT * 0.7 + 0.1
        if name == "categorical_crossentropy":
            expected = -(t * np.log(P)).sum(axis=1)
        else:
            expected = -(t * np.log(P) + (1 - t) * np.log(1 - P))
        assert_close(computed(loss, P, LABELS), expected, "float32")

    def test_label_smoothing_of_labels(self):
        loss = smoothed(resolve_loss("squared_error", "labels"), 0.2)
        assert_close(computed(loss, P, HOT), (P - (0.8 * HOT + 0.1)) ** 2, "float32")


@pytest.fixture
def linear_output(make_learner):
    """A network with scores for an output."""
    from lasagne.nonlinearities import identity

    def make(**params):
        return make_learner(output_nonlinearity=identity, **params)

    return make


class TestInTraining:
    @pytest.mark.parametrize("name", LASAGNE)
    @pytest.mark.parametrize("as_callable", [False, True], ids=["name", "callable"])
    def test_lasagnes_own_on_classes(self, digits, make_learner, name, as_callable):
        import lasagne.objectives

        loss = getattr(lasagne.objectives, name) if as_callable else name
        net = make_learner(loss=loss)
        assert net.fit(*digits).score(*digits) > 0.8

    @pytest.mark.parametrize("name", ["multiclass_hinge_loss", "binary_hinge_loss", "huber_loss"])
    def test_the_later_ones_on_classes(self, digits, linear_output, name):
        net = linear_output(loss=name)
        assert net.fit(*digits).score(*digits) > 0.8

    @pytest.mark.parametrize("name", ["squared_error", "huber_loss"])
    def test_numbers(self, digits, name):
        X, y = digits
        net = ConvNetRegressor(
            loss=name, update_learning_rate=0.01, random_state=0, max_epochs=20
        ).fit(X, y * 1.0)
        assert net.score(X, y) > 0.6

    @pytest.mark.parametrize(
        "name",
        ["binary_crossentropy", "squared_error", "binary_hinge_loss", "huber_loss"],
    )
    def test_labels(self, digits, make_learner, linear_output, name):
        X, y = digits
        several = np.column_stack([y > 4, y % 2 == 0, y == 3]).astype(int)
        net = (linear_output if "hinge" in name else make_learner)(loss=name)
        assert (net.fit(X, several).predict(X) == several).mean() > 0.9

    def test_ones_own(self, digits, make_learner):
        def brier(prediction, target):
            from theano.tensor import arange, eq

            hot = eq(target.dimshuffle(0, "x"), arange(10)).astype("float32")
            return ((prediction - hot) ** 2).sum(axis=1)

        net = make_learner(loss=brier)
        assert net.fit(*digits).score(*digits) > 0.8

    @pytest.mark.parametrize("as_instance", [False, True])
    def test_one_that_reads_a_global_variable(self, digits, make_net, monkeypatch, as_instance):
        """The second fit in the process has twice the loss, as NumPy would have it."""
        loss = ByAGlobal() if as_instance else by_a_global
        first = make_net(loss=loss, max_epochs=1, update_learning_rate=0.0).fit(*digits)
        monkeypatch.setitem(globals(), "FACTOR", 2.0)
        second = make_net(loss=loss, max_epochs=1, update_learning_rate=0.0).fit(*digits)
        for column in ("train_loss", "valid_loss"):
            twice = 2 * np.float64(first.history_[0][column])
            np.testing.assert_allclose(second.history_[0][column], twice, rtol=1e-6)

    def test_a_mean_is_refused(self, digits, make_net):
        with pytest.raises(NetworkError, match=r"one loss a sample .* not their mean"):
            make_net(loss=lambda p, t: p.mean()).fit(*digits)

    def test_an_unknown_name(self, digits, make_net):
        expected = sorted([*LASAGNE, *LATER])
        with pytest.raises(ValueError, match="loss must be 'auto', a callable, or one of") as error:
            make_net(loss="hinge").fit(*digits)
        assert str(expected) in str(error.value)

    def test_smoothing_keeps_probabilities_away_from_certainty(self, digits, make_learner):
        sure = make_learner().fit(*digits)
        unsure = make_learner(label_smoothing=0.3).fit(*digits)
        assert unsure.score(*digits) > 0.9
        X = digits[0]
        assert unsure.predict_proba(X).max(axis=1).mean() < 0.9
        assert sure.predict_proba(X).max(axis=1).mean() > 0.93
        # The loss that is written down for validation is that of the targets as they are.
        assert unsure.history_[-1]["valid_loss"] < unsure.history_[-1]["train_loss"]

    @pytest.mark.parametrize("epsilon", [-0.1, 1.0])
    def test_smoothing_out_of_range(self, digits, make_net, epsilon):
        with pytest.raises(
            ValueError,
            match="'label_smoothing' parameter of ConvNetClassifier must be a float in the range",
        ):
            make_net(label_smoothing=epsilon).fit(*digits)

    def test_smoothing_of_numbers(self, digits):
        with pytest.raises(ValueError, match=r"label_smoothing=0.1 needs classes or labels"):
            ConvNetRegressor(label_smoothing=0.1).fit(digits[0], digits[1] * 1.0)


def test_evaluation_gives_one_loss_a_sample(digits):
    net = ConvNetClassifier(loss="squared_error", max_epochs=1, random_state=0).fit(*digits)
    model = net._model
    objective = resolve_loss("squared_error", "classes")
    program = evaluation_program(model.network, objective, "classes", 10, "portable")
    images = model.to_network(digits[0][:7].reshape(7, 1, 8, 8))
    losses, prediction = program.function(images, np.int32(digits[1][:7]), *model.values)
    expected = ((prediction - np.eye(10)[digits[1][:7]]) ** 2).mean(axis=1)
    assert_close(losses, expected, "float32")


#: The losses and measures that compare unit by unit, with their closed forms.
BESIDE = {
    "squared_error": lambda p, t: (p - t) ** 2,
    "binary_crossentropy": lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
    "binary_hinge_loss": lambda p, t: np.maximum(0, 1 - (2 * t - 1) * p),
    "huber_loss": lambda p, t: (p - t) ** 2 / 2,
    "binary_accuracy": lambda p, t: (p >= 0.5) == t,
}


class TestAVectorOfTargets:
    """Beside the output of one unit it is a column: a row would compare all with all, silently."""

    @pytest.fixture
    def of_units(self):
        """A function of a layer's input and targets, for an objective and a number of units."""
        import theano
        from lasagne import layers, nonlinearities, objectives
        from theano import tensor as T

        def make(name, n_units, dtype="float32", swapped=False):
            incoming = layers.InputLayer((None, 3))
            net = layers.DenseLayer(incoming, n_units, nonlinearity=nonlinearities.sigmoid)
            x, t = T.matrix("x"), T.vector("t", dtype=dtype)
            pair = [layers.get_output(net, x), t]
            losses = getattr(objectives, name)(*(pair[::-1] if swapped else pair))
            return net, theano.function([x, t], losses)

        return make

    @pytest.mark.parametrize("dtype", ["float32", "int32"])
    @pytest.mark.parametrize("name", BESIDE)
    def test_one_unit(self, name, dtype, of_units, rng):
        net, losses = of_units(name, 1, dtype)
        X, t = rng.normal(size=(7, 3)).astype("float32"), rng.integers(0, 2, 7).astype(dtype)
        p = 1 / (1 + np.exp(-np.float64(X) @ np.float64(net.W.get_value())))
        found = losses(X, t)
        assert found.shape == (7, 1)
        np.testing.assert_allclose(found, BESIDE[name](p, t[:, None]), rtol=1e-5)

    def test_in_either_place(self, of_units, rng):
        _, losses = of_units("squared_error", 1, swapped=True)
        assert losses(rng.normal(size=(7, 3)).astype("float32"), np.zeros(7, "f")).shape == (7, 1)

    @pytest.mark.parametrize("name", BESIDE)
    def test_several_units(self, name, of_units):
        _, losses = of_units(name, 7)
        with pytest.raises(ValueError, match=f"{name}: a vector stands beside a matrix of several"):
            losses(np.ones((7, 3), "float32"), np.ones(7, "float32"))

    def test_of_a_matrix_that_is_known_to_be_wider(self):
        from lasagne.objectives import squared_error

        with pytest.raises(ValueError, match=r"squared_error: .* 3 columns.*dimshuffle\('x', 0\)"):
            squared_error(np.ones((3, 3), "float32"), np.ones(3, "float32"))

    def test_the_crossentropy_stays_finite(self):
        """A sigmoid is still seen behind the loss."""
        import theano
        from lasagne.objectives import binary_crossentropy
        from theano import tensor as T

        z, t = T.matrix("z"), T.vector("t")
        loss = binary_crossentropy(T.nnet.sigmoid(z), t).mean()
        values = theano.function([z, t], [loss, theano.grad(loss, z)])
        cost, gradient = values(np.float32([[200], [-200]]), np.float32([0, 1]))
        assert cost == 200
        np.testing.assert_array_equal(gradient, [[0.5], [-0.5]])
