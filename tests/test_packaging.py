"""What is built: a pure wheel and a source distribution, of the version that the package says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

import convnet_features

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="not a checkout: nothing to build"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with both, built from a copy: building leaves things behind."""
    pytest.importorskip("build")
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path_factory.mktemp("source") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a checkout: what belongs to the source is not known")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return target


@pytest.mark.slow
def test_wheel(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith("/METADATA")]
        fields = Parser().parsestr(archive.read(metadata).decode())
    assert fields["Version"] == convnet_features.__version__
    assert fields["Requires-Python"] == ">=3.11"
    assert {"dask", "jax", "onnx", "serve"} <= set(fields.get_all("Provides-Extra"))
    packages = {name.split("/")[0] for name in names if "dist-info" not in name}
    # docs/design/theano_facade.md says why there is a module called theano.
    assert packages == {"convnet_features", "theano.py"}
    assert "convnet_features/py.typed" in names
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "convnet_features").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert modules <= set(names)


@pytest.mark.slow
def test_source_distribution_brings_its_tests(built):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in (
        "pyproject.toml",
        "setup.cfg",
        "LICENSE",
        "README.md",
        "tests/conftest.py",
        "tests/helpers.py",
        "tests/onnx/networks.py",
        "examples/deployment/serving.py",
    ):
        assert wanted in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_version_is_written_once():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    package = Path(convnet_features.__file__).parent
    found = [
        path
        for path in package.rglob("*.py")
        if f'"{convnet_features.__version__}"' in path.read_text()
    ]
    assert found == [package / "_version.py"]


def test_installed_version_is_the_packages():
    try:
        installed = version("convnet-features")
    except ModuleNotFoundError:  # a checkout on the path
        pytest.skip("not installed")
    assert installed == convnet_features.__version__
