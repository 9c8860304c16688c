"""Downloads, from a server on this machine that does everything that servers do."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from convnet_features.datasets import load_fashion_mnist, load_mnist
from convnet_features.datasets.catalogue import FASHION_MNIST, MNIST
from convnet_features.datasets.download import DownloadError, fetch
from convnet_features.datasets.mnist import load
from convnet_features.exceptions import DatasetNotFoundError, FileFormatError

PAYLOAD = gzip.compress(os.urandom(3000))


def check_payload(path, address):
    if hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(PAYLOAD).digest():
        raise FileFormatError(f"{address}: wrong checksum")


class _Handler(BaseHTTPRequestHandler):
    """The first folder of an address says how the server behaves."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers["User-Agent"]))
        _, behaviour, name = self.path.split("/")
        # Whoever asked may give up, which is what some tests want.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, behaviour)(self.server.files[name])

    def start(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def good(self, payload):
        self.start(len(payload))
        self.wfile.write(payload)

    def wrong(self, payload):
        self.good(payload[:-9] + bytes([payload[-9] ^ 1]) + payload[-8:])

    def truncated(self, payload):
        self.start(len(payload))
        self.wfile.write(payload[: len(payload) // 2])

    def longer(self, payload):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(bytes(65536))

    def missing(self, payload):
        self.send_error(404, "Not Found")

    def broken(self, payload):
        self.send_error(503, "Service Unavailable")

    def stalls(self, payload):
        self.start(len(payload))
        self.wfile.write(payload[:10])
        self.server.over.wait(20)

    def silent(self, payload):
        self.server.over.wait(20)

    def drips(self, payload):
        self.start(len(payload))
        for i in range(len(payload)):
            self.wfile.write(payload[i : i + 1])
            if self.server.over.wait(0.02):
                return

    def nonsense(self, payload):
        self.wfile.write(b"what?\r\n\r\n")

    def hangs_up(self, payload):
        self.close_connection = True

    def elsewhere(self, payload):
        self.send_response(302)
        self.send_header("Location", "/good/" + self.path.rsplit("/", 1)[1])
        self.end_headers()

    def to_a_local_file(self, payload):
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.requests, server.files, server.over = [], {"file.gz": PAYLOAD}, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    yield SimpleNamespace(
        files=server.files,
        requests=server.requests,
        mirrors=lambda *behaviours: [f"{address}/{behaviour}" for behaviour in behaviours],
    )
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, target, *behaviours, **kwargs):
    options = {"max_bytes": 10_000, "timeout": 0.5, **kwargs}
    fetch(server.mirrors(*behaviours), "file.gz", target, check_payload, **options)


@pytest.mark.parametrize("behaviour", ["good", "elsewhere"])
def test_good_file(server, behaviour, tmp_path):
    get(server, tmp_path / "here", behaviour)
    assert (tmp_path / "here").read_bytes() == PAYLOAD
    assert os.listdir(tmp_path) == ["here"]
    assert server.requests[0][1].startswith("convnet_features/")


FAULTS = [
    ("wrong", "wrong checksum"),
    ("truncated", "wrong checksum"),
    ("longer", "longer than the 10000 bytes expected"),
    ("missing", "HTTP 404 Not Found"),
    ("broken", "HTTP 503 Service Unavailable"),
    ("stalls", "silent for 0.5 seconds"),
    ("silent", "silent for 0.5 seconds"),
    ("nonsense", "what?"),
    ("hangs_up", "Remote end closed connection without response"),
    ("to_a_local_file", "HTTP 302 .* not allowed"),
]


@pytest.mark.parametrize(("behaviour", "message"), FAULTS)
def test_faults_are_told_with_the_address_and_leave_nothing(server, behaviour, message, tmp_path):
    (address,) = server.mirrors(behaviour)
    with pytest.raises(DownloadError, match=f"{address}/file.gz: (?s:.*){message}"):
        get(server, tmp_path / "here", behaviour)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("behaviour", [behaviour for behaviour, _ in FAULTS])
def test_next_mirror_is_tried(server, behaviour, tmp_path):
    get(server, tmp_path / "here", behaviour, "good", "drips")
    assert (tmp_path / "here").read_bytes() == PAYLOAD
    assert os.listdir(tmp_path) == ["here"]
    assert all("drips" not in path for path, _ in server.requests)


def test_server_that_never_gets_done(server, tmp_path):
    with pytest.raises(DownloadError, match=r"not done after 0\.2 seconds"):
        get(server, tmp_path / "here", "drips", deadline=0.2)


def test_nobody_there(tmp_path):
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/file\.gz: .*refused"):
        fetch(["http://127.0.0.1:9"], "file.gz", tmp_path / "here", check_payload, max_bytes=9)


def test_every_fault_is_listed(server, tmp_path):
    with pytest.raises(DownloadError, match=r"(?s)missing.*404.*\n.*broken.*503"):
        get(server, tmp_path / "here", "missing", "broken")


def test_no_mirrors(server, tmp_path):
    with pytest.raises(DownloadError, match="no mirrors were given"):
        get(server, tmp_path / "here")


def test_previous_file_survives_a_fault(server, tmp_path):
    (tmp_path / "here").write_bytes(b"previous")
    with pytest.raises(DownloadError):
        get(server, tmp_path / "here", "truncated")
    assert (tmp_path / "here").read_bytes() == b"previous"


def test_fault_of_this_machine_is_not_blamed_on_the_mirror(server, tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        get(server, tmp_path / "no-such-folder" / "here", "good", "good")
    assert len(server.requests) <= 1


def test_progress(server, tmp_path, capsys):
    get(server, tmp_path / "here", "missing", "good", verbose=1)
    missing, good = server.mirrors("missing", "good")
    assert re.fullmatch(
        rf"\[convnet_features\] downloading {missing}/file.gz\n"
        rf"\[convnet_features\]   failed: {missing}/file.gz: HTTP 404 Not Found\n"
        rf"\[convnet_features\] downloading {good}/file.gz\n"
        r"\[convnet_features\]   0\.0 MB in \d\.\d s, checksum right\n",
        capsys.readouterr().out,
    )


def test_quiet_by_default(server, tmp_path, capsys):
    get(server, tmp_path / "here", "good")
    assert capsys.readouterr() == ("", "")


# Through the loader


@pytest.fixture
def published(server, tiny, tmp_path):
    """The tiny data set, on the server."""
    folder = tiny.write(tmp_path / "published")
    server.files.update((path.name, path.read_bytes()) for path in folder.iterdir())
    return server


def names(tiny):
    return sorted(f"{file.name}.gz" for file in tiny.dataset.files.values())


def assert_loaded(found, tiny):
    for array, expected in zip(found, tiny.expected(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_download_into_the_cache(published, tiny, cache):
    mirrors = published.mirrors("good")
    assert_loaded(load(tiny.dataset, mirrors=mirrors), tiny)
    assert sorted(os.listdir(cache / "tiny")) == names(tiny)
    n_requests = len(published.requests)
    assert n_requests == 4
    assert_loaded(load(tiny.dataset, mirrors=mirrors), tiny)
    assert len(published.requests) == n_requests


def test_download_into_data_home(published, tiny, cache, tmp_path):
    home = tmp_path / "home"
    assert_loaded(load(tiny.dataset, home, mirrors=published.mirrors("good")), tiny)
    assert sorted(os.listdir(home / "tiny")) == names(tiny)
    assert not cache.exists()
    assert_loaded(load(tiny.dataset, home, download_if_missing=False), tiny)


def test_only_what_is_missing_is_downloaded(published, tiny, cache):
    tiny.write(cache / "tiny", without=("y_test",))
    assert_loaded(load(tiny.dataset, mirrors=published.mirrors("good")), tiny)
    assert [path for path, _ in published.requests] == ["/good/t10k-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [("wrong", "damaged|SHA-256"), ("truncated", "damaged"), ("missing", "HTTP 404")],
)
def test_failed_download_names_mirror_and_reason(published, behaviour, message, tiny, cache):
    mirrors = published.mirrors(behaviour)
    match = f"(?s)Download: {mirrors[0]}/train-images-idx3-ubyte.gz: .*({message}).*data_home"
    with pytest.raises(DatasetNotFoundError, match=match):
        load(tiny.dataset, mirrors=mirrors)
    assert os.listdir(cache / "tiny") == []


def test_another_data_set_under_the_right_name(published, tiny, encode_idx):
    other = encode_idx(255 - tiny.arrays["X_train"])
    published.files["train-images-idx3-ubyte.gz"] = gzip.compress(other)
    found, expected = hashlib.sha256(other), tiny.dataset.files["X_train"].sha256
    match = f"the SHA-256 of its uncompressed contents is {found.hexdigest()}; expected {expected}"
    with pytest.raises(DatasetNotFoundError, match=match):
        load(tiny.dataset, mirrors=published.mirrors("good"))


def test_mirror_may_compress_as_it_likes(published, tiny, encode_idx):
    contents = encode_idx(tiny.arrays["X_train"])
    published.files["train-images-idx3-ubyte.gz"] = gzip.compress(contents, compresslevel=1)
    assert_loaded(load(tiny.dataset, mirrors=published.mirrors("good")), tiny)
    published.files["train-images-idx3-ubyte.gz"] = contents


@pytest.mark.parametrize("loader", [load_mnist, load_fashion_mnist])
@pytest.mark.parametrize("mirror", ["file:///etc", "ftp://example.org", "example.org"])
def test_only_addresses_of_the_web(loader, mirror):
    with pytest.raises(ValueError, match=f"mirrors: '{mirror}' does not start with https:// or"):
        loader(mirrors=[mirror])


def test_single_mirror():
    with pytest.raises(TypeError, match=r"pass a list of addresses, \['https://example.org'\]"):
        load_mnist(mirrors="https://example.org")


@pytest.mark.parametrize("dataset", [MNIST, FASHION_MNIST], ids=lambda dataset: dataset.title)
def test_known_mirrors_and_sums_are_well_formed(dataset):
    assert len(dataset.mirrors) >= 3
    assert dataset.mirrors[0].startswith("https://")
    assert not any(mirror.endswith("/") for mirror in dataset.mirrors)
    sums = [file.sha256 for file in dataset.files.values()]
    assert len(set(sums)) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", sum_) for sum_ in sums)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("loader", [load_mnist, load_fashion_mnist])
def test_real_download(loader, tmp_path):
    X_train, *_ = loader(tmp_path, verbose=1)
    assert X_train.shape == (50_000, 1, 28, 28)
