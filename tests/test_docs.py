"""The documentation: every public name is in it, its code runs, its links lead somewhere."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from .public_names import (
    INTERNAL,
    PUBLIC,
    absent_extra,
    complaints,
    documented_objects,
    parts_of_the_package,
    public_objects,
)

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
PAGES_WITH_CODE = [path for path in PAGES if "```python" in path.read_text(encoding="utf-8")]


# Kinds of faults


def test_every_test_that_is_named_exists():
    text = (DOCS / "design" / "kinds.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 40
    missing = []
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).is_file() else ""
        if not re.search(
            rf"^ *(def|class) {name}\b" if name else "def test_", source, re.MULTILINE
        ):
            missing.append(f"{path}::{name}")
    assert not missing


# Benchmarks


def test_the_page_of_results_has_a_row_for_every_benchmark():
    """And its commands can be given: the files are there, and know the options."""
    page = (DOCS / "design" / "performance.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `python benchmarks/(\w+)\.py` \|", page, re.MULTILINE)
    benchmarks = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert sorted(rows) == sorted(benchmarks - {"contestants"})  # which the others start
    commands = re.findall(r"`python benchmarks/(\w+)\.py([^`]*)`", page)
    for name, options in commands:
        source = (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        for option in re.findall(r"--[\w-]+", options):
            assert f'"{option}"' in source, f"{name}.py knows no {option}"


# The public face


def test_every_part_of_the_package_is_public_or_internal():
    known = {name.split(".")[1] for name in PUBLIC if "." in name} | set(INTERNAL)
    assert parts_of_the_package() == known


def names_in_the_reference():
    listed = set()
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    for block in text.split(".. currentmodule:: ")[1:]:
        module, _, rest = block.partition("\n")
        listed |= {f"{module}.{name}" for name in re.findall(r"^   (\w+)$", rest, re.MULTILINE)}
    return listed


def test_the_reference_has_every_name_that_the_pages_import():
    imported = {
        f"{node.module}.{name.name}"
        for page in PAGES_WITH_CODE
        for code in blocks_of(page)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("convnet_features")
        for name in node.names
    }
    assert len(imported) > 30
    assert sorted(imported - names_in_the_reference()) == []


def test_the_reference_lists_every_public_name_and_no_other():
    listed = names_in_the_reference()
    importable = {name.rpartition(".")[0] for name, _ in public_objects()}
    listed = {name for name in listed if name.rpartition(".")[0] in importable}
    assert listed == {name for name, _ in public_objects()}


def test_docstrings_mention_parameters_and_shapes():
    pytest.importorskip("numpydoc")
    found = {name: complaints(each, owner) for name, each, owner in documented_objects()}
    assert not {name: each for name, each in found.items() if each}


@pytest.mark.filterwarnings("ignore:.*potentially wrong underline length")
def test_a_docstring_that_lacks_something_is_complained_of():
    pytest.importorskip("numpydoc")

    def shapeless(X, y):
        """Look at X.

        Parameters
        ----------
        X : array-like
            Images.

        Returns
        -------
        ndarray
            Numbers.
        """

    assert complaints(shapeless) == [
        "parameter 'y' is not mentioned",
        "Parameters: X: an array without a shape",
        "Returns: ndarray: an array without a shape",
    ]
    assert complaints(lambda X: X) == ["there is no docstring"]


@pytest.mark.parametrize("module", PUBLIC)
def test_the_examples_of_docstrings_run(module):
    finder = doctest.DocTestFinder(exclude_empty=True, recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for part, needed in (
        ("out_of_core", "dask"),
        ("images", "PIL"),
        ("callbacks", "tensorboardX"),
    ):
        if module.endswith(part):
            pytest.importorskip(needed)
    report: list[str] = []
    for name, each, _ in documented_objects([module]):
        if inspect.isroutine(each) or inspect.isclass(each):
            namespace = dict(vars(sys.modules[inspect.unwrap(each).__module__]))
            for test in finder.find(each, name, globs=namespace):
                runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


# The pages


def blocks_of(page):
    """The code of the page's ```python blocks, which run one after the other."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # Classes of a page are found by name, as those of a script are.
    script = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", script)
    namespace = vars(script)
    try:
        for number, code in enumerate(blocks_of(page), start=1):
            if "load_mnist(" in code:
                folder = request.getfixturevalue("data_folder")
                monkeypatch.setenv("CONVNET_FEATURES_DATA", str(folder))
            exec(compile(code, f"{page.name}, block {number}", "exec"), namespace)
    except ImportError as error:
        # The package's own errors name the extra, and come from what is missing.
        missing = error if error.name or error.__cause__ is None else error.__cause__
        if not absent_extra(missing):
            raise
        pytest.skip(f"could not import {missing.name!r}, needed from block {number} on")


@pytest.mark.slow
def test_the_readmes_example_scores_what_is_printed_below_it(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code, printed) = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.S).groups()
    exec(compile(code, "README.md", "exec"), {})
    # Other processors add up in other orders: five digits of 450, more or less.
    assert float(capsys.readouterr().out) == pytest.approx(float(printed), abs=5 / 450)


