"""Changed images: what each augmentation does, and that nothing but the seed decides it."""

from __future__ import annotations

import pickle
import threading
import time

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from sklearn.base import clone

from convnet_features import augmentation as module
from convnet_features.augmentation import (
    Augmentation,
    Chain,
    ColorJitter,
    CutMix,
    Cutout,
    MixUp,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomShift,
)
from convnet_features.training import batches, trainer
from convnet_features.training.augmentation import geometry
from convnet_features.training.batches import Dataset, iterate_batches

MAKE = {
    "Chain": lambda: Chain([RandomFlip(), RandomShift(1)]),
    "ColorJitter": lambda: ColorJitter(0.5, 0.5, 0.5, 0.1, white=100),
    "CutMix": CutMix,
    "Cutout": lambda: Cutout(3),
    "MixUp": MixUp,
    "RandomChoice": lambda: RandomChoice([RandomShift(2), RandomRotation(20)]),
    "RandomCrop": lambda: RandomCrop(2),
    "RandomErasing": lambda: RandomErasing(value="random", white=100),
    "RandomFlip": RandomFlip,
    "RandomGrayscale": lambda: RandomGrayscale(0.5),
    "RandomResizedCrop": RandomResizedCrop,
    "RandomRotation": lambda: RandomRotation(20),
    "RandomShift": lambda: RandomShift(2),
}


@pytest.fixture
def images(rng):
    return rng.uniform(1, 2, size=(40, 3, 7, 11)).astype(np.float32)


@pytest.fixture(params=sorted(MAKE))
def augmentation(request):
    return MAKE[request.param]()


def test_every_augmentation_is_under_contract():
    assert {*MAKE, "Augmentation"} == set(module.__all__)


