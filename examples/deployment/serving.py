"""
An HTTP server for features and predictions
===========================================

This server answers HTTP requests with a pickled Pipeline. It computes the images of
simultaneous requests as one batch. It needs the extra ``serve``: Starlette, uvicorn, and
httpx for the requests at the end.

``python serving.py pipeline.pkl --port 8000`` serves your pickle. Load only pickles that
you made, because a pickle can run any code.
"""

# %%
# Micro-batches
# -------------
# A network needs hardly more time for sixteen images than for one image. Requests therefore
# wait in a queue. The first request waits at most two milliseconds for others, and all
# requests of that time are one batch. A thread computes the batch while the next requests
# arrive.

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import threading
import time

import httpx
import joblib
import numpy as np
import uvicorn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from convnet_features import ConvNetFeatureExtractor
from convnet_features.exceptions import BadImagesError
from convnet_features.images import ImageLoader


class MicroBatcher:
    """Calls `compute` with the rows of several requests at a time.

    Parameters
    ----------
    compute : callable
        From an array of rows to a tuple of arrays with as many rows.
    max_rows : int
        How many rows a batch has at most, unless one request has more.
    max_wait : float
        Seconds that the first request of a batch waits for others.
    max_waiting : int
        How many requests may wait; more are refused.
    """

    def __init__(self, compute, max_rows=256, max_wait=0.002, max_waiting=1000):
        self.compute = compute
        self.max_rows = max_rows
        self.max_wait = max_wait
        self.queue = asyncio.Queue(max_waiting)
        self.batches = 0

    async def __call__(self, rows):
        """The results for `rows`; raises `asyncio.QueueFull` if too many wait already."""
        answer = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((rows, answer))
        return await answer

    async def run(self):
        """Compute batches until cancelled."""
        while True:
            requests = await self._gather()
            rows = np.concatenate([rows for rows, _ in requests])
            try:
                results = await run_in_threadpool(self.compute, rows)
            except Exception as error:
                for _, answer in requests:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            self.batches += 1
            begin = 0
            for rows, answer in requests:
                end = begin + len(rows)
                if not answer.done():  # its client may have gone
                    answer.set_result(tuple(result[begin:end] for result in results))
                begin = end

    async def _gather(self):
        requests = [await self.queue.get()]
        deadline = asyncio.get_running_loop().time() + self.max_wait
        while sum(len(rows) for rows, _ in requests) < self.max_rows:
            remaining = deadline - asyncio.get_running_loop().time()
            try:
                requests.append(await asyncio.wait_for(self.queue.get(), max(remaining, 0)))
            except TimeoutError:
                break
        return requests


# %%
# The application
# ---------------
# Each request is checked before it joins a batch: the size of the body, the shape of the
# images, and that they are numbers. The answer to a wrong request has the reason. Other
# requests are not affected.

MAX_BYTES = 8 << 20


def application(pipeline, **batching):
    """A Starlette application that answers from a fitted Pipeline.

    ``POST /predict`` and ``POST /features`` take ``{"images": [[...], ...]}``,
    one list of pixels an image, or the bytes of one photograph where the first
    step is an `ImageLoader`; ``GET /health`` says that the server is up.
    """
    loader = pipeline[0] if isinstance(pipeline[0], ImageLoader) else None
    network = pipeline if loader is None else pipeline[1:]
    n_pixels = None if loader is not None else pipeline.n_features_in_
    anything = np.zeros((1, 8, 8)) if loader is not None else np.zeros((1, n_pixels))

    async def rows_of(request):
        body = await body_of(request)
        return await (images_of(body, n_pixels) if loader is None else photograph_of(body, loader))

    def compute(rows):
        features, last = network[:-1].transform(rows), network[-1]
        if not hasattr(last, "predict_proba"):  # an SVC, a regression
            return features, last.predict(features)
        return features, last.predict(features), last.predict_proba(features)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        # This compiles before the first request comes.
        compute(anything if loader is None else loader.transform(anything))
        app.state.batcher = MicroBatcher(compute, **batching)
        task = asyncio.create_task(app.state.batcher.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def answered(request):
        rows = await rows_of(request)
        try:
            return await request.app.state.batcher(rows)
        except asyncio.QueueFull:
            raise HTTPException(503, "Too many requests are waiting; try again later.") from None

    async def predict(request):
        _, *answers = await answered(request)
        names = ("labels", "probabilities")
        return JSONResponse({k: v.tolist() for k, v in zip(names, answers, strict=False)})

    async def features(request):
        values, *_ = await answered(request)
        return JSONResponse({"features": values.tolist()})

    async def health(request):
        batches = request.app.state.batcher.batches
        return JSONResponse({"status": "up", "pixels": n_pixels, "batches": batches})

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/features", features, methods=["POST"]),
            Route("/health", health),
        ],
        lifespan=lifespan,
    )


async def body_of(request):
    """The bytes of a request, unless they are too many."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"A request may have {MAX_BYTES} bytes.")
    return body


async def photograph_of(body, loader):
    """An uploaded file as an array of one image; it is decoded before it meets others."""
    try:
        return await run_in_threadpool(loader.transform, [body])
    except BadImagesError as error:
        ((_, _, reason),) = error.bad
        raise HTTPException(400, f"The photograph cannot be read: {reason}.") from None


async def images_of(body, n_pixels):
    """The images of a request as an array of shape (n_images, n_pixels)."""
    try:
        rows = np.asarray((await parsed(body))["images"], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise HTTPException(400, 'Send {"images": [[pixel, ...], ...]}.') from None
    if rows.ndim != 2 or rows.shape[1] != n_pixels or not len(rows):
        raise HTTPException(
            400, f"images has the shape {rows.shape}; expected (n_images, {n_pixels})."
        )
    if not np.isfinite(rows).all():
        raise HTTPException(400, "images holds numbers that are not finite.")
    return rows


async def parsed(body):
    """The body as JSON; large ones must not keep others waiting."""
    return json.loads(body) if len(body) < 1 << 16 else await run_in_threadpool(json.loads, body)


# %%
# Try the server
# --------------
# The server runs in a thread of this process, on a free port of the loopback device.
# ``benchmarks/serving.py`` measures the latencies of a server in its own process.


@contextlib.contextmanager
def served(app):
    """The address of a running server."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


def demonstrate():
    quick = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        ConvNetFeatureExtractor(max_epochs=1 if quick else "auto", random_state=0),
        LogisticRegression(max_iter=2000),
    ).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(pipeline, f"{folder}/pipeline.pkl")
        app = application(joblib.load(f"{folder}/pipeline.pkl"))

    async def ask_for_each(address):
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            asks = [http.post("/predict", json={"images": [image.tolist()]}) for image in X[:40]]
            return [answer.json()["labels"][0] for answer in await asyncio.gather(*asks)]

    with served(app) as address:
        answer = httpx.post(f"{address}/predict", json={"images": X[:3].tolist()}).json()
        print("labels", answer["labels"], "of", y[:3].tolist())
        batches = app.state.batcher.batches
        right = np.mean(asyncio.run(ask_for_each(address)) == y[:40])
        batches = app.state.batcher.batches - batches
        print(f"40 requests at once: {right:.0%} right, computed in {batches} batches")


def main():
    if len(sys.argv) == 1:
        demonstrate()
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("pipeline", help="a pickle, made by joblib.dump, that you trust")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--log-level", default="info")
    given = parser.parse_args()
    app = application(joblib.load(given.pipeline))
    uvicorn.run(app, host=given.host, port=given.port, log_level=given.log_level)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/thumbnails/serving.png'
