"""Download Lasagne 0.1's source distribution and run its tests.

Usage: python -m tests.lasagne_suite [--folder FOLDER] [pytest arguments]

FOLDER keeps the download for the next time; the default is a temporary one.
With ``--runslow`` Lasagne's two examples run as well, for an epoch each.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NAME = "Lasagne-0.1"
SHA256 = "3c634ecab67e43e4f18520932bfd88bd3c678ec723c48177f18799dab2411233"
REPOSITORY = Path(__file__).resolve().parents[2]

SETTINGS = """[pytest]
addopts = --import-mode=importlib --strict-markers
filterwarnings = error
"""

#: The exit status if the source distribution cannot be had.
NO_DOWNLOAD = 5


def download(folder):
    """The path of Lasagne's source distribution in `folder`, downloaded if it is not there."""
    archive = folder / f"{NAME}.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-binary", ":all:", "Lasagne==0.1"]
        subprocess.run([*command, "--dest", str(folder)], check=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{archive} is not Lasagne 0.1: its SHA-256 is {digest}, not {SHA256}.")
    return archive


def unpack(archive, folder):
    """Put Lasagne's tests and examples, and nothing else of it, into `folder`.

    The package itself is the installed one; and its ``setup.cfg`` and
    ``lasagne/conftest.py`` are not for the pytest of today. An example is
    looked for three folders above its test. A folder called lasagne would be taken for the package.
    """
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    source = folder / "unpacked" / NAME
    shutil.copytree(source / "lasagne" / "tests", folder / "suite" / "tests")
    shutil.copytree(source / "examples", folder / "examples")
    (folder / "pytest.ini").write_text(SETTINGS)


def write_mnist(folder):
    """Put ``mnist.pkl.gz``, which Lasagne's example reads, into `folder`, if the data is here.

    The example would download it from a server that is gone.
    """
    from convnet_features.datasets import load_mnist
    from convnet_features.exceptions import DatasetNotFoundError

    try:
        arrays = load_mnist(download_if_missing=False)
    except DatasetNotFoundError:
        return
    splits = [(arrays[i].reshape(-1, 784), arrays[i + 1]) for i in (0, 2, 4)]
    with gzip.open(folder / "mnist.pkl.gz", "wb", compresslevel=1) as file:
        pickle.dump(splits, file)


def run(folder, arguments):
    """pytest's exit status for the tests in `folder`."""
    environment = dict(os.environ)
    paths = [str(REPOSITORY), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    command = [sys.executable, "-m", "pytest", "-p", "tests.lasagne_suite.plugin"]
    command += ["-p", "no:cacheprovider", "-q", "suite/tests", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.lasagne_suite", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the download is, or will be, kept")
    options, others = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            archive = download(folder)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"Lasagne 0.1's source distribution cannot be had: {error}", file=sys.stderr)
            return NO_DOWNLOAD
        sandbox = Path(temporary) / "run"
        unpack(archive, sandbox)
        if "--runslow" in others:
            write_mnist(sandbox)
        return run(sandbox, others)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
