"""Imports go downward only, and importing the package loads what it needs and no more."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import convnet_features

PACKAGE = Path(convnet_features.__file__).parent
DESIGN = Path(__file__).parents[1] / "docs" / "design"


def rows_of(page):
    """The cells of every row of every table on a page, the headings left out."""
    lines = (DESIGN / page).read_text(encoding="utf-8").splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("| ") and not line.startswith("| ---") and "| ---" not in following:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


ROWS = list(rows_of("architecture.md"))
#: The layers, from the top to the bottom: rows of three cells.
LAYERS = tuple(set(names_in(row[1])) for row in ROWS if len(row) == 3)
#: Packages within packages: rows of two.
SUBPACKAGES = [name for row in ROWS if len(row) == 2 for name in names_in(row[0])]
#: Where an import goes upward: only ever within a function, which runs when all is loaded.
UPWARD = {("theano_facade", "compilation")}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__pycache__" not in path.parts
}


@functools.cache
def nodes_of(path):
    """The statements of a module at its top level, each with all nodes within it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(statement, list(ast.walk(statement))) for statement in tree.body]


def all_nodes(path):
    return [node for _, nodes in nodes_of(path) for node in nodes]


def imports_of(name, path, for_types=True):
    """(what, at the top level of the module) of every import of this package's own modules."""
    found = [each for each in nodes_of(path) if for_types or not _is_for_types(each[0])]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for statement, nodes in found:
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "convnet_features":
                        yield alias.name.partition(".")[2], node is statement
            elif isinstance(node, ast.ImportFrom):
                yield from _from(node, package, node is statement)


def _is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _from(node, package, at_top):
    if node.level:
        base = package[: len(package) - node.level + 1]
    elif node.module and node.module.split(".")[0] == "convnet_features":
        base = node.module.split(".")[1:]
        node = ast.ImportFrom(module=None, names=node.names, level=1)
    else:
        return
    base = [*base, *(node.module.split(".") if node.module else [])]
    for alias in node.names:
        whole = ".".join([*base, alias.name])
        yield (whole if whole in MODULES else ".".join(base)), at_top


def level_of(name):
    """The position of a module's layer; the package itself is above all."""
    first = name.split(".")[0]
    return next(level for level, layer in enumerate(LAYERS) if first in layer) if first else -1


def test_every_module_and_package_has_a_row():
    named = [name for layer in LAYERS for name in layer]
    assert sorted(named) == sorted({name.split(".")[0] for name in MODULES if name})
    packages = [name for name, path in MODULES.items() if path.name == "__init__.py"]
    assert sorted(SUBPACKAGES) == sorted(name for name in packages if "." in name)


def test_the_files_that_additions_touch_are_there():
    # The package may be installed elsewhere.
    roots = (DESIGN.parents[1], PACKAGE.parent)
    named = [name for row in rows_of("adding.md") for cell in row for name in names_in(cell)]
    assert len(named) > 40
    assert not [name for name in named if not any((root / name).is_file() for root in roots)]
    prose = (DESIGN / "adding.md").read_text(encoding="utf-8")
    stage = prose.partition("## A stage with kernels")[2].partition("\n## ")[0]
    # Its module in `stages`, beside the table, is one more.
    assert 1 + len(re.findall(r"^\| `", stage, re.MULTILINE)) == 8
    kinds = (
        "layer",
        "stage with kernels",
        "setting of a convolution",
        "callback",
        "augmentation",
        "display",
        "ONNX operator",
        "engine",
    )
    assert re.findall(r"^## An? (.*)$", prose, re.MULTILINE) == list(kinds)


