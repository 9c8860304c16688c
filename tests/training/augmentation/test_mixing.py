"""Mixed images: what they are made of, and that what is learnt of them is made alike."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from convnet_features import ConvNetClassifier, ConvNetRegressor
from convnet_features.augmentation import (
    Chain,
    ColorJitter,
    CutMix,
    MixUp,
    RandomChoice,
    RandomErasing,
    RandomFlip,
)
from convnet_features.exceptions import NetworkError
from convnet_features.training.augmentation.chain import as_augment
from convnet_features.training.augmentation.mixing import mixed_targets
from convnet_features.training.augmentation.seeding import seeded
from convnet_features.training.batches import Batch


def changed(augment, images, targets, weights=None, n_outputs=None, seed=0):
    """One batch of training."""
    function = seeded(augment, seed, 1, n_outputs or len(images))
    return function(Batch(images, targets, weights), 0)


@pytest.fixture
def numbered():
    """Image k holds k everywhere, and is of class k."""
    images = np.arange(40, dtype=np.float32)[:, None, None, None] + np.zeros((1, 3, 8, 12))
    return images.astype(np.float32), np.arange(40, dtype=np.int32)


class TestMixUp:
    def test_targets_are_mixed_as_pixels_are(self):
        """Image k is the k-th unit vector, and so is its target: both are the same mixture."""
        units = np.eye(30, dtype=np.float32)
        batch = changed(MixUp(), units.reshape(30, 1, 5, 6), np.arange(30, dtype=np.int32))
        np.testing.assert_allclose(batch.targets, batch.images.reshape(30, 30), atol=1e-7)
        assert batch.targets.dtype == np.float32
        np.testing.assert_allclose(batch.targets.sum(axis=1), 1, rtol=1e-6)
        assert ((batch.targets > 0).sum(axis=1) == 2).all()  # nobody is their own partner
        assert (batch.targets.argmax(axis=1) != np.arange(30)).mean() > 0.3

    @pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
    def test_shares_are_of_a_beta_distribution(self, alpha):
        images = np.zeros((4000, 1, 1, 1), dtype=np.float32)
        _, _, shares = MixUp(alpha)._mixed(images, np.random.default_rng(0))
        assert 0.48 < shares.mean() < 0.52
        np.testing.assert_allclose(
            shares.var() * 4 * (2 * alpha + 1), 1.0, rtol=0.06
        )  # 1 / (4 (2α + 1))

    def test_bytes_are_mixed_without_rounding(self, rng):
        images = rng.integers(0, 256, size=(20, 3, 4, 5), dtype=np.uint8)
        targets = np.arange(20, dtype=np.int32)
        of_bytes = changed(MixUp(), images, targets)
        of_floats = changed(MixUp(), images.astype(np.float32), targets)
        assert of_bytes.images.dtype == np.float32
        np.testing.assert_array_equal(of_bytes.images, of_floats.images)
        shares = of_bytes.targets.astype(float)
        expected = np.tensordot(shares, images.astype(float), axes=1)
        np.testing.assert_allclose(of_bytes.images, expected, atol=1e-3)


class TestCutMix:
    @pytest.mark.parametrize("dtype", [np.float32, np.uint8])
    def test_targets_are_mixed_by_area(self, numbered, dtype):
        images, targets = numbered
        batch = changed(CutMix(), images.astype(dtype), targets)
        assert batch.images.dtype == dtype
        for k, image in enumerate(batch.images):
            areas = np.bincount(image[0].astype(int).ravel(), minlength=40) / 96
            np.testing.assert_allclose(batch.targets[k], areas, atol=1e-6)
            (other,) = set(np.flatnonzero(areas)) - {k} or {k}  # nothing, where it is very small
            rows, columns = (np.flatnonzero((image[0] == other).any(axis=a)) for a in (1, 0))
            assert areas[other] * 96 == len(rows) * len(columns)  # a rectangle
            np.testing.assert_array_equal(image[0], image[1])

    def test_rectangles_lie_anywhere_with_the_proportions_of_the_image(self):
        images = np.repeat(np.eye(2, dtype=np.float32), 1000, axis=0)[:, :1, None, None]
        images = images + np.zeros((1, 1, 30, 60), dtype=np.float32)
        before = images.copy()
        batch = changed(CutMix(), images, np.repeat([0, 1], 1000).astype(np.int32), n_outputs=2)
        np.testing.assert_array_equal(images, before)
        differs = (batch.images != images)[:, 0]
        whole = [
            (np.ptp(np.flatnonzero(each.any(axis=1))), np.ptp(np.flatnonzero(each.any(axis=0))))
            for each in differs
            if each.any() and not (each[[0, -1]].any() or each[:, [0, -1]].any())
        ]
        assert len(whole) > 100
        for tall, wide in whole:  # 2 int(r 30), 2 int(r 60)
            assert wide + 1 - 2 * (tall + 1) in (0, 2)
        # With s = √(1 - λ), an axis keeps s - s²/4 on average: ∫(s - s²/4)² dλ = 0.32, and whole
        # pixels lose a little.
        assert 0.28 < differs.mean() * 2 < 0.33


class TestTargets:
    """Weights stay with the targets that they belong to."""

    def test_cross_entropy_is_the_sum_of_both(self, rng):
        p = rng.dirichlet(np.ones(4), size=9)
        labels, partners = rng.integers(0, 4, size=9), rng.permutation(9)
        weights, shares = rng.uniform(0.1, 5, size=9).astype(np.float32), rng.uniform(size=9)
        targets, mixed = mixed_targets(
            np.eye(4, dtype=np.float32)[labels], weights, partners, shares
        )
        found = -(targets * np.log(p)).sum(axis=1) * mixed
        of_each = weights[:, None] * -np.log(p)
        expected = shares * -np.log(p[np.arange(9), labels]) * weights
        expected += (1 - shares) * -np.log(p[np.arange(9), labels[partners]]) * weights[partners]
        assert of_each.shape == p.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)

    def test_squared_errors_have_the_gradient_of_both(self, rng):
        p, y = rng.normal(size=(2, 9, 2))
        partners, shares, weights = rng.permutation(9), rng.uniform(size=9), rng.uniform(size=9)
        targets, mixed = mixed_targets(y, weights, partners, shares)
        found = 2 * mixed[:, None] * (p - targets)
        own, other = (
            each[:, None] for each in (shares * weights, (1 - shares) * weights[partners])
        )
        expected = 2 * own * (p - y) + 2 * other * (p - y[partners])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_without_weights(self, rng):
        y, partners, shares = rng.normal(size=(9, 2)), rng.permutation(9), rng.uniform(size=9)
        targets, weights = mixed_targets(y, None, partners, shares)
        assert weights is None
        expected = shares[:, None] * y + (1 - shares)[:, None] * y[partners]
        np.testing.assert_allclose(targets, expected, rtol=1e-5, atol=1e-7)

    def test_weights_that_float32_loses(self):
        weights = np.array([1e-45, 1e-45], dtype=np.float32)
        targets, _ = mixed_targets(
            np.eye(2, dtype=np.float32), weights, np.array([1, 0]), np.full(2, 0.25)
        )
        np.testing.assert_allclose(targets, [[0.25, 0.75], [0.75, 0.25]])


class Alone(MixUp):
    """Each image is mixed with itself: what is learnt is what is learnt without."""

    def _mixed(self, images, random):
        return images, np.arange(len(images)), np.full(len(images), 0.3)


class Recording(MixUp):
    """Keeps what it made."""

    batches: list = []  # noqa: RUF012

    def _change(self, batch, random):
        self.batches.append(super()._change(batch, random))
        return self.batches[-1]


@pytest.fixture
def recorded():
    Recording.batches.clear()
    yield Recording.batches
    Recording.batches.clear()


LOSSES = {
    "categorical_crossentropy": lambda p, t: -(t * np.log(p)).sum(axis=1),
    "binary_crossentropy": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)),
    "squared_error": lambda p, t: (p - t) ** 2,
}


class TestInTraining:
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("smoothing", [0.0, 0.2])
    @pytest.mark.parametrize("loss", sorted(LOSSES))
    def test_the_loss_is_that_of_the_mixtures(
        self, digits, make_net, recorded, loss, smoothing, weighted
    ):
        """At a learning rate of 0 the network stays what it was, and predicts what it predicted."""
        X, y = digits[0][:60], digits[1][:60]
        weights = np.linspace(0.1, 3, 60) if weighted else None
        net = make_net(
            augment=Recording(0.7), update_learning_rate=0.0, max_epochs=1, batch_size=60,
            dropout1_p=0, dropout2_p=0, validation_fraction=None, loss=loss,
            label_smoothing=smoothing,
        ).fit(X, y, sample_weight=weights)  # fmt: skip
        (batch,) = recorded
        p = net.predict_proba(batch.images).astype(float)
        targets = (1 - smoothing) * batch.targets + smoothing / 10
        losses = LOSSES[loss](p, targets).reshape(60, -1).mean(axis=1)
        assert (batch.weights is not None) == weighted
        expected = np.average(losses * (batch.weights if weighted else 1))
        np.testing.assert_allclose(net.loss_, expected, rtol=2e-5)
        assert not set(np.unique(batch.targets)) <= {0, 1}

    @pytest.mark.parametrize("loss", sorted(LOSSES))
    def test_rows_of_probabilities_train_as_classes_do(self, digits, make_net, loss):
        plain, mixed = (make_net(augment=each, loss=loss).fit(*digits) for each in (None, Alone()))
        np.testing.assert_allclose(
            mixed.predict_proba(digits[0]), plain.predict_proba(digits[0]), rtol=1e-3
        )
        np.testing.assert_allclose(mixed.loss_curve_, plain.loss_curve_, rtol=1e-4)

    def test_class_weights(self, digits, make_net):
        of = {"class_weight": {0: 3.0, 1: 0.5}}
        plain, mixed = (make_net(augment=each, **of).fit(*digits) for each in (None, Alone()))
        np.testing.assert_allclose(
            mixed.predict_proba(digits[0]), plain.predict_proba(digits[0]), rtol=1e-3
        )

    @pytest.mark.parametrize("augment", [MixUp(0.4), CutMix()])
    def test_it_learns(self, digits, make_learner, augment):
        assert make_learner(augment=augment).fit(*digits).score(*digits) > 0.9

    def test_labels(self, digits, make_net, recorded):
        X, y = digits
        labels = np.stack([y % 2, y > 4, y % 3 == 0], axis=1).astype(int)
        net = make_net(augment=Recording(), max_epochs=2).fit(X, labels)
        assert net.predict_proba(X).shape == (240, 3)
        assert 0.1 < np.mean([(b.targets * (1 - b.targets) > 0).mean() for b in recorded]) < 0.6

    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_numbers(self, digits, make_net, n_outputs, recorded):
        X, y = digits
        numbers = np.stack([y, -2.0 * y], axis=1)[:, :n_outputs]
        net = ConvNetRegressor(
            **{**make_net().get_params(), "augment": Recording(), "target": "auto"}
        ).fit(X, numbers)
        assert net.predict(X).shape == (240, n_outputs)
        assert all(batch.targets.shape[1] == n_outputs for batch in recorded)

    def test_validation_is_of_images_as_they_are(self, digits, make_net, recorded):
        net = make_net(augment=Recording(), max_epochs=2).fit(*digits)
        assert sum(len(batch.images) for batch in recorded) == 2 * 192
        X_val, y_val = digits[0][:50], digits[1][:50]
        again = make_net(augment=MixUp(), max_epochs=1).fit(*digits, X_val=X_val, y_val=y_val)
        assert again.history_[0]["valid_score"] == again.score(X_val, y_val)
        assert "valid_loss" in net.history_[0]

    def test_going_on_mixes_what_one_training_would(self, digits, make_net):
        augment = [RandomFlip(), RandomChoice([MixUp(0.3), CutMix()])]
        whole = make_net(augment=augment, max_epochs=4).fit(*digits)
        half = make_net(augment=augment, max_epochs=2, warm_start=True).fit(*digits)
        again = pickle.loads(pickle.dumps(half)).fit(*digits)
        np.testing.assert_array_equal(again._model.theta, whole._model.theta)

    def test_mixing_may_begin_later(self, digits, make_net):
        """The loss then takes rows of probabilities, where it took classes."""
        net = make_net(max_epochs=1, warm_start=True).fit(*digits)
        for augment in (MixUp(), None):
            net.set_params(augment=augment).fit(*digits)
        assert len(net.history_) == 3

    def test_partial_fit(self, digits, make_net):
        net = make_net(augment=MixUp())
        for part in (slice(0, 100), slice(100, 240)):
            net.partial_fit(digits[0][part], digits[1][part], classes=np.arange(10))
        assert np.isfinite(net.loss_)

    def test_one_sample_is_its_own_partner(self, digits, make_net):
        net = make_net(augment=CutMix(), max_epochs=1, validation_fraction=None)
        assert np.isfinite(net.fit(digits[0][:33], digits[1][:33]).loss_)

    @pytest.mark.parametrize("params", [{"augment": MixUp()}, {"label_smoothing": 0.1}])
    def test_a_loss_of_ones_own_gets_rows_of_probabilities(self, digits, make_net, params):
        """Of ones and zeros in validation."""

        def own(prediction, target):
            assert target.ndim == 2
            return ((prediction - target) ** 2).sum(axis=1)

        X, y = digits
        net = make_net(loss=own, validation_fraction=None, max_epochs=1, **params)
        net.fit(X, y, X_val=X[:50], y_val=y[:50])
        assert np.isfinite(net.loss_)
        squares = (net.predict_proba(X[:50]).astype(float) - np.eye(10)[y[:50]]) ** 2
        np.testing.assert_allclose(
            net.history_[0]["valid_loss"], squares.sum(axis=1).mean(), rtol=1e-5
        )

    @pytest.mark.parametrize(
        ("params", "maker", "remedy"),
        [
            ({"augment": MixUp()}, "augment", "no MixUp or CutMix"),
            ({"augment": CutMix(), "label_smoothing": 0.1}, "augment", "no MixUp or CutMix"),
            ({"label_smoothing": 0.1}, "label_smoothing", "label_smoothing=0"),
        ],
    )
    def test_a_loss_of_ones_own_that_indexes_by_classes(
        self, digits, make_net, params, maker, remedy
    ):
        def own(prediction, target):
            return -prediction[np.arange(32), target]

        with pytest.raises(NetworkError) as caught:
            make_net(loss=own, **params).fit(*digits)
        assert str(caught.value) == (
            f"loss: {maker} mixes classes, so the function gets a matrix of probabilities "
            "(n_samples, n_classes) where it would get a vector of classes, and with that it "
            f"raised {type(caught.value.__cause__).__name__}: {caught.value.__cause__}. Let it "
            "take such a matrix, as -(target * log(prediction)).sum(axis=1) does; or use "
            f"loss='categorical_crossentropy', or {remedy}."
        )
        assert isinstance(caught.value.__cause__, TypeError)

    @pytest.mark.parametrize(
        ("params", "what"),
        [
            ({"augment": MixUp()}, "augment"),
            ({"augment": [RandomFlip(), Chain([RandomChoice([CutMix()])])]}, "augment"),
            ({"label_smoothing": 0.1}, "label_smoothing"),
        ],
    )
    def test_a_loss_of_one_right_class(self, digits, params, what):
        net = ConvNetClassifier(loss="multiclass_hinge_loss", **params)
        with pytest.raises(ValueError, match="one right class") as caught:
            net.fit(*digits)
        assert str(caught.value) == (
            f"{what} mixes classes, and loss='multiclass_hinge_loss' compares one right class with "
            "the others; use loss='categorical_crossentropy'."
        )

    @pytest.mark.parametrize("alpha", [0, -1, "a"])
    def test_alpha_is_checked(self, digits, make_net, alpha):
        with pytest.raises(ValueError, match="The 'alpha' parameter of MixUp must be"):
            make_net(augment=MixUp(alpha)).fit(*digits)


class Negative(MixUp):
    """A user's own: what the supplied one mixes, changed."""

    def __call__(self, images, random):
        return -super().__call__(images, random)


