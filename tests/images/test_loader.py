"""The transformer: what it takes, what it says, and how it lives in scikit-learn."""

from __future__ import annotations

import io
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from convnet_features import ConvNetFeatureExtractor
from convnet_features.exceptions import BadImagesError, ConvNetFeaturesWarning
from convnet_features.images import ImageLoader, LazyImages
from convnet_features.images import batch as module
from convnet_features.images.pillow import pillow

from . import small_network
from .odd_files import ODD, saved, scene


def files(folder, count=24, size=(40, 30)):
    """Paths of red and of blue pictures, by turns."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        pixels = rng.integers(0, 120, (size[1], size[0] + number, 3)).astype("u1")
        pixels[..., 2 * (number % 2)] += 130
        paths.append(folder / f"{number:02}.{'jpg' if number % 3 else 'png'}")
        Image.fromarray(pixels).save(paths[-1])
    return paths, np.array(["red", "blue"] * (count // 2))


def extractor():
    return ConvNetFeatureExtractor(
        layers=small_network(), max_epochs=3, batch_size=8, random_state=0
    )


@pytest.fixture
def photographs(tmp_path):
    return files(tmp_path)


# What it takes


@pytest.fixture
def forms(photographs):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    paths, _ = photographs
    names = [str(path) for path in paths]
    return {
        "paths": paths,
        "a tuple": tuple(names),
        "an array of text": np.array(names),
        "an array of objects": np.array(paths, dtype=object),
        "a column of an array": np.array(names, dtype=object)[:, np.newaxis],
        "rows of a table": [[name] for name in names],
        "bytes": [path.read_bytes() for path in paths],
        "bytearrays": [bytearray(path.read_bytes()) for path in paths],
        "open files": [io.BytesIO(path.read_bytes()) for path in paths],
        "PIL's images": [Image.open(path) for path in paths],
        "arrays": [np.asarray(Image.open(path)) for path in paths],
        "a series": pandas.Series(names, index=range(100, 100 + len(names))),
        "a series of bytes": pandas.Series([path.read_bytes() for path in paths]),
        "a frame": pandas.DataFrame({"path": names}),
        "polars' series": polars.Series("path", names),
        "polars' frame": polars.DataFrame({"path": names}),
        "a mixture": [*names[:4], *paths[4:8], *[path.read_bytes() for path in paths[8:]]],
    }


def test_every_form_gives_the_same(forms):
    expected = ImageLoader(20).transform(forms.pop("paths"))
    assert expected.shape == (24, 3, 20, 20)
    for name, X in forms.items():
        for _ in range(2):  # open files, too, may be read again
            images = ImageLoader(20).fit_transform(X)
            # PIL's images and arrays hold JPEGs that were decoded as a whole.
            tolerance = 0 if "images" not in name and name != "arrays" else 60
            assert np.abs(images.astype(int) - expected).max() <= tolerance, name


def test_one_array_of_images():
    batch = np.stack([scene(), scene()[::-1]])
    for X in (batch, batch.transpose(0, 3, 1, 2)):
        np.testing.assert_array_equal(
            ImageLoader((34, 51)).transform(X), batch.transpose(0, 3, 1, 2)
        )
    grey = ImageLoader((34, 51), mode="gray").transform(batch[..., 0])
    np.testing.assert_array_equal(grey[:, 0], batch[..., 0])


WRONG = {
    "a path": ("a.jpg", r"X is one path \('a.jpg'\); give a list of them: \[X\]"),
    "bytes": (b"GIF", r"X is one image's bytes; give a list"),
    "an open file": (io.BytesIO(), r"X is one open file; give a list"),
    "a picture": (Image.new("L", (3, 3)), "X is one image of PIL's; give a list"),
    "one array": (np.zeros((9, 9, 3)), "may be one image, its channels last, or 9 narrow ones"),
    "one grey array": (np.zeros((28, 28, 1)), "may be one image, its channels last, or 28 narrow"),
    "flat rows": (np.zeros((9, 81)), r"of shape \(9, 81\) and dtype float64. Expected images"),
    "nothing": ([], r"X holds no images \(0 samples\)"),
    "a dict": ({"a": 1}, "X is a dict; give a list"),
    "a generator": ((each for each in "ab"), "X is a generator; give a list"),
    "a number": (7, "X is a int; give a list"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_list_of_images(kind):
    X, message = WRONG[kind]
    with pytest.raises(ValueError, match=f"ImageLoader: .*{message}"):
        ImageLoader().fit(X)


def test_a_frame_of_several_columns():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"a frame of 2 columns \(path, age\).*X\['path'\]"):
        ImageLoader().fit(pandas.DataFrame({"path": ["a"], "age": [3]}))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"size": 0}, "size"),
        ({"size": (3,)}, r"size must be a side, or \(height, width\)"),
        ({"size": (3, 0)}, r"size must be a side, or \(height, width\)"),
        ({"size": True}, "size"),
        ({"mode": "cmyk"}, "mode"),
        ({"fit": "cover"}, "'fit' parameter of ImageLoader must be a str among"),
        ({"crop": 0}, "'crop' parameter of ImageLoader must be a float in the range"),
        ({"crop": 1.5}, "'crop' parameter of ImageLoader must be a float in the range"),
        ({"resample": "cubic"}, "resample"),
        ({"background": "blueish"}, "background='blueish' is no colour"),
        ({"background": (1, 2)}, r"background=\(1, 2\) is no colour"),
        ({"background": 256}, "background=256 is no colour"),
        ({"on_error": "ignore"}, "on_error"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"cache_bytes": -1}, "cache_bytes"),
        ({"n_jobs": 0}, "'n_jobs' parameter of ImageLoader must be"),
        ({"cache_bytes": 10**9}, "only lazy images are kept so; set lazy=True"),
        ({"cache_folder": "kept"}, "cache_folder='kept': only lazy images are kept so"),
        ({"cache_folder": "kept", "lazy": True}, "cache_bytes=0 and .*'kept' keep nothing"),
        ({"cache_bytes": 299, "lazy": True, "size": 10}, "an image has 300 bytes; set cache_bytes"),
    ],
)
def test_wrong_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        ImageLoader(**params).fit([scene()])


# What it says of bad files


def test_one_error_lists_all_bad_files(photographs):
    paths, _ = photographs
    paths[3].write_bytes(b"")
    paths[4].write_bytes(paths[4].read_bytes()[:-400])
    mixture = [*paths, paths[0].with_name("none.jpg"), None]
    with pytest.raises(BadImagesError) as caught:
        ImageLoader().fit_transform(mixture)
    message = str(caught.value)
    assert message.startswith("ImageLoader: 4 of 26 images cannot be read:\n")
    assert f"  {paths[3]}: no image in a format that is read\n" in message
    assert f"  {paths[4]}: image file is truncated" in message
    assert "none.jpg: there is no such file\n" in message
    assert "  X[25] (NoneType): None is no image; expected a path" in message
    assert message.endswith("or set on_error='blank'.")
    assert [row for row, _, _ in caught.value.bad] == [3, 4, 24, 25]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.bad) == (message, caught.value.bad)


def test_a_long_list_is_capped():
    with pytest.raises(BadImagesError, match=r"(?s)300 of 300.*\n  and 280 more\n") as caught:
        ImageLoader(n_jobs=2).transform([b"none"] * 300)
    assert len(str(caught.value)) < 2000
    assert len(caught.value.bad) == 300


@pytest.mark.parametrize("mode", ["rgb", "gray", "rgba"])
def test_blank_images(mode):
    loader = ImageLoader(9, mode=mode, on_error="blank", background="black")
    with pytest.warns(ConvNetFeaturesWarning, match=r"(?s)1 of 2 images.*They are blank") as seen:
        images = loader.transform([scene(), b"none"])
    assert len(seen) == 1
    assert images[0].any()
    assert not images[1, :3].any()


# Its place in scikit-learn


def test_in_a_pipeline(photographs):
    paths, y = photographs
    model = make_pipeline(ImageLoader(12), extractor(), LogisticRegression())
    assert cross_val_score(model, paths, y, cv=2).mean() > 0.9
    model.fit(paths, y)
    served = pickle.loads(pickle.dumps(model))
    expected = model.predict_proba(paths)
    for X in ([str(path) for path in paths], [path.read_bytes() for path in paths]):
        np.testing.assert_array_equal(served.predict_proba(X), expected)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    assert (served.predict(arrays) == y).mean() > 0.9
    assert list(served[:-1].get_feature_names_out())[:2] == ["dense0", "dense1"]


def test_a_search_over_its_parameters(photographs):
    paths, y = photographs
    model = make_pipeline(ImageLoader(8), extractor(), LogisticRegression())
    grid = {"imageloader__fit": ["crop", "pad"]}
    search = GridSearchCV(model, grid, cv=2).fit(paths, y)
    assert search.best_score_ > 0.8


def test_memory_keeps_decoded_arrays(photographs, tmp_path, monkeypatch):
    paths, y = photographs
    decoded = []
    decode = module.Decoder.decode
    monkeypatch.setattr(
        module.Decoder, "decode", lambda self, each: decoded.append(each) or decode(self, each)
    )
    model = make_pipeline(
        ImageLoader(12, n_jobs=1), extractor(), LogisticRegression(), memory=str(tmp_path / "kept")
    )
    model.fit(paths, y)
    clone(model).set_params(logisticregression__C=10).fit(paths, y)
    assert len(decoded) == len(paths)


def test_in_a_column_transformer(photographs):
    pandas = pytest.importorskip("pandas")
    paths, y = photographs
    frame = pandas.DataFrame({"path": [str(path) for path in paths], "age": np.arange(24.0)})
    for columns in ("path", ["path"]):
        both = ColumnTransformer(
            [("images", make_pipeline(ImageLoader(12), extractor()), columns)],
            remainder="passthrough",
        )
        assert both.fit_transform(frame, y).shape == (24, 17)
        names = both.get_feature_names_out()
        assert names[0] == "images__dense0"
        assert names[-1] == "remainder__age"


def test_set_output_says_what_it_cannot_do(photographs):
    pytest.importorskip("pandas")
    paths, y = photographs
    with pytest.warns(ConvNetFeaturesWarning, match=r"images are an array of four axes.*pandas"):
        model = make_pipeline(ImageLoader(12), extractor()).set_output(transform="pandas")
    frame = model.fit_transform(paths, y)
    assert list(frame.columns[:2]) == ["dense0", "dense1"]
    assert ImageLoader().set_output(transform="default").set_output() is not None
    with config_context(transform_output="pandas"):
        assert isinstance(ImageLoader(12).fit_transform(paths), np.ndarray)


def test_its_parameter_that_is_named_as_a_method():
    loader = ImageLoader(fit="pad")
    assert loader.get_params()["fit"] == "pad"
    assert repr(loader) == "ImageLoader(fit='pad')"
    assert loader.fit([scene()]) is loader
    assert clone(loader).set_params(fit="stretch").get_params()["fit"] == "stretch"
    assert pickle.loads(pickle.dumps(loader)).get_params() == loader.get_params()
    assert ImageLoader.fit.__doc__ == loader.fit.__doc__


def test_a_subclass_that_overrides_fit():
    class Counting(ImageLoader):
        def fit(self, X, y=None):
            self.n_seen_ = len(X)
            return super().fit(X, y)

    class Mixin:
        def fit(self, X, y=None):
            self.mixed_ = True
            return super().fit(X, y)

    class Mixed(Mixin, ImageLoader):
        pass

    for kind in (Counting, Mixed):
        loader = clone(kind(fit="pad"))
        assert loader.get_params()["fit"] == "pad"
        assert loader.fit([scene()]) is loader
        assert loader.fit_transform([scene()]).shape == (1, 3, 64, 64)
    assert Counting(fit="pad").fit([scene()] * 2).n_seen_ == 2
    assert Mixed().fit([scene()]).mixed_
    with pytest.raises(ValueError, match="'fit' parameter of Counting"):
        Counting(fit="cover").fit([scene()])


def test_a_shortage_of_memory_is_no_bad_image(monkeypatch):
    def short(self, source):
        raise MemoryError

    monkeypatch.setattr(module.Decoder, "decode", short)
    for on_error in ("raise", "blank"):
        with pytest.raises(MemoryError) as caught:
            ImageLoader(on_error=on_error, n_jobs=1).transform(["a.jpg"])
        assert caught.value.__notes__ == ["While a.jpg was decoded."]


@pytest.mark.parametrize("lazy", [False, True])
def test_paths_to_no_files(lazy, tmp_path):
    with pytest.raises(BadImagesError) as caught:
        ImageLoader(lazy=lazy).transform([tmp_path, tmp_path / "none.jpg"])
    assert [reason for _, _, reason in caught.value.bad] == [
        "it is a folder, or another thing that is no file",
        "there is no such file",
    ]


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("rgb", ["red", "green", "blue"]),
        ("gray", ["gray"]),
        ("rgba", ["red", "green", "blue", "alpha"]),
    ],
)
def test_names_of_channels(mode, names):
    loader = ImageLoader(5, mode=mode)
    assert loader.get_feature_names_out().tolist() == names
    assert loader.transform([scene()]).shape == (1, len(names), 5, 5)


@pytest.mark.parametrize("n_jobs", [1, 2, -1, None])
def test_threads_change_nothing(n_jobs, photographs):
    paths, _ = photographs
    expected = ImageLoader(20, n_jobs=1).transform(paths)
    np.testing.assert_array_equal(ImageLoader(20, n_jobs=n_jobs).transform(paths), expected)
    assert not [t for t in threading.enumerate() if t.name.startswith("convnet_features")]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 40])
def test_threads_that_take_several_at_a_time(count):
    """Each picture lands in its own place, and bad ones are listed in order, however many."""
    shades = [np.full((4, 4), shade, "u1") for shade in range(count)]
    images = ImageLoader(2, mode="gray", n_jobs=2).transform(shades)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(count))
    with pytest.raises(BadImagesError) as caught:
        ImageLoader(2, n_jobs=2).transform([*shades, b"none", *shades, b"no"])
    assert [row for row, _, _ in caught.value.bad] == [count, 2 * count + 1]


def test_one_file_many_times():
    """Open files and pictures have a position: threads must not share it."""
    file, picture = io.BytesIO(ODD["JPEG"][0]), Image.open(io.BytesIO(ODD["JPEG"][0]))
    images = ImageLoader(30, n_jobs=4).transform([file, picture] * 50)
    for rows in (images[::2], images[1::2]):
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))


def test_progress(monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    bars = []

    class Bar:
        def __init__(self, **options):
            self.options, self.done, self.closed = options, 0, False
            bars.append(self)

        def update(self):
            self.done += 1

        def close(self):
            self.closed = True

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    ImageLoader(verbose=1).transform([scene()] * 3)
    ImageLoader().transform([scene()])
    (bar,) = bars
    assert (bar.done, bar.closed) == (3, True)
    assert (bar.options["total"], bar.options["unit"]) == (3, "image")


def test_lazy_gives_lazy_images():
    lazy = ImageLoader(12, lazy=True).fit_transform([scene(), b"none"])
    assert isinstance(lazy, LazyImages)
    with pytest.raises(BadImagesError, match="no-such: there is no such file"):
        ImageLoader(12, lazy=True).fit_transform([scene(), "no-such"])


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    pillow.cache_clear()
    with pytest.raises(ImportError, match=r"pip install convnet-features\[images\]"):
        ImageLoader().fit([scene()])


def checks():
    """Those that need no data: scikit-learn has none for images, and warns that it leaves out others.

    So it is with its own transformers of texts. What the others are about (clones, pickles,
    frames, threads, parameters) has tests of its own here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        mark = parametrize_with_checks([ImageLoader()])
        names, cases = mark.args
        return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@checks()
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_saved_pictures_stay_as_they_were(tmp_path):
    """PIL's images are read, and never changed."""
    picture = Image.open(io.BytesIO(saved(Image.fromarray(scene()), "JPEG")))
    ImageLoader(8).transform([picture])
    assert picture.size == (51, 34)
    assert np.asarray(picture).shape == (34, 51, 3)