def test_groups_of_a_convolution_are_known_where_its_settings_are():
    """As few files know of a setting as the page says: choices and steps take the spec whole."""
    prose = (DESIGN / "adding.md").read_text(encoding="utf-8")
    section = prose.partition("## A setting of a convolution")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| `", section, re.MULTILINE)) == 7
    # The layers of each kind of convolution have it as their parameter.
    known = {
        f"convnet_features/{path.relative_to(PACKAGE).as_posix()}"
        for name, path in MODULES.items()
        if not name.startswith("layers.")
        and any(
            isinstance(node, ast.Attribute) and node.attr in ("groups", "num_groups")
            for node in all_nodes(path)
        )
    }
    assert len(known) > 4
    assert known <= set(names_in(section))


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 50
    found = set(imports_of("training.jax_step", MODULES["training.jax_step"]))
    assert {("network.functions", True), ("training.step", True)} <= found
    assert ("compilation.jax", False) in found
    found = {what for what, _ in imports_of("kernels.registry", MODULES["kernels.registry"])}
    assert {"exceptions", "kernels.contract", "locks"} <= found


@pytest.mark.parametrize("name", list(MODULES))
def test_imports_of_the_package_are_relative(name):
    """One style: a name of this package is imported by where it is from here."""
    absolute = [
        ast.unparse(node)
        for node in all_nodes(MODULES[name])
        if (isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module))
        or (isinstance(node, ast.Import) and any(_is_ours(each.name) for each in node.names))
    ]
    assert not absolute


def _is_ours(module):
    return module.split(".")[0] == "convnet_features"


@pytest.mark.parametrize("name", list(MODULES))
def test_imports_go_downward(name):
    for imported, at_top in imports_of(name, MODULES[name]):
        if not imported or level_of(imported) >= level_of(name):
            continue
        known = (name.split(".")[0], imported.split(".")[0]) in UPWARD
        assert known, f"{name} imports {imported}, which is above it"
        assert not at_top, f"{name} imports {imported} before that can be there"


#: Packages of oneDNN's kernels, from the top to the bottom, below the modules beside them.
ROOMS = [
    name for name in SUBPACKAGES if name.startswith("kernels.onednn.") or name == "kernels.jit"
]


def room_of(name):
    """The position of a module's package among `ROOMS`; None elsewhere."""
    found = [
        position
        for position, room in enumerate(ROOMS)
        if name == room or name.startswith(f"{room}.")
    ]
    return found[0] if found else -1 if name.startswith("kernels.onednn") else None


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) is not None])
def test_imports_of_kernels_go_downward(name):
    assert len(ROOMS) > 4
    for imported, _ in imports_of(name, MODULES[name]):
        room = room_of(imported)
        assert room is None or room >= room_of(name), f"{name} imports {imported}, above it"


#: Modules that may make memory by NumPy's own `empty`: it holds no numbers, or nobody looks.
OWN_MEMORY = {
    "kernels.memory",
    "kernels.portable.blas_memory",  # only tries whether there is any
    "kernels.portable.scratch",  # fills what it lends
    "inspection.drawing",  # objects
    "out_of_core",  # of no elements
    "nolearn.split",  # its length counts
}


@pytest.mark.parametrize("name", list(MODULES))
def test_new_memory_can_be_seen_through(name):
    """It comes from `kernels.memory`, which can fill it with NaN."""
    made = [
        ast.unparse(node)
        for node in all_nodes(MODULES[name])
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("np", "numpy")
        and node.attr in ("empty", "empty_like")
    ]
    assert name in OWN_MEMORY or not made


def test_no_cycles_between_packages():
    """At the top level of modules; an import within a function runs when all is loaded."""
    edges = {}
    for name, path in MODULES.items():
        first = name.split(".")[0]
        for imported, at_top in imports_of(name, path):
            if at_top and imported and imported.split(".")[0] != first:
                edges.setdefault(first, set()).add(imported.split(".")[0])
    done, path = set(), []

    def visit(package):
        assert package not in path, f"cycle: {' -> '.join([*path[path.index(package) :], package])}"
        if package in done:
            return
        path.append(package)
        for other in sorted(edges.get(package, ())):
            visit(other)
        done.add(path.pop())

    edges.pop("", None)  # the package itself gathers what it offers
    for package in sorted(edges):
        visit(package)


#: Modules that import each other at their first use, as those that they stand for do.
STAND_INS = "theano_facade"


def test_no_cycles_between_modules():
    """Imports within functions included; those for annotations alone are left out."""
    graph = {
        name: {
            imported
            for imported, _ in imports_of(name, path, for_types=False)
            if imported not in ("", name)
            and not (imported.startswith(STAND_INS) and name.startswith(STAND_INS))
        }
        for name, path in MODULES.items()
        if name
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")
    assert len(order) >= len(graph)


UNWANTED = (
    "cv2",
    "jax",
    "matplotlib",
    "numba",
    "onnx",
    "onnxruntime",
    "pandas",
    "PIL",
    "polars",
    "tensorflow",
    "torch",
)

#: Makes the unwanted libraries absent, and prints which of our own modules asks for one.
ABSENT = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {UNWANTED!r}:
            return None
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if "convnet_features" in frame.f_code.co_filename:
            print(frame.f_code.co_filename, "imports", name)
        raise ImportError(name + " is absent", name=name)
sys.meta_path.insert(0, Absent())
"""


def run(code):
    result = subprocess.run(
        [sys.executable, "-c", ABSENT + code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_loads_nothing_heavy():
    assert run("import convnet_features") == ""


def test_all_of_it_works_without_anything_heavy():
    assert (
        run(
            "import numpy, convnet_features, pickle\n"
            "X = numpy.random.default_rng(0).random((20, 64))\n"
            "net = convnet_features.ConvNetClassifier(max_epochs=1)\n"
            "net.fit(X, [0, 1] * 10).transform(X)\n"
            "pickle.loads(pickle.dumps(net)).predict(X)\n"
            "net.layer_function('dense')(X.reshape(20, 1, 8, 8))\n"
        )
        == ""
    )


def test_the_two_tests_above_can_fail():
    code = compile("import pandas", str(PACKAGE / "imagined.py"), "exec")
    with pytest.raises(AssertionError, match="pandas is absent"):
        run(f"exec(compile('import pandas', {code.co_filename!r}, 'exec'))")
    shown = run(
        f"try: exec(compile('import pandas', {code.co_filename!r}, 'exec'))\n"
        "except ImportError: pass"
    )
    assert shown.endswith("imagined.py imports pandas\n")