class Unmixed(MixUp):
    def __call__(self, images, random):
        return images


class NegativeChain(Chain):
    def __call__(self, images, random):
        return -super().__call__(images, random)


class NegativeChoice(RandomChoice):
    def __call__(self, images, random):
        return -super().__call__(images, random)


class TestSubclasses:
    """Whose `__call__` is their own."""

    def test_targets_are_mixed_as_the_call_mixed_the_images(self):
        units = np.eye(30, dtype=np.float32)
        data = units.reshape(30, 1, 5, 6), np.arange(30, dtype=np.int32)
        for augment in (Negative(0.4), [Negative(0.4)], RandomChoice([Negative(0.4)])):
            batch = changed(as_augment(augment), *data)
            plain = changed(MixUp(0.4), *data)
            np.testing.assert_allclose(batch.targets, -batch.images.reshape(30, 30), atol=1e-7)
            assert ((batch.targets > 0).sum(axis=1) == 2).all()
            if isinstance(augment, Negative):
                np.testing.assert_array_equal(batch.images, -plain.images)

    def test_a_call_that_does_not_say_what_it_mixed(self, digits, make_net):
        with pytest.raises(
            ValueError, match=r"the __call__ of Unmixed must call super\(\).__call__ once, with the"
        ):
            make_net(augment=Unmixed()).fit(*digits)

    @pytest.mark.parametrize("cls", [NegativeChain, NegativeChoice])
    def test_steps(self, numbered, cls):
        images, targets = numbered
        batch = changed(cls([lambda x: x + 1]), images, targets)
        np.testing.assert_array_equal(batch.images, -1 - images)
        np.testing.assert_array_equal(batch.targets, targets)

    @pytest.mark.parametrize("cls", [NegativeChain, NegativeChoice])
    def test_steps_that_mix(self, digits, make_net, cls):
        with pytest.raises(ValueError, match="has a __call__ of its own") as caught:
            make_net(augment=[RandomFlip(), cls([MixUp(0.2)])]).fit(*digits)
        assert str(caught.value) == (
            f"{cls.__name__}: it has a __call__ of its own, which does not tell what is learnt of "
            "images that MixUp(alpha=0.2) mixes; list that beside it: "
            f"augment=[{cls.__name__}(...), MixUp(alpha=0.2)]."
        )


