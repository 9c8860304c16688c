"""The example of a server: answers, batches, refusals."""

from __future__ import annotations

import asyncio
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from convnet_features import ConvNetFeatureExtractor

for name in ("starlette", "uvicorn", "httpx"):
    pytest.importorskip(name)
pytestmark = pytest.mark.serve

SCRIPT = Path(__file__).parent.parent / "examples" / "deployment" / "serving.py"


@pytest.fixture(scope="module")
def serving():
    """The example, as a module."""
    spec = importlib.util.spec_from_file_location("serving_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).uniform(0, 16, (60, 64))


@pytest.fixture(scope="module")
def pipeline(images, tmp_path_factory):
    """From a pickle, as a server has it."""
    path = tmp_path_factory.mktemp("serving") / "pipeline.pkl"
    network = ConvNetFeatureExtractor(
        max_epochs=1, random_state=0, engine="portable", conv2d1_num_filters=4, dense_num_units=8
    )
    fitted = make_pipeline(network, LogisticRegression(max_iter=1000)).fit(
        images, np.array(["a", "b", "c"])[np.arange(60) % 3]
    )
    joblib.dump(fitted, path)
    return joblib.load(path)


@pytest.fixture(scope="module")
def app(serving, pipeline):
    return serving.application(pipeline, max_wait=0.05, max_waiting=50)


@pytest.fixture(scope="module")
def http(serving, app):
    import httpx

    with serving.served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_predictions_and_features(http, app, pipeline, images):
    health = http.get("/health").json()
    assert health == {"status": "up", "pixels": 64, "batches": app.state.batcher.batches}
    answer = http.post("/predict", json={"images": images[:5].tolist()}).json()
    assert answer["labels"] == pipeline.predict(images[:5]).tolist()
    expected = pipeline.predict_proba(images[:5])
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    answer = http.post("/features", json={"images": images[:5].tolist()}).json()
    np.testing.assert_allclose(answer["features"], pipeline[0].transform(images[:5]), atol=1e-4)


def test_without_probabilities(serving, images):
    """A Pipeline may end in what has none."""
    import httpx

    labels = np.array(["a", "b", "c"])[np.arange(60) % 3]
    pipeline = make_pipeline(StandardScaler(), SVC()).fit(images, labels)
    with serving.served(serving.application(pipeline)) as address:
        answer = httpx.post(f"{address}/predict", json={"images": images[:5].tolist()}).json()
    assert answer == {"labels": pipeline.predict(images[:5]).tolist()}


def test_uploaded_photographs(serving, tmp_path):
    image = pytest.importorskip("PIL.Image")
    import httpx

    from convnet_features.images import ImageLoader

    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.jpg" for number in range(20)]
    for number, path in enumerate(paths):
        pixels = rng.integers(0, 120, (30 + number, 40, 3)).astype("u1")
        pixels[..., number % 2] += 130
        image.fromarray(pixels).save(path)
    network = ConvNetFeatureExtractor(
        max_epochs=1, random_state=0, conv2d1_num_filters=4, dense_num_units=8
    )
    pipeline = make_pipeline(ImageLoader(12), network, LogisticRegression(max_iter=1000))
    pipeline.fit(paths, np.arange(20) % 2)
    joblib.dump(pipeline, tmp_path / "pipeline.pkl")
    app = serving.application(joblib.load(tmp_path / "pipeline.pkl"))
    with serving.served(app) as address, httpx.Client(base_url=address, timeout=60) as http:
        for path in paths[:3]:
            answer = http.post("/predict", content=path.read_bytes()).json()
            np.testing.assert_allclose(
                answer["probabilities"], pipeline.predict_proba([path]), atol=1e-5
            )
        refused = http.post("/predict", content=paths[0].read_bytes()[:500])
        assert refused.status_code == 400
        assert refused.text.startswith("The photograph cannot be read: ")
        empty = http.post("/predict", content=b"")
        assert "no image in a format that is read" in empty.text


def test_requests_that_arrive_together_are_computed_together(http, app, pipeline, images):
    expected = pipeline.predict_proba(images)
    before = app.state.batcher.batches

    def ask(i):
        return http.post("/predict", json={"images": images[i : i + 1].tolist()}).json()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(40)))
    # Each gets its own answer, whoever was in its batch.
    for i, answer in enumerate(answers):
        np.testing.assert_allclose(answer["probabilities"], expected[i : i + 1], atol=1e-5)
    assert app.state.batcher.batches - before < 40


@pytest.mark.parametrize(
    ("content", "status", "match"),
    [
        (b"", 400, "Send"),
        (b"{", 400, "Send"),
        (b"[1]", 400, "Send"),
        (b'{"pixels": []}', 400, "Send"),
        (b'{"images": [["a"]]}', 400, "Send"),
        (b'{"images": [[1, 2], [3]]}', 400, "Send"),
        (b'{"images": []}', 400, r"expected (n_images, 64)"),
        (b'{"images": [[1, 2, 3]]}', 400, r"shape (1, 3); expected (n_images, 64)"),
        (b'{"images": [[' + b"1e999, " * 63 + b"1]]}", 400, "not finite"),
        (b" " * ((8 << 20) + 1), 413, "bytes"),
    ],
)
def test_wrong_requests_are_told_why(http, content, status, match):
    answer = http.post("/predict", content=content)
    assert answer.status_code == status
    assert match in answer.text


def test_other_methods_and_paths(http):
    assert http.get("/predict").status_code == 405
    assert http.get("/elsewhere").status_code == 404


def run(coroutine):
    return asyncio.run(coroutine)


def test_batcher_refuses_what_it_cannot_hold(serving):
    async def overfill():
        batcher = serving.MicroBatcher(lambda rows: (rows,), max_waiting=1)
        first = asyncio.ensure_future(batcher(np.ones((1, 2))))
        await asyncio.sleep(0)
        with pytest.raises(asyncio.QueueFull):
            await batcher(np.ones((1, 2)))
        task = asyncio.create_task(batcher.run())
        (answer,) = await first
        task.cancel()
        return answer

    np.testing.assert_array_equal(run(overfill()), np.ones((1, 2)))


def test_batcher_outlives_errors_and_clients(serving):
    def compute(rows):
        if (rows < 0).any():
            raise ArithmeticError("negative")
        return (2 * rows,)

    async def several():
        batcher = serving.MicroBatcher(compute, max_wait=0.001)
        task = asyncio.create_task(batcher.run())
        with pytest.raises(ArithmeticError, match="negative"):
            await batcher(np.array([[-1.0]]))
        gone = asyncio.ensure_future(batcher(np.array([[1.0]])))
        await asyncio.sleep(0)
        gone.cancel()
        (answer,) = await batcher(np.array([[4.0], [5.0]]))
        task.cancel()
        return answer

    np.testing.assert_array_equal(run(several()), [[8.0], [10.0]])


def test_batches_have_a_limit(serving):
    sizes = []

    def compute(rows):
        sizes.append(len(rows))
        return (rows,)

    async def many():
        batcher = serving.MicroBatcher(compute, max_rows=4, max_wait=0.2)
        asks = [asyncio.ensure_future(batcher(np.full((2, 1), i))) for i in range(6)]
        await asyncio.sleep(0)
        task = asyncio.create_task(batcher.run())
        answers = await asyncio.gather(*asks)
        task.cancel()
        return answers

    answers = run(many())
    assert sizes == [4, 4, 4]
    for i, (answer,) in enumerate(answers):
        np.testing.assert_array_equal(answer, [[i], [i]])