def test_the_first_page_and_the_readme_show_the_same_figures():
    """And the picture of the benchmark is drawn from a file that has all of its bars."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \|$", readme, re.MULTILINE)
    assert len(rows) > 4
    assert [row for row in rows if row not in index] == []
    assert (DOCS / "_static" / "features.png").is_file()
    assert (DOCS / "_static" / "speed.svg").is_file()
    measured = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text("utf-8"))
    assert measured["command"] in readme
    for work in measured["work"].values():
        assert {"ours", "PyTorch tuned", "PyTorch eager", "skorch"} <= set(work["seconds"])


def test_the_page_of_the_installation_lists_every_extra():
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not a checkout: the extras are not known")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = re.findall(
        r"^\| `([\w-]+)` \|", (DOCS / "install.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(project["optional-dependencies"])


def source_of(path):
    """The file that a page is made from: those of the gallery are made from examples."""
    if "auto_examples" not in path.parts:
        return path
    below = ROOT / "examples" / Path(*path.parts[path.parts.index("auto_examples") + 1 :])
    return (
        below.with_name("GALLERY_HEADER.rst") if below.stem == "index" else below.with_suffix(".py")
    )


def test_pages_link_to_files_that_exist():
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    ]
    assert links
    broken = [(p.name, t) for p, t in links if not source_of(p.parent / t).exists()]
    assert not broken


def anchors_of(page):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", each.replace("`", "").strip().lower()) for each in headings]
    return {each.replace(" ", "-") for each in plain}


def test_pages_link_to_headings_that_exist():
    links = [
        (page, (page.parent / target).resolve() if target else page, anchor)
        for page in PAGES
        for target, anchor in re.findall(
            r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")
        )
    ]
    assert len(links) > 20
    broken = [
        (page.name, target.name, anchor)
        for page, target, anchor in links
        if target in PAGES and anchor not in anchors_of(target)
    ]
    assert not broken


def test_every_page_is_reached_from_the_index():
    entries = {DOCS / "index.md"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for tree in re.findall(r"^:::\{toctree\}\n(.*?)^:::$", text, re.S | re.M):
            lines = [line for line in tree.splitlines() if line and not line.startswith(":")]
            names = [re.sub(r".*<(.*)>", r"\1", line) for line in lines]
            for name in names:
                entries |= set(page.parent.glob(f"{name}.md"))
    assert entries == set(PAGES)


def test_the_notebook_is_in_step_with_the_tutorial():
    pytest.importorskip("sphinx_gallery")
    sys.path.insert(0, str(DOCS))
    try:
        from notebook import tutorial_notebook
    finally:
        sys.path.remove(str(DOCS))
    written = (ROOT / "examples" / "tutorial.ipynb").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(tutorial_notebook()), "run: python docs/notebook.py"


# The results on the pages


@pytest.fixture
def results(monkeypatch):
    """The extension that runs the pages' code."""
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.setitem(sys.modules, "page", ModuleType("page"))
    yield importlib.import_module("results")
    sys.modules.pop("results")


PAGE_WITH_RESULTS = """Before.

```python
n = 2
print("twice:")
n * 21
```

```python
n += 1
```

```{code-block} python
never()
```
"""


def test_results_stand_behind_the_code(results, tmp_path):
    text = results.with_results(PAGE_WITH_RESULTS, "guide/a", tmp_path)
    printed = "```{code-block} text\n:class: result\n\ntwice:\n42\n```\n"
    assert text == PAGE_WITH_RESULTS.replace("n * 21\n```\n", "n * 21\n```\n" + printed)


def test_figures_stand_behind_the_code(results, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("agg")
    page = "```python\nfrom matplotlib import pyplot\npyplot.figure(figsize=(4, 3))\nNone\n```\n"
    text = results.with_results(page, "guide/a", tmp_path)
    assert text.startswith(page + "```{image} /generated/results/guide-a-1.png\n")
    assert ":width: 288px\n" in text
    assert (tmp_path / "guide-a-1.png").read_bytes().startswith(b"\x89PNG")


def test_code_that_fails_ends_the_build(results, tmp_path):
    page = "```python\n1\n```\n```python\n1 / 0\n```\n"
    with pytest.raises(RuntimeError, match=r"guide/a, block 2: ZeroDivisionError"):
        results.with_results(page, "guide/a", tmp_path)


def test_a_data_set_that_is_not_there_has_no_result(results, tmp_path):
    page = (
        "```python\nfrom convnet_features.exceptions import DatasetNotFoundError\n"
        "raise DatasetNotFoundError('none here')\n```\n"
    )
    assert results.with_results(page, "guide/a", tmp_path) == page


# The site


class Links(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links |= {values[key] for key in ("href", "src") if values.get(key)}


def dead_links(site):
    """'page: link' for each link inside the site that leads nowhere."""
    # The theme's own templates lie in _static.
    found = (path for path in site.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Links(path) for path in found}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            known = pages[target].anchors if target in pages else None
            if not target.exists() or (anchor and known is not None and anchor not in known):
                dead.append(f"{path.relative_to(site)}: {link}")
    return sorted(dead)


def test_dead_links_are_seen(tmp_path):
    (tmp_path / "a.html").write_text("<p id='here'><a href='#here'><a href='b.html#there'>")
    (tmp_path / "b.html").write_text("<a href='https://example.org/x'><img src='no.png'>")
    assert dead_links(tmp_path) == ["a.html: b.html#there", "b.html: no.png"]


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_without_dead_links(tmp_path):
    for needed in ("sphinx", "myst_parser", "numpydoc", "sphinx_gallery", "pydata_sphinx_theme"):
        pytest.importorskip(needed)
    ignored = shutil.ignore_patterns("_build", "generated", "auto_examples", "__pycache__")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("CHANGELOG.md", "SECURITY.md"):
        shutil.copy(ROOT / name, tmp_path)
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(site)],
        cwd=tmp_path,
        env={**os.environ, "CONVNET_FEATURES_EXAMPLES": "none", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert dead_links(site) == []
    reference = (site / "generated/convnet_features.ConvNetFeatureExtractor.html").read_text()
    assert "fit_transform" in reference