def _turned(channel, angle):
    """One channel, turned about its centre among zeros."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    centre = (np.array(channel.shape) - 1) / 2
    offset = centre - matrix @ centre
    image = channel.astype(float)
    return affine_transform(image, matrix, offset, order=1, mode="grid-constant")


class TestContract:
    def test_keeps_shape_and_dtype_and_changes_something(self, augmentation, images):
        changed = augmentation(images.copy(), np.random.default_rng(0))
        assert changed.shape == images.shape
        assert changed.dtype == np.float32
        assert not np.array_equal(changed, images)

    def test_bytes_stay_bytes(self, augmentation, rng):
        images = rng.integers(0, 100, size=(40, 3, 7, 11), dtype=np.uint8)
        before = images.copy()
        changed = augmentation(images, np.random.default_rng(0))
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, images)
        np.testing.assert_array_equal(images, before)

    def test_bytes_become_what_floats_become(self, augmentation, rng):
        images = rng.integers(0, 100, size=(40, 3, 7, 11), dtype=np.uint8)
        if isinstance(augmentation, RandomErasing):
            augmentation.set_params(value=7)
        of_bytes, of_floats = (
            augmentation(each, np.random.default_rng(0)).astype(float)
            for each in (images, images.astype(np.float32))
        )
        np.testing.assert_allclose(of_bytes, of_floats, atol=0.5001)

    def test_the_generator_decides(self, augmentation, images):
        def draw(seed):
            return augmentation(images.copy(), np.random.default_rng(seed))

        np.testing.assert_array_equal(draw(1), draw(1))
        assert not np.array_equal(draw(1), draw(2))

    def test_each_image_is_changed_in_its_own_way(self, augmentation):
        same = np.arange(77, dtype=np.float32).reshape(7, 11) + np.zeros((40, 3, 1, 1), np.float32)
        if isinstance(augmentation, RandomGrayscale):
            same[:, 0] /= 2  # what is grey stays as it is
        if isinstance(augmentation, RandomErasing):
            augmentation.set_params(value=0)
        changed = augmentation(same, np.random.default_rng(0))
        if isinstance(augmentation, CutMix | MixUp):  # with shares of their own
            np.testing.assert_allclose(changed, same, rtol=1e-6)
            return
        assert len(np.unique(changed.reshape(40, -1), axis=0)) > 1
        np.testing.assert_array_equal(changed[:, 1], changed[:, 2])  # channels go together

    def test_clones_and_pickles(self, augmentation, images):
        expected = augmentation(images.copy(), np.random.default_rng(3))
        for other in (clone(augmentation), pickle.loads(pickle.dumps(augmentation))):
            found = other(images.copy(), np.random.default_rng(3))
            np.testing.assert_array_equal(found, expected)

    def test_trains(self, augmentation, digits, make_net):
        net = make_net(augment=augmentation, max_epochs=1).fit(*digits)
        assert np.isfinite(net.loss_)


class TestEach:
    def test_shift(self, images):
        changed = RandomShift(2)(images, np.random.default_rng(0))
        padded = np.pad(images, [(0, 0), (0, 0), (2, 2), (2, 2)])
        windows = [(r, c) for r in range(5) for c in range(5)]
        found = set()
        for image, source in zip(changed, padded, strict=True):
            matches = [w for w in windows if np.array_equal(image, _window(source, w, 7, 11))]
            assert len(matches) == 1
            found.update(matches)
        assert len(found) > 10

    def test_crop_shows_no_zeros(self, images):
        assert RandomCrop(3)(images, np.random.default_rng(0)).min() >= 1

    @pytest.mark.parametrize(("axis", "number"), [("horizontal", 3), ("vertical", 2)])
    def test_flip(self, images, axis, number):
        changed = RandomFlip(axis)(images, np.random.default_rng(0))
        flipped = np.array([np.array_equal(a, b) for a, b in zip(changed, images, strict=True)])
        assert 5 < flipped.sum() < 35
        np.testing.assert_array_equal(changed[~flipped], np.flip(images, number)[~flipped])

    def test_flip_always_and_never(self, images):
        rng = np.random.default_rng(0)
        np.testing.assert_array_equal(RandomFlip(p=1)(images, rng), images[..., ::-1])
        np.testing.assert_array_equal(RandomFlip(p=0)(images, rng), images)

    def test_flip_along_no_axis(self, images):
        with pytest.raises(ValueError, match=r"axis must be one of .*; got 'diagonal'"):
            RandomFlip("diagonal")(images, np.random.default_rng(0))

    def test_a_quarter_turn(self):
        """A generator that draws 90° each time turns the image about its centre, exactly."""

        class Quarter:
            def uniform(self, low, high, size):
                return np.full(size, 90.0)

        image = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
        turned = RandomRotation(90)(image, Quarter())
        candidates = [np.rot90(image, k, axes=(2, 3)) for k in (1, 3)]
        assert any(np.allclose(turned, candidate, atol=1e-4) for candidate in candidates)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
    def test_turns_as_scipy_does(self, rng, monkeypatch, dtype):
        """Also where images come in several blocks, the last of them smaller."""
        monkeypatch.setattr(geometry, "BLOCK", 4 * 3 * 7 * 11)
        images = rng.uniform(0, 200, size=(10, 3, 7, 11)).astype(dtype)
        turned = RandomRotation(30)(images, np.random.default_rng(1))
        assert turned.dtype == dtype
        angles = np.deg2rad(np.random.default_rng(1).uniform(-30, 30, size=10))
        expected = [
            [_turned(channel, a) for channel in image]
            for image, a in zip(images, angles, strict=True)
        ]
        np.testing.assert_allclose(turned, expected, atol=0.502 if dtype == np.uint8 else 2e-3)

    def test_no_turn_changes_nothing(self, images):
        np.testing.assert_allclose(RandomRotation(0)(images, np.random.default_rng(0)), images)

    def test_cutout(self, images):
        changed = Cutout(3, value=-1)(images, np.random.default_rng(0))
        holes = (changed == -1).all(axis=1)
        np.testing.assert_array_equal(changed[:, 0][~holes], images[:, 0][~holes])
        for hole in holes:
            rows, columns = np.nonzero(hole.any(axis=1))[0], np.nonzero(hole.any(axis=0))[0]
            assert hole.sum() == len(rows) * len(columns) >= 4  # one rectangle
            assert len(rows) <= 3
            assert len(columns) <= 3
        assert max(hole.sum() for hole in holes) == 9

    def test_chain_is_one_after_the_other(self, images):
        rng, other = np.random.default_rng(5), np.random.default_rng(5)
        expected = RandomShift(1)(RandomFlip()(images, rng), rng)
        found = Chain([RandomFlip(), RandomShift(1)])(images, other)
        np.testing.assert_array_equal(found, expected)


def _window(image, corner, height, width):
    row, column = corner
    return image[:, row : row + height, column : column + width]


class TestInTraining:
    def test_a_function_of_the_batch_alone(self, digits, make_net):
        doubled = make_net(augment=lambda images: images * 2).fit(*digits)
        X, y = digits
        expected = make_net(validation_fraction=None).fit(X * 2, y)
        found = make_net(augment=lambda images: images * 2, validation_fraction=None).fit(X, y)
        np.testing.assert_array_equal(found._model.theta, expected._model.theta)
        assert "valid_loss" in doubled.history_[0]

    def test_an_option_is_no_generator(self, digits, make_net):
        def scale(images, factor=2.0):
            return images * factor

        X, y = digits
        found = make_net(augment=scale, validation_fraction=None).fit(X, y)
        expected = make_net(validation_fraction=None).fit(X * 2, y)
        np.testing.assert_array_equal(found._model.theta, expected._model.theta)

    def test_a_list_is_a_chain(self, digits, make_net):
        steps = [RandomShift(1), lambda images: images * 0.5]
        found = make_net(augment=steps).fit(*digits)
        expected = make_net(augment=Chain(steps)).fit(*digits)
        np.testing.assert_array_equal(found._model.theta, expected._model.theta)

    def test_only_training_images_are_changed(self, digits, make_net):
        """What spoils every image it sees spoils training, not validation or prediction."""
        seen = []

        def record(images):
            seen.append(len(images))
            return images

        make_net(augment=record, max_epochs=2).fit(*digits)
        assert sum(seen) == 2 * 192

    def test_the_users_images_stay_as_they_are(self, digits, make_net):
        X = digits[0].astype(np.float32).reshape(-1, 1, 8, 8)
        before = X.copy()

        def spoil(images):
            images[...] = 0
            return images

        make_net(augment=spoil, shuffle=False, validation_fraction=None).fit(X, digits[1])
        np.testing.assert_array_equal(X, before)

    def test_the_same_bits_whatever_the_timing(self, digits, make_net, monkeypatch):
        monkeypatch.setattr(trainer, "processor_to_spare", lambda: True)

        class Slowly(Augmentation):
            def __init__(self, seconds):
                self.seconds = seconds

            def __call__(self, images, random):
                time.sleep(self.seconds * random.random())
                return RandomShift(1)(images, random)

        at_once, slowly = (make_net(augment=Slowly(s)).fit(*digits) for s in (0, 0.02))
        np.testing.assert_array_equal(at_once._model.theta, slowly._model.theta)

    def test_going_on_draws_what_one_training_would(self, digits, make_net):
        whole = make_net(augment=RandomShift(1), max_epochs=4).fit(*digits)
        half = make_net(augment=RandomShift(1), max_epochs=2, warm_start=True).fit(*digits)
        again = pickle.loads(pickle.dumps(half)).fit(*digits)
        np.testing.assert_array_equal(again._model.theta, whole._model.theta)

    def test_bytes_reach_only_what_takes_them(self, make_net, rng):
        """The package's own work on bytes; functions and classes of users get float32."""
        X = rng.integers(0, 256, size=(40, 3, 8, 8), dtype=np.uint8)
        y = np.arange(40) % 2
        seen = []

        class Mine(Augmentation):
            def __call__(self, images, random):
                seen.append(images.dtype)
                return images

        class OnBytes(Mine):
            on_bytes = True

        def doubled(images):
            seen.append(images.dtype)
            return images * 2  # bytes would overflow

        steps = [RandomFlip(), OnBytes(), RandomShift(1), doubled, RandomFlip(), OnBytes(), Mine()]
        make_net(augment=steps, max_epochs=1, validation_fraction=None).fit(X, y)
        assert set(seen[:4]) == {np.dtype(np.uint8), np.dtype(np.float32)}
        assert seen[:4] == [np.uint8, np.float32, np.float32, np.float32]

    def test_bytes_and_floats_train_the_same_network(self, make_net, rng):
        X = rng.integers(0, 256, size=(60, 3, 8, 8), dtype=np.uint8)
        y = np.arange(60) % 2
        augment = [RandomFlip(), RandomShift(1), RandomCrop(1), Cutout(2), RandomErasing(value=3)]
        of_bytes, of_floats = (
            make_net(augment=augment, max_epochs=1).fit(each, y)
            for each in (X, X.astype(np.float32))
        )
        np.testing.assert_array_equal(of_bytes._model.theta, of_floats._model.theta)

    @pytest.mark.parametrize("put", [lambda each: each, lambda each: [each], lambda e: Chain([e])])
    def test_parameters_are_checked_before_training(self, digits, make_net, put):
        net = make_net(augment=put(RandomShift(-1)))
        with pytest.raises(ValueError, match="The 'pixels' parameter of RandomShift must be"):
            net.fit(*digits)
        assert "n_features_in_" not in vars(net)

    def test_a_class_instead_of_an_augmentation(self, digits, make_net):
        message = "augment holds the class RandomFlip, not an augmentation. Write RandomFlip()."
        for augment in (RandomFlip, [RandomShift(), RandomFlip], Chain([RandomFlip])):
            with pytest.raises(ValueError, match="the class") as caught:
                make_net(augment=augment).fit(*digits)
            assert str(caught.value) == message

    def test_another_shape(self, digits, make_net):
        with pytest.raises(
            ValueError, match=r"augment: it made a batch of shape \(32, 1, 8, 7\) from one of"
        ):
            make_net(augment=lambda images: images[..., :7]).fit(*digits)

    @pytest.mark.parametrize("last", [RandomShift(1), MixUp()])
    def test_another_number_of_images_within_a_list(self, digits, make_net, last):
        with pytest.raises(
            ValueError, match=r"augment: it made a batch of shape \(5, 1, 8, 8\) from one of \(32"
        ):
            make_net(augment=[lambda images: images[:5], last]).fit(*digits)

    def test_lists_are_taken(self, digits, make_net):
        def listed(images):
            return images.tolist()

        net, plain = (
            make_net(augment=each, max_epochs=1).fit(*digits)
            for each in ([listed, RandomShift(1)], RandomShift(1))
        )
        np.testing.assert_array_equal(net._model.theta, plain._model.theta)

    def test_something_that_cannot_be_called(self, digits, make_net):
        with pytest.raises(ValueError, match=r"'augment' parameter .* a callable.*Got 'flip'"):
            make_net(augment="flip").fit(*digits)

    @pytest.mark.parametrize("ahead", [False, True])
    def test_what_it_raises_is_raised(self, digits, make_net, monkeypatch, ahead):
        monkeypatch.setattr(trainer, "processor_to_spare", lambda: ahead)

        def fail(images):
            raise ZeroDivisionError("in the thread")

        with pytest.raises(ZeroDivisionError, match="in the thread"):
            make_net(augment=fail).fit(*digits)
        assert not _workers()