def brighter(images):
    return images * 1.01


class TestWhite:
    """Of images that came as bytes white is 255, whatever has become of them since."""

    @pytest.mark.parametrize(
        "augment",
        [
            [MixUp(), ColorJitter(0.3)],
            [RandomChoice([MixUp(), CutMix()]), ColorJitter(0.3)],
            [MixUp(), RandomErasing(p=1, value="random")],
            [brighter, ColorJitter(0.3)],
            [brighter, RandomChoice([Chain([RandomErasing(p=1, value="random")])])],
            [Chain([brighter]), [ColorJitter(0.3)]],
        ],
        ids=str,
    )
    @pytest.mark.parametrize("brightest", [1, 255])
    def test_behind_what_makes_floats(self, rng, augment, brightest):
        images = rng.integers(0, brightest + 1, size=(20, 3, 8, 9), dtype=np.uint8)
        targets = np.arange(20, dtype=np.int32)
        batch = changed(as_augment(augment), images, targets)
        known = changed(as_augment(_with_white(augment)), images.astype(np.float32), targets)
        rounded = 0.5 if batch.images.dtype == np.uint8 else 0
        np.testing.assert_allclose(batch.images, known.images, rtol=0, atol=rounded)

    def test_of_floats_it_is_not_known(self, rng):
        images = rng.integers(0, 256, size=(20, 3, 8, 9)).astype(np.float32)
        with pytest.raises(ValueError, match="nothing tells which value is white"):
            changed(as_augment([MixUp(), ColorJitter(0.3)]), images, np.arange(20))

    def test_what_is_given_counts(self, rng):
        images = rng.integers(0, 101, size=(20, 3, 8, 9), dtype=np.uint8)
        batch = changed(
            as_augment([MixUp(), ColorJitter((9, 9), white=100)]), images, np.arange(20)
        )
        assert batch.images.max() == 100

    def test_the_users_augmentations_stay_as_they_are(self, rng):
        images = rng.integers(0, 256, size=(20, 3, 8, 9), dtype=np.uint8)
        jitter = ColorJitter(0.3)
        augment = Chain([brighter, jitter])
        changed(augment, images, np.arange(20))
        augment(images, np.random.default_rng(0))
        assert jitter.white is None
        assert augment.steps == [brighter, jitter]

    def test_training(self, rng, make_net):
        X = rng.integers(0, 256, size=(60, 3, 8, 9), dtype=np.uint8)
        augment = [RandomChoice([MixUp(), CutMix()]), ColorJitter(0.3)]
        assert len(make_net(augment=augment, max_epochs=4).fit(X, np.arange(60) % 2).history_) == 4


