"""Data larger than memory: dask arrays, zarr, HDF5, batches; dask-ml's wrappers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.out_of_core import is_dask_array, iterate_blocks, transform_batches

from .fresh_import import after_importing
from .helpers import assert_close

da = pytest.importorskip("dask.array")
pytestmark = pytest.mark.dask

LAYERS_PARAMS = {"conv2d1_num_filters": 4, "conv2d2_num_filters": 4, "dense_num_units": 6}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (103, 8, 8)).astype(np.uint8), np.arange(103) % 3


@pytest.fixture(scope="module")
def extractor(data):
    return fitted(*data)


def fitted(X, y):
    return ConvNetFeatureExtractor(max_epochs=1, random_state=0, **LAYERS_PARAMS).fit(X, y)


@pytest.mark.parametrize("chunks", [(40, 8, 8), (40, 3, 5), (1000, 8, 8), ((1, 0, 102), 8, 8)])
def test_transform(extractor, data, chunks):
    X, _ = data
    lazy = da.from_array(X, chunks=(X.shape[0], 8, 8)).rechunk(chunks)
    features = extractor.transform(lazy)
    assert is_dask_array(features)
    assert features.shape == (103, 6)
    assert features.dtype == features._meta.dtype == np.float32
    assert isinstance(features._meta, np.ndarray)
    assert features.chunks == (lazy.chunks[0], (6,))
    assert_close(features.compute(scheduler="synchronous"), extractor.transform(X), "float32")


@pytest.mark.parametrize("shape", [(103, 64), (103, 1, 8, 8)])
def test_transform_of_other_ranks(data, shape):
    X = data[0].reshape(shape)
    extractor = fitted(X, data[1])
    features = extractor.transform(da.from_array(X, chunks=(50, *shape[1:])))
    assert features.chunks == ((50, 50, 3), (6,))
    assert_close(features.compute(scheduler="synchronous"), extractor.transform(X), "float32")


def test_transform_computes_nothing_until_asked(extractor):
    def refuse(block_info=None):
        raise RuntimeError("computed")

    X = da.map_blocks(
        refuse, chunks=((5, 5), (8,), (8,)), dtype="u1", meta=np.empty((0, 0, 0), "u1")
    )
    features = extractor.transform(X)
    with pytest.raises(RuntimeError, match="computed"):
        features.compute(scheduler="synchronous")


def test_transform_of_blocks_of_unknown_size(extractor, data):
    X, y = data
    lazy = da.from_array(X, chunks=(40, 8, 8))
    chosen = lazy[da.from_array(y == 1, chunks=40)]
    features = extractor.transform(chosen)
    assert np.isnan(features.shape[0])
    expected = extractor.transform(X[y == 1])
    assert_close(features.compute(scheduler="synchronous"), expected, "float32")


def test_transform_of_maps(data):
    X, y = data
    extractor = ConvNetFeatureExtractor(
        max_epochs=1, random_state=0, feature_layer=["maxpool2", "dense"], **LAYERS_PARAMS
    ).fit(X, y)
    features = extractor.transform(da.from_array(X, chunks=(60, 8, 8)))
    assert features.shape == (103, 4 * 2 * 2 + 6)
    assert_close(features.compute(), extractor.transform(X), "float32")


def test_wrong_images_are_reported_at_once(extractor):
    with pytest.raises(ValueError, match=r"1x9x9.*1x8x8"):
        extractor.transform(da.zeros((10, 9, 9)))
    with pytest.raises(NotFittedError):
        ConvNetFeatureExtractor().transform(da.zeros((10, 8, 8)))


def test_the_network_is_one_task(extractor, data):
    """It is sent to a worker once, however many blocks there are."""
    features = extractor.transform(da.from_array(data[0], chunks=(10, 8, 8)))
    graph = dict(features.__dask_graph__())
    assert sum("ConvNetFeatureExtractor" in str(key) for key in graph) == 1


def test_zarr(extractor, data, tmp_path):
    pytest.importorskip("zarr")
    X, _ = data
    da.from_array(X, chunks=(40, 8, 8)).to_zarr(tmp_path / "images.zarr", compute=True)
    features = extractor.transform(da.from_zarr(tmp_path / "images.zarr"))
    assert features.chunks[0] == (40, 40, 23)
    # Zarr wants regular chunks.
    features.to_zarr(tmp_path / "features.zarr", compute=True)
    written = da.from_zarr(tmp_path / "features.zarr").compute()
    assert_close(written, extractor.transform(X), "float32")


def test_hdf5(extractor, data, tmp_path):
    h5py = pytest.importorskip("h5py")
    X, _ = data
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["X"] = X
    with h5py.File(tmp_path / "images.h5") as file:
        features = extractor.transform(da.from_array(file["X"], chunks=(40, 8, 8)))
        features.to_hdf5(tmp_path / "features.h5", "/features")
    with h5py.File(tmp_path / "features.h5") as file:
        assert_close(file["features"][...], extractor.transform(X), "float32")


def test_batches(extractor, data):
    X, _ = data
    seen = []

    def batches():
        for start in range(0, 103, 50):
            seen.append(start)
            yield X[start : start + 50]
        yield X[:0]

    parts = transform_batches(extractor, batches())
    first = next(parts)
    assert seen == [0]
    features = np.concatenate([first, *parts])
    assert_close(features, extractor.transform(X), "float32")
    with pytest.raises(NotFittedError):
        next(transform_batches(ConvNetFeatureExtractor(), [X]))


def test_batches_keep_the_names_of_their_columns(data):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(data[0].reshape(103, 64)).add_prefix("pixel")
    extractor = fitted(X, data[1])
    parts = list(transform_batches(extractor, [X[:60], X[60:]]))
    assert_close(np.concatenate(parts), extractor.transform(X), "float32")


def test_no_dataframe_of_more_than_fits(data):
    pytest.importorskip("pandas")
    extractor = fitted(*data)
    expected = extractor.transform(data[0])
    lazy = da.from_array(data[0], chunks=(40, 8, 8))
    features = extractor.transform(lazy)
    extractor.set_output(transform="pandas")
    with pytest.raises(ValueError, match=r"a pandas DataFrame .*set_output\(transform='default'\)"):
        extractor.transform(lazy)
    # What was begun before, and what says that it gives arrays, does.
    assert isinstance(features.compute(scheduler="synchronous"), np.ndarray)
    (part,) = transform_batches(extractor, [data[0]])
    assert isinstance(part, np.ndarray)
    assert_close(part, expected, "float32")


def test_blocks(data):
    X, y = data
    lazy = da.from_array(X, chunks=(40, 4, 8)), da.from_array(y, chunks=103)
    blocks = list(iterate_blocks(*lazy))
    assert [len(images) for images, _ in blocks] == [40, 40, 23]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in blocks]), X)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in blocks]), y)
    with pytest.raises(ValueError, match=r"different numbers of samples: \[103, 3\]"):
        list(iterate_blocks(lazy[0], da.zeros(3)))


def test_partial_fit_over_blocks(data):
    X, y = data
    lazy = da.from_array(X, chunks=(40, 8, 8)), da.from_array(y, chunks=40)
    expected = ConvNetClassifier(random_state=0, **LAYERS_PARAMS)
    for start in (0, 40, 80):
        expected.partial_fit(X[start : start + 40], y[start : start + 40], classes=[0, 1, 2])
    actual = ConvNetClassifier(random_state=0, **LAYERS_PARAMS)
    for images, labels in iterate_blocks(*lazy):
        actual.partial_fit(images, labels, classes=[0, 1, 2])
    np.testing.assert_array_equal(actual.predict_proba(X), expected.predict_proba(X))


def test_incremental_of_dask_ml(data):
    dask_ml = pytest.importorskip("dask_ml.wrappers")
    X, y = data
    lazy = da.from_array(X.reshape(-1, 64), chunks=(40, 64)), da.from_array(y, chunks=40)
    wrapped = dask_ml.Incremental(
        ConvNetClassifier(random_state=0, **LAYERS_PARAMS), shuffle_blocks=False
    )
    wrapped.fit(*lazy, classes=[0, 1, 2])
    expected = ConvNetClassifier(random_state=0, **LAYERS_PARAMS)
    for start in (0, 40, 80):
        rows = slice(start, start + 40)
        expected.partial_fit(X[rows].reshape(-1, 64), y[rows], classes=[0, 1, 2])
    np.testing.assert_array_equal(
        wrapped.predict(lazy[0]).compute(), expected.predict(X.reshape(-1, 64))
    )


def test_parallel_post_fit_of_dask_ml(data):
    dask_ml = pytest.importorskip("dask_ml.wrappers")
    X, y = data
    wrapped = dask_ml.ParallelPostFit(
        ConvNetClassifier(max_epochs=1, random_state=0, **LAYERS_PARAMS)
    )
    X = X.reshape(-1, 64)
    wrapped.fit(X, y)
    lazy = da.from_array(X, chunks=(40, 64))
    for method in ("predict", "predict_proba", "transform"):
        result = getattr(wrapped, method)(lazy)
        assert result.numblocks[0] == 3
        expected = getattr(wrapped.estimator, method)(X)
        np.testing.assert_allclose(result.compute(), expected, atol=1e-6)


def test_dask_is_imported_only_when_used():
    assert "dask" not in after_importing()[0]