def _workers():
    return [t for t in threading.enumerate() if t.name.startswith("convnet_features")]


def test_batches_are_the_same_with_and_without_a_thread(rng):
    data = Dataset(rng.random((11, 1, 2, 3)), np.arange(11), None, np.arange(1, 11))

    def made(ahead, augment=lambda batch, n: batch._replace(images=batch.images + n)):
        order = np.random.default_rng(4)
        return list(iterate_batches(data, 4, 0.5, order, augment, ahead))

    for between, ahead in zip(made(False), made(True), strict=True):
        np.testing.assert_array_equal(between[0], ahead[0])
        np.testing.assert_array_equal(between[1], ahead[1])
        assert between[0].dtype == np.float32
    for plain, ahead in zip(
        made(False, None), made(True, lambda batch, number: batch), strict=True
    ):
        np.testing.assert_array_equal(plain[0], ahead[0])


class TestWhere:
    """Beside the kernels' work if that leaves a processor; else between two batches."""

    @pytest.fixture
    def thread_of(self, digits, make_net, monkeypatch):
        def find(n_threads, n_processors=3, **params):
            names = set()

            def augment(images):
                names.add(threading.current_thread().name)
                return images

            monkeypatch.setattr(batches.joblib, "cpu_count", lambda: n_processors)
            monkeypatch.setattr(batches, "get_num_threads", lambda: n_threads)
            make_net(augment=augment, max_epochs=1, **params).fit(*digits)
            (name,) = names
            return name

        return find

    def test_a_processor_is_left(self, thread_of):
        assert thread_of(2).startswith("convnet_features-next-batch")

    def test_none_is_left(self, thread_of):
        assert thread_of(3) == threading.current_thread().name

    @pytest.mark.slow
    def test_jax_works_elsewhere(self, thread_of):
        pytest.importorskip("jax")
        assert thread_of(3, engine="jax").startswith("convnet_features-next-batch")