def _with_white(augment):
    """The same, with white where it may be given."""
    if isinstance(augment, list):
        return [_with_white(each) for each in augment]
    if isinstance(augment, Chain | RandomChoice):
        return type(augment)(_with_white(augment.steps))
    return clone(augment).set_params(white=255) if hasattr(augment, "white") else augment


class TestRandomChoice:
    def test_one_is_drawn_for_each_batch(self, numbered):
        images, _ = numbered
        choice = RandomChoice([lambda x: x + 100, [lambda x: x + 200, lambda x: x + 1]], p=[1, 3])
        found = [choice(images, np.random.default_rng(k))[0, 0, 0, 0] for k in range(400)]
        assert set(found) == {100, 201}
        assert 70 < found.count(100) < 130

    @pytest.mark.parametrize("p", [[1], [0, 0], [-1, 2], [np.nan, 1]])
    def test_probabilities_are_checked(self, digits, make_net, p):
        net = make_net(augment=RandomChoice([MixUp(), CutMix()], p=p))
        with pytest.raises(
            ValueError, match="p must be one number of at least 0 for each of the 2"
        ):
            net.fit(*digits)

    def test_nothing_to_choose_from(self, digits, make_net):
        with pytest.raises(ValueError, match="each of the 0 steps, of which there must be one"):
            make_net(augment=RandomChoice([])).fit(*digits)
