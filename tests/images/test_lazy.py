"""Images that stay in their files: as an array in every way that matters, and never one."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import resample, shuffle

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.augmentation import RandomFlip, RandomShift
from convnet_features.callbacks import Checkpoint
from convnet_features.exceptions import BadImagesError, ConvNetFeaturesWarning
from convnet_features.images import ImageLoader, LazyImages
from convnet_features.images import batch as module

from . import small_network

N = 30


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(N):
        pixels = rng.integers(0, 120, (20, 16 + number, 3)).astype("u1")
        pixels[..., number % 3] += 130
        Image.fromarray(pixels).save(folder / f"{number:02}.jpg")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def full(paths):
    return ImageLoader(10).transform(paths)


@pytest.fixture
def lazy(paths):
    return ImageLoader(10, lazy=True, n_jobs=2).fit_transform(paths)


@pytest.fixture
def decoded(monkeypatch):
    """How often each file was decoded."""
    counts = Counter()
    decode = module.Decoder.decode

    def counting(self, source):
        counts[source] += 1
        return decode(self, source)

    monkeypatch.setattr(module.Decoder, "decode", counting)
    return counts


y = np.arange(N) % 3


def classifier(**params):
    chosen = {"max_epochs": 2, "batch_size": 8, "random_state": 0} | params
    return ConvNetClassifier(layers=small_network(), **chosen)


# An array


def test_its_attributes(lazy, full):
    assert (lazy.shape, lazy.dtype, lazy.ndim, lazy.size, len(lazy)) == (
        full.shape,
        full.dtype,
        full.ndim,
        full.size,
        len(full),
    )
    assert repr(lazy) == "<LazyImages of shape (30, 3, 10, 10)>"


ROWS = {
    "a slice": slice(3, 20, 4),
    "backwards": slice(None, None, -1),
    "numbers": [4, 2, 9],
    "an array": np.array([4, -1, 0]),
    "twice the same": [4, 4, 2, 4],
    "booleans": np.arange(N) % 4 == 1,
    "a list of booleans": [True, False] * (N // 2),
    "none": [],
    "everything": Ellipsis,
    "a tuple": ([1, 3], Ellipsis),
    "all axes": (slice(2, 5), slice(None), slice(None), slice(None)),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows(kind, lazy, full, decoded):
    rows = lazy[ROWS[kind]]
    assert isinstance(rows, LazyImages)
    assert not decoded
    np.testing.assert_array_equal(rows, full[ROWS[kind]])
    assert not decoded or max(decoded.values()) == 1
    np.testing.assert_array_equal(rows[::2], full[ROWS[kind]][::2])


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(2),
        (3, 1),
        (slice(4), 0),
        (..., 0),
        ([1, 2], slice(None), 3, 4),
        ([3, 1], [0, 2]),
        ([3, 1], slice(None), [0, 2]),
        (np.arange(N) % 10 == 0, [0, 2, 1]),
        (slice(2), [0, 2]),
        ([3, 1], ..., [0, 2]),
    ],
)
def test_other_axes_are_read(key, lazy, full):
    np.testing.assert_array_equal(lazy[key], full[key])


@pytest.mark.parametrize("key", [N, -N - 1, [N], "a", 1.5, [0.5], None, np.zeros(3, bool)])
def test_wrong_rows(key, lazy):
    with pytest.raises((IndexError, TypeError)):
        np.asarray(lazy[key])


def test_as_an_array(lazy, full):
    assert np.asarray(lazy, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.array(lazy), full)
    np.testing.assert_array_equal(np.stack(list(lazy)), full)
    with pytest.raises(ValueError, match="no array in memory"):
        np.array(lazy, copy=False)


def test_pickles(lazy, full):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy[5:])), full[5:])


# With scikit-learn


def test_splits(lazy, full):
    parts = train_test_split(lazy, y, random_state=0, stratify=y)
    expected = train_test_split(full, y, random_state=0, stratify=y)
    for part, other in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part, other)
    assert isinstance(parts[0], LazyImages)
    for function in (shuffle, resample):
        np.testing.assert_array_equal(
            function(lazy, random_state=0), function(full, random_state=0)
        )


def test_searches(lazy, full):
    np.testing.assert_array_equal(
        cross_val_score(classifier(), lazy, y, cv=2), cross_val_score(classifier(), full, y, cv=2)
    )
    search = GridSearchCV(classifier(), {"max_epochs": [1, 2]}, cv=2).fit(lazy, y)
    assert search.predict(lazy).shape == (N,)


def test_in_a_pipeline(paths, full):
    def model(**params):
        extractor = ConvNetFeatureExtractor(layers=small_network(), max_epochs=1, random_state=0)
        steps = ImageLoader(10, **params), FunctionTransformer(), extractor, LogisticRegression()
        return make_pipeline(*steps).fit(paths, y).predict_proba(paths)

    expected = model()
    np.testing.assert_array_equal(model(lazy=True), expected)
    np.testing.assert_array_equal(model(lazy=True, cache_bytes=10**6), expected)


# With the estimators


@pytest.fixture
def no_array_of_all(monkeypatch):
    """Fails where more than a batch is decoded together, once training has begun."""
    sizes = []
    read = LazyImages._read
    monkeypatch.setattr(
        LazyImages, "_read", lambda self, rows: sizes.append(len(rows)) or read(self, rows)
    )
    return sizes


def both(fit, lazy, full):
    """Probabilities of two classifiers, one of which had the images on demand."""
    results = []
    for images in (lazy, full):
        net = classifier()
        fit(net, images)
        results.append(net.predict_proba(images))
    np.testing.assert_array_equal(*results)


def test_fit_learns_the_very_same(lazy, full):
    both(lambda net, X: net.fit(X, y), lazy, full)


def test_fit_with_weights(lazy, full):
    weights = np.arange(N) % 4  # some of them 0, whose samples are absent
    both(lambda net, X: net.fit(X, y, sample_weight=weights), lazy, full)


def test_fit_with_validation_data(lazy, full):
    both(lambda net, X: net.fit(X[9:], y[9:], X_val=X[:9], y_val=y[:9]), lazy, full)


def test_fit_with_augmentation(lazy, full):
    both(lambda net, X: net.set_params(augment=RandomFlip()).fit(X, y), lazy, full)


def test_fit_of_unscaled_pixels(lazy, full):
    both(lambda net, X: net.set_params(input_scale=2.0).fit(X, y), lazy, full)


def test_partial_fit(lazy, full):
    def fit(net, X):
        for start in (0, 10, 20):
            net.partial_fit(X[start : start + 10], y[start : start + 10], classes=[0, 1, 2])

    both(fit, lazy, full)


def test_cross_fit(lazy, full):
    def features(X):
        net = ConvNetFeatureExtractor(layers=small_network(), max_epochs=1, random_state=0)
        return net.fit_transform(X, y, cross_fit=2)

    np.testing.assert_array_equal(features(lazy), features(full))


def test_an_epoch_decodes_each_file_once(lazy, decoded):
    net = classifier(validation_fraction=None, max_epochs=1, input_scale=1 / 256)
    net.fit(lazy, y)
    assert len(decoded) == N
    assert set(decoded.values()) == {1}
    decoded.clear()
    net.transform(lazy)
    assert set(decoded.values()) == {1}


def test_views_decode_each_file_once(lazy, full, decoded):
    net = classifier(tta=[RandomFlip(), RandomShift(2)]).fit(full, y)
    expected = net.predict_proba(full)
    np.testing.assert_allclose(net.predict_proba(lazy), expected, rtol=1e-5, atol=1e-6)
    assert set(decoded.values()) == {1}


def test_training_never_makes_one_array(lazy, no_array_of_all):
    net = classifier(input_scale=1 / 256, batch_size=4)
    net.fit(lazy, y)
    assert max(no_array_of_all) <= net._model.slice_size
    assert no_array_of_all.count(4) >= 10
    assert 4 * N not in no_array_of_all


def test_a_search_on_data_of_another_size_is_told(lazy):
    net = classifier().fit(lazy, y)
    with pytest.raises(ValueError, match=r"3x12x12.*3x10x10"):
        net.predict(ImageLoader(12, lazy=True).transform(lazy.sources))
    with pytest.raises(ValueError, match="0 samples"):
        net.predict(lazy[:0])
    with pytest.raises(ValueError, match="different lengths"):
        classifier().fit(lazy, y[:-1])


def test_bad_files_in_training(paths):
    sources = [*paths[:-2], b"none", b"neither"]
    lazy = ImageLoader(10, lazy=True).transform(sources)
    with pytest.raises(BadImagesError, match="no image in a format that is read"):
        classifier().fit(lazy, y)
    assert [row for row, _, _ in lazy.check()] == [28, 29]
    assert [row for row, _, _ in lazy[::-1].check()] == [0, 1]
    lazy = ImageLoader(10, lazy=True, on_error="blank", background="black").transform(sources)
    with pytest.warns(ConvNetFeaturesWarning, match="They are blank") as seen:
        read = [np.asarray(each) for each in (lazy[28:], lazy, lazy[28:])]
    assert len(seen) == 1  # and not again for each batch of each epoch
    assert not any(pixels[-2:].any() for pixels in read)


def test_rows_that_are_repeated_are_checked_at_each_place(paths):
    lazy = ImageLoader(10, lazy=True).transform([paths[0], b"none", paths[1]])
    assert [row for row, _, _ in lazy[[1, 1]].check()] == [0, 1]
    assert [row for row, _, _ in lazy[[1, 0, 1, 2, 1]].check()] == [0, 2, 4]
    many = lazy[np.arange(200) % 3].check()
    assert [row for row, _, _ in many] == list(range(1, 200, 3))
    assert {title for _, title, _ in many} == {"X[1] (4 bytes)"}


def encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def palette(*colours):
    image = Image.new("P", (4, 4))
    image.putpalette([level for colour in colours for level in colour])
    return image


def noted(**info):
    image = Image.new("P", (4, 4), 0)
    image.info.update(info)
    return image


def turned(orientation):
    image = Image.new("L", (4, 4))
    image.getexif()[0x0112] = orientation
    return image


grey, white = Image.new("L", (4, 4), 9), Image.new("L", (4, 4), 255)
#: Pairs of sources of the same kind and name, of which the decoded images differ.
OTHERS = {
    "open files": lambda: (io.BytesIO(encoded(grey)), io.BytesIO(encoded(white))),
    "bytes": lambda: (encoded(grey), encoded(white)),
    "bytearrays": lambda: (bytearray(encoded(grey)), bytearray(encoded(white))),
    "pictures": lambda: (grey, white),
    "palettes": lambda: (palette((255, 0, 0)), palette((0, 255, 0))),
    "modes": lambda: (Image.new("RGB", (4, 4), 9), Image.new("YCbCr", (4, 4), 9)),
    "transparency": lambda: (noted(), noted(transparency=0)),
    "profiles": lambda: (noted(icc_profile=b"a"), noted(icc_profile=b"b")),
    "turns": lambda: (turned(1), turned(6)),
    "arrays": lambda: (np.zeros((4, 4), "u1"), np.ones((4, 4), "u1")),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_identity_tells_other_images(kind):
    def known(source):
        return ImageLoader(4, lazy=True).transform([source]).identity()

    one, other = OTHERS[kind]()
    again, _ = OTHERS[kind]()
    assert known(one) != known(other)
    assert known(one) == known(again) == known(one)  # read twice, too


def test_identity_of_what_cannot_be_read(tmp_path):
    sources = [None, 7, "none.jpg", object(), io.StringIO("text"), b""]
    loader = ImageLoader(4, lazy=True, on_error="blank")
    first, second = (loader.transform(sources).identity() for _ in range(2))
    assert first == second


def test_files_that_can_be_read_once_only(paths):
    """Their bytes are kept: each epoch reads them."""

    class Stream(io.RawIOBase):
        def __init__(self, contents):
            self.contents = io.BytesIO(contents)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.contents.readinto(buffer)

    lazy = ImageLoader(10, lazy=True).transform([Stream(encoded(white)), paths[0]])
    lazy.identity()
    for _ in range(2):
        assert (lazy[0] == 255).all()


def test_resuming_knows_the_files(paths, tmp_path):
    def train(sources, epochs):
        net = classifier(max_epochs=epochs, callbacks=[Checkpoint(tmp_path, resume=True)])
        return net.fit(ImageLoader(10, lazy=True).transform(sources), y)

    train(paths, 2)
    resumed = train([str(path) for path in paths], 4)
    assert len(resumed.history_) == 4
    whole = classifier(max_epochs=4).fit(ImageLoader(10).transform(paths), y)
    np.testing.assert_array_equal(
        resumed.predict_proba(ImageLoader(10).transform(paths)),
        whole.predict_proba(ImageLoader(10).transform(paths)),
    )


#: What a killed process ran: it dies amid the second epoch.
KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Checkpoint
    from convnet_features.images import ImageLoader

    class Killed:
        changes_training = False

        def on_batch_end(self, trainer, loss):
            if (trainer.epoch, trainer.batch) == (2, 2):
                os.kill(os.getpid(), signal.SIGKILL)

    paths = sorted(Path(sys.argv[1]).iterdir())
    net = ConvNetClassifier(
        conv2d1_num_filters=4, conv2d2_num_filters=4, dense_num_units=16, max_epochs=3,
        batch_size=8, random_state=0,
        callbacks=[Checkpoint(sys.argv[2], resume=True), Killed()],
    )
    net.fit(ImageLoader(10, lazy=True).transform(paths), np.arange(len(paths)) % 3)
    """
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_training_from_files_that_is_killed(paths, lazy, full, tmp_path):
    command = [sys.executable, "-c", KILLED, str(paths[0].parent), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    def train(X, **params):
        return ConvNetClassifier(
            conv2d1_num_filters=4,
            conv2d2_num_filters=4,
            dense_num_units=16,
            max_epochs=3,
            batch_size=8,
            random_state=0,
            **params,
        ).fit(X, y)

    epochs = Epochs()
    resumed = train(lazy, callbacks=[Checkpoint(tmp_path, resume=True), epochs])
    assert epochs.begun == [2, 3]
    np.testing.assert_array_equal(resumed.predict_proba(full), train(full).predict_proba(full))


class Epochs:
    """Notes which epochs are trained."""

    changes_training = False

    def __init__(self):
        self.begun = []

    def on_epoch_begin(self, trainer):
        self.begun.append(trainer.epoch)


def test_identity_takes_no_memory_for_each_file(tmp_path):
    """Resuming 50,000 files compares a digest: notes of each had taken a kilobyte a file."""
    lazy = ImageLoader(4, lazy=True, on_error="blank").transform(["none.jpg"] * 1000)
    assert len(pickle.dumps(lazy.identity())) < 1000


# What is kept


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("room", [1, 7, 1000])
def test_the_cache(room, on_disk, paths, full, decoded, tmp_path):
    lazy = ImageLoader(
        10,
        lazy=True,
        cache_bytes=300 * room + 299,
        cache_folder=tmp_path / "cache" if on_disk else None,
    ).transform(paths)
    for _ in range(3):
        for batch in (lazy[::2], lazy[1::2][::-1]):
            np.testing.assert_array_equal(np.asarray(batch)[:3], full[np.asarray(batch.rows)][:3])
    kept = min(room, N)
    assert len(lazy.cache) == kept
    assert sorted(decoded.values()) == [1] * kept + [3] * (N - kept)
    again = pickle.loads(pickle.dumps(lazy))
    assert len(again.cache) == 0
    np.testing.assert_array_equal(again, full)
    if on_disk and kept:
        assert (tmp_path / "cache").is_dir()
        assert not list((tmp_path / "cache").iterdir())  # the file has no name any more


def test_a_file_that_cannot_be_read_is_not_kept(paths):
    lazy = ImageLoader(10, lazy=True, cache_bytes=10**6).transform([*paths, b"none"])
    for _ in range(2):
        with pytest.raises(BadImagesError):
            np.asarray(lazy)


def test_images_of_another_size_than_declared(lazy):
    with pytest.raises(ValueError, match=r"\(30, 3, 10, 10\), and input_shape=\(3, 9, 9\)"):
        classifier(input_shape=(3, 9, 9)).fit(lazy, y)
