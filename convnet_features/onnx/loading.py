"""ONNX models as pretrained feature extractors."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx

from ..caller import users_level
from ..exceptions import EngineError, EngineWarning, FileFormatError, NetworkError
from ..network.model import Model
from ..network.spec import LayerSpec
from ..pretrained.extractor import PretrainedExtractor
from ..pretrained.loading import with_network
from ..validation import Targets
from .channels import channels_last, data_format, sizes_in_order, turned
from .folding import FOLDED, SAMPLES, DependsOnSamplesError, fold, with_samples
from .operators import OPERATORS, supported_operators
from .operators.axes import seen_through, transposed
from .operators.nodes import unsupported
from .plan import LayerPlan, PlannedLayer
from .reading import Branch, Node, ReadGraph, read_graph
from .runtime.extractor import runtime_extractor
from .runtime.model import ENGINE

__all__ = ["from_onnx", "pretrained_extractor"]


def from_onnx(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto,
    *,
    output: str | None = None,
    feature_layer: str | Sequence[str] | None = None,
    input_shape: tuple[int, int, int] | None = None,
    engine: str = "auto",
) -> PretrainedExtractor:
    """Read an ONNX model as a fitted extractor.

    Reads every model that `to_onnx` writes, and models of other origin made of
    convolutions (grouped and dilated ones too), poolings, batch normalisations,
    the nonlinearities of `convnet_features.nonlinearities`, gates (squeeze and
    excitation), dense layers and what lies between them. What a model computes
    from the sizes of its values is computed while it is read. A batch
    normalisation, a bias or a nonlinearity becomes part of the layer in front of it.
    Layers keep the names that they had when `to_onnx` wrote them. Layers of other
    models are called after the values that they compute, with underscores in the
    place of all characters but letters and digits.

    What cannot be read as layers (transformers, quantised networks, whatever comes),
    onnxruntime computes, where it is installed: the extractor has features, from any
    value inside, predictions, pickles, threads and `explain` as others have, and
    cannot be trained further. Its values stand in the place of layers, under their own
    names in the model.

    The file is not trusted: its size, the sizes that it asks for and everything
    that it says are checked, and nothing in it is executed. Weights in other files,
    as PyTorch's exporter writes them (``f.onnx.data``), are read from the folder of
    the model only.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
    output : str, optional
        The value to read up to; by default the last output of the model that
        can be read. Give one to leave out a head that cannot be.
    feature_layer : str or list of str, optional
        The layers whose activations are the features, by default the last. To
        find their names, see the ``layers_`` of the result, whose parameter of
        this name may be changed at any time. Where onnxruntime computes, the names
        of values of the model, or of nodes, which stand for their first value.
    input_shape : (int, int, int), optional
        (channels, height, width), where the model leaves them open.
    engine : {'auto', 'onednn', 'portable', 'jax', 'onnxruntime'}, default='auto'
        What computes. With "auto", onnxruntime where a node cannot be read as a
        layer, and an `EngineWarning` names the node. Any other engine than these
        two raises an error then, and keeps the file from onnxruntime.

    Returns
    -------
    PretrainedExtractor
        Fitted. `predict` gives the network's own output. `fit` trains nothing, and
        a clone has the same weights, so that it stands in a Pipeline as it is;
        ``ConvNetClassifier(pretrained=extractor)`` trains its network further. Its
        ``n_features_in_`` is the number of channels, as after a fit to such images.
        How it was trained is not known here: ``history_`` and ``loss_curve_`` are empty,
        ``n_iter_`` is 0, ``loss_`` is NaN and ``validation_scores_`` is None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not an ONNX model, or not a sound or sensible one.
    NetworkError
        If a node cannot be read as a layer, and onnxruntime does not compute it
        either; the text names it, and what can be read.
    EngineError
        If ``engine="onnxruntime"`` is not installed.

    Warns
    -----
    EngineWarning
        If onnxruntime computes although nobody asked for it.

    See Also
    --------
    to_onnx : Write a model.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.onnx import from_onnx, to_onnx
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, y)
    >>> again = from_onnx(to_onnx(extractor, X))
    >>> bool(abs(again.transform(X) - extractor.transform(X)).max() < 1e-4)
    True
    """
    natively = partial(_natively, source, output, feature_layer, input_shape, engine)
    by_runtime = partial(runtime_extractor, source, output, feature_layer, input_shape)
    return _WAYS.get(engine, _only_natively)(natively, by_runtime)


Natively = Callable[[], PretrainedExtractor]
#: Is given why it is asked.
ByRuntime = Callable[[str], PretrainedExtractor]


def _only_natively(natively: Natively, by_runtime: ByRuntime) -> PretrainedExtractor:
    return natively()


def _only_by_runtime(natively: Natively, by_runtime: ByRuntime) -> PretrainedExtractor:
    return by_runtime(f"engine={ENGINE!r}")


def _either(natively: Natively, by_runtime: ByRuntime) -> PretrainedExtractor:
    try:
        return natively()
    except NetworkError as error:
        return _fallen_back(by_runtime, error)


#: By the names of engines; the others read natively, or not at all.
_WAYS = {"auto": _either, ENGINE: _only_by_runtime}


def _natively(
    source: Any, output: str | None, feature_layer: Any, input_shape: Any, engine: str
) -> PretrainedExtractor:
    """What layers of ours compute."""
    graph = read_graph(source)
    value = output if output is not None else _readable_output(graph)
    reader = Reader(graph, input_shape, value)
    return _extractor(reader, reader.read(value), feature_layer, engine)


def _fallen_back(by_runtime: ByRuntime, error: NetworkError) -> PretrainedExtractor:
    """What onnxruntime computes, with a warning that names the node that cannot be read."""
    unread = str(error).partition(";")[0].removeprefix("from_onnx: ").rstrip(".")
    try:
        extractor = by_runtime(unread)
    except (EngineError, FileFormatError, NetworkError) as other:
        reason = str(other).removeprefix("from_onnx: ")
        raise NetworkError(f"{error} Nor does onnxruntime compute the model: {reason}") from error
    warnings.warn(
        f"from_onnx: {unread}; onnxruntime computes the model instead. Features and predictions "
        f"are as usual; it cannot be trained further. engine={ENGINE!r} says that this is meant; "
        "engine='onednn' raises an error.",
        EngineWarning,
        stacklevel=users_level(),
    )
    return extractor


def _readable_output(graph: ReadGraph) -> str:
    """The last output that can be read; if there is none, the last."""
    unreadable: set[str] = set()
    for node in graph.nodes:
        known = node.operator in OPERATORS or node.operator in FOLDED or node.operator == "If"
        if not known or not unreadable.isdisjoint(node.inputs):
            unreadable.update(node.outputs)
    for name in reversed(graph.outputs):
        if name not in unreadable:
            return name
    if not graph.outputs:
        raise FileFormatError("from_onnx: the model has no outputs.")
    return graph.outputs[-1]


def _behind(graph: ReadGraph, value: str) -> list[Node]:
    """The nodes that compute `value`, in the order of the file."""
    needed, nodes = {value}, []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(name for each in _with_branches([node]) for name in each.inputs)
            needed.update(name for branch in _branches(node) for name in branch.outputs)
            nodes.append(node)
    return nodes[::-1]


def _branches(node: Node) -> list[Branch]:
    return [each for each in node.attributes.values() if isinstance(each, Branch)]


def _with_branches(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes, and those of all branches that they choose from."""
    for node in nodes:
        yield node
        for branch in _branches(node):
            yield from _with_branches(branch.nodes)


#: Numbers of samples for which is computed what depends on it: two, so that it shows how.
_COUNTS = (5, 7)


@dataclass(frozen=True)
class _ByCount:
    """A constant for each of `_COUNTS` samples, and the error of who needs one for any number."""

    values: tuple[np.ndarray, ...]
    error: NetworkError


#: What is computed otherwise with integers, which are rounded and overflow, than with floats.
_OF_INTEGERS = ("Add", "Div", "Mul", "Sub")


class Reader:
    """Goes through the nodes of a graph, and plans layers.

    Attributes
    ----------
    plan : LayerPlan
        The layers so far.
    input_scale : float
        What the input is multiplied by before anything else.
    declared_samples : int or None
        The number of samples that the model insists on.
    budget : Budget
        What is left for numbers that are made of the file's.
    of_all_samples : set of str
        Values that are one row of the numbers of all samples.
    samples_behind : dict of str to tuple of int
        Values whose samples do not come first: the order of the axes of the layer that computes
        them.
    """

    def __init__(
        self, graph: ReadGraph, input_shape: tuple[int, int, int] | None, value: str
    ) -> None:
        self.graph = graph
        self.budget = graph.budget
        self.input_scale = 1.0
        shape = graph.input_shape[1:]
        summaries = (
            (each.operator, each.inputs, each.outputs, each.attributes.get("perm"))
            for each in graph.nodes
        )
        of_rows = len(shape) == 1
        brought = turned(graph.input_name, summaries, of_rows)
        if of_rows and brought and input_shape is not None and input_shape[0] != 1:
            raise ValueError(
                f"input_shape={input_shape!r}: the model takes rows of {shape[0]} numbers, in "
                "which the channels of each pixel come side by side; leave input_shape out, and "
                "give such rows, or images with their channels last."
            )
        self.channels_last = channels_last(shape, input_shape, brought)
        if input_shape is not None:
            n_sizes = 3  # rows of numbers may be images, for a model that reshapes them
            channels = shape[-1] if shape else None
            shape = tuple(sizes_in_order(input_shape, n_sizes, self.channels_last, channels))
        sizes = tuple(int(size) for size in shape if size is not None)
        if not shape or len(sizes) < len(shape):
            raise FileFormatError(
                f"from_onnx: the input {graph.input_name!r} is declared with the shape "
                f"{graph.input_shape}; give input_shape=(channels, height, width)."
            )
        self.input_sizes = sizes
        self.declared_samples = graph.input_shape[0] if graph.input_shape else None
        own = (sizes[-1], *sizes[:-1]) if self.channels_last else sizes
        self.plan = LayerPlan(graph.input_name, own, graph.budget, graph.layers)
        images = self.plan.input
        if self.channels_last:  # meets its opposite, as a rule
            images = transposed(self, f"{graph.input_name}_last", images, (0, 2, 3, 1))
        self.values = {graph.input_name: images}
        self.nodes = _behind(graph, value)
        # Who asks for the shape of a value alone does not need the value.
        everything = list(_with_branches(self.nodes))
        users = (node for node in everything if node.operator != "Shape")
        self._uses = Counter(name for node in users for name in node.inputs)
        self._uses[value] += 1
        self._uses.update(
            name for node in everything for branch in _branches(node) for name in branch.outputs
        )
        self._sources: dict[str, str] = {}
        self._users: dict[str, set[str]] = {value: {"output"}}
        for node in everything:
            passed = [name for branch in _branches(node) for name in branch.outputs]
            for name in (*node.inputs, *passed):
                self._users.setdefault(name, set()).add(node.operator)
        #: Constants that depend on the number of samples, for `_COUNTS` of them.
        self._by_count: dict[str, _ByCount] = {}
        #: Names that branches have given, which others may give too.
        self._of_branches: set[str] = set()
        self.of_all_samples: set[str] = set()
        self.samples_behind: dict[str, tuple[int, ...]] = {}

    def read(self, value: str) -> PlannedLayer:
        """The layer that computes `value`."""
        for node in self.nodes:
            self._read_any(node)
        if value not in self.values:
            raise FileFormatError(
                f"from_onnx: nothing in the model computes {value!r}; its outputs are "
                f"{', '.join(map(repr, self.graph.outputs))}."
            )
        return self.values[value]

    def _read_any(self, node: Node) -> None:
        if node.operator == "Shape" and self._name(node, 0) in self.values:
            self._note_shape(node)
        elif node.operator in FOLDED and self._is_constant(node):
            self._fold(node)
        elif node.operator == "If" and self._name(node, 0) in self.graph.constants:
            self._choose(node)
        elif node.operator not in OPERATORS:
            before = next((name for name in node.inputs if name in self.values), "")
            raise NetworkError(
                f"from_onnx: {node.label} cannot be read; what can be is "
                f"{', '.join(supported_operators())}. Give output={before!r} to read only what "
                "lies in front of it."
            )
        else:
            self._read_node(node)

    def _choose(self, node: Node) -> None:
        """Read the branch of an `If` that its condition, which is known, chooses."""
        condition, constants = self.constant(node, 0), self.graph.constants
        branch = node.attributes.get("then_branch" if condition.all() else "else_branch")
        if condition.size != 1 or branch is None or len(branch.outputs) != len(node.outputs):
            raise FileFormatError(f"from_onnx: {node.label} makes no sense.")
        computed = [name for inner in branch.nodes for name in inner.outputs]
        for name in (*branch.constants, *computed):
            if name in self._of_branches:  # another branch's own: a sound model
                raise unsupported(node, f"a second branch with a value {name!r:.80}")
            if name in constants or name in self.values:
                raise FileFormatError(
                    f"from_onnx: {node.label} computes {name!r:.80}, which there is already."
                )
        self._of_branches.update(branch.constants, computed)
        constants.update(branch.constants)
        for inner in branch.nodes:
            self._read_any(inner)
        for name, chosen in zip(node.outputs, branch.outputs, strict=True):
            self._check_independent(chosen)
            if chosen in constants:
                constants[name] = constants[chosen]
            elif chosen in self.values:
                self.values[name], self._sources[name] = self.values[chosen], chosen
            else:
                raise FileFormatError(
                    f"from_onnx: {node.label} needs {chosen!r:.80}, which nothing computes."
                )

    def _is_constant(self, node: Node) -> bool:
        known = self.graph.constants.keys() | self._by_count.keys()
        return all(name in known for name in node.inputs if name)

    def _note_shape(self, node: Node) -> None:
        """The shape of a layer's result, as a constant."""
        is_input = node.inputs[0] == self.graph.input_name  # whose layer may be reshaped by now
        own = self.input_sizes if is_input else self.values[node.inputs[0]].shape
        sizes = (SAMPLES, *own)
        start, end = node.attributes.get("start", 0), node.attributes.get("end")
        try:
            part = sizes[start:end]
        except TypeError as error:
            raise FileFormatError(
                f"from_onnx: {node.label} has start={start!r:.40} and end={end!r:.40}; they must "
                "be whole numbers, or be left out."
            ) from error
        self.graph.constants[node.outputs[0]] = np.array(part, np.int64)

    def _fold(self, node: Node) -> None:
        constants = self.graph.constants
        names = [name for name in node.inputs if name]
        dependent = [name for name in names if name in self._by_count]
        try:
            if dependent:
                self._fold_by_count(node, names, self._by_count[dependent[0]].error)
                return
            operands = [constants[name] for name in names]
            with np.errstate(all="ignore"):
                constants[node.outputs[0]] = fold(node, operands, self.budget, self.graph.opset)
        except DependsOnSamplesError as error:
            text = f"from_onnx: {node.label} cannot be read; {error}."
            self._fold_by_count(node, names, NetworkError(text))
        except (LookupError, OverflowError, TypeError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"from_onnx: {node.label} makes no sense: {error}") from error

    def _fold_by_count(self, node: Node, names: Sequence[str], error: NetworkError) -> None:
        """Compute for some numbers of samples what depends on it; others get `error`.

        Each is as if the model had said the number.
        """
        values = []
        for position, count in enumerate(_COUNTS):
            operands = [
                self._by_count[name].values[position]
                if name in self._by_count
                else with_samples(self.graph.constants[name], count)
                for name in names
            ]
            try:
                with np.errstate(all="ignore"):
                    values.append(fold(node, operands, self.budget, self.graph.opset))
            except FileFormatError:
                raise
            except (LookupError, OverflowError, TypeError, ValueError) as other:
                raise error from other
        self._by_count[node.outputs[0]] = _ByCount(tuple(values), error)

    def _read_node(self, node: Node) -> None:
        if self.graph.opset < 7 and "axis" in node.attributes and "broadcast" in node.attributes:
            raise unsupported(node, "broadcasting from an axis")
        try:
            # Numbers that overflow are not finite, and are refused for that.
            with np.errstate(all="ignore"):
                planned = OPERATORS[node.operator](self, node)
        except (FileFormatError, NetworkError) as error:
            if node.label in str(error):
                raise
            text = str(error).removeprefix("from_onnx: ")
            raise type(error)(f"from_onnx: {node.label}: {text}") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An attribute of a strange type, an operand of a strange shape.
            raise FileFormatError(
                f"from_onnx: {node.label} makes no sense: {error!r:.300}"
            ) from error
        # A layer may compute several values: nodes like Identity do nothing, others join it.
        source, _ = seen_through(planned)
        same = next((name for name in node.inputs if self._computes(name, source)), None)
        if same is not None:
            self._sources[node.outputs[0]] = same
        self.values[node.outputs[0]] = planned

    # What operators ask for.

    def layer(self, node: Node, position: int) -> PlannedLayer:
        """The layer that computes an input of `node`."""
        name = self._name(node, position)
        self._check_independent(name)
        if name in self.graph.constants:
            raise NetworkError(
                f"from_onnx: {node.label} cannot be read; its input {name!r} is a constant, and "
                "only what is computed of images can be read there."
            )
        if name not in self.values:
            raise FileFormatError(
                f"from_onnx: {node.label} needs {name!r}, which no node before it computes."
            )
        return self.values[name]

    def layers(self, node: Node) -> list[PlannedLayer]:
        """The layers that compute all inputs of `node`, of which there is at least one."""
        return [self.layer(node, position) for position in range(max(1, len(node.inputs)))]

    def constant(self, node: Node, position: int) -> np.ndarray:
        """An input of `node` that the file itself holds."""
        name = self._name(node, position)
        self._check_independent(name)
        if name not in self.graph.constants:
            raise NetworkError(
                f"from_onnx: {node.label}: its input {name!r} is computed by the model, and only a "
                "constant can be read."
            )
        return self.graph.constants[name]

    def _check_independent(self, name: str) -> None:
        if name in self._by_count:
            raise self._by_count[name].error

    def for_counts(self, node: Node, position: int) -> list[tuple[int, np.ndarray]]:
        """A constant that may depend on the number of samples, for some numbers of them."""
        name = self._name(node, position)
        if name in self._by_count:
            return list(zip(_COUNTS, self._by_count[name].values, strict=True))
        constant = self.constant(node, position)
        return [(self.declared_samples or 1, constant)]

    def used_only_by(self, value: str, operators: Sequence[str]) -> bool:
        """Whether no other operators use a value."""
        return self._users.get(value, set()) <= set(operators)

    def optional_constant(self, node: Node, position: int) -> np.ndarray | None:
        """The same, where the input may be left out."""
        if len(node.inputs) <= position or not node.inputs[position]:
            return None
        return self.constant(node, position)

    def constant_or_none(self, node: Node, position: int) -> np.ndarray | None:
        """An input of `node`, if it is a constant."""
        name = self._name(node, position)
        self._check_independent(name)
        return self.graph.constants.get(name)

    def layer_and_constant(self, node: Node) -> tuple[PlannedLayer, np.ndarray, bool] | None:
        """The layer, the constant, and whether the constant comes first; None without one."""
        first, second = (self._name(node, position) for position in (0, 1))
        for name in (first, second):
            dtype = getattr(self.graph.constants.get(name), "dtype", np.dtype(np.float32))
            if dtype.kind in "iu" and node.operator in _OF_INTEGERS:
                raise unsupported(node, f"a computation with integers of {dtype}")
        if second in self.graph.constants:
            return self.layer(node, 0), self.graph.constants[second], False
        if first in self.graph.constants:
            return self.layer(node, 1), self.graph.constants[first], True
        return None

    def constants_of(self, node: Node) -> list[str]:
        """The inputs of `node` that are constants."""
        return [name for name in node.inputs if name in self.graph.constants]

    def may_join(self, planned: PlannedLayer, node: Node, n_uses: int = 1) -> bool:
        """Whether `node` can become part of the layer in front: a sum that nothing else uses.

        With the nodes in front of it that do the same, it may use it `n_uses` times.
        """
        from lasagne import nonlinearities

        if planned.params.get("nonlinearity") is not nonlinearities.identity:
            return False
        return self.is_used_once(planned, node, n_uses)

    def is_used_once(self, planned: PlannedLayer, node: Node, n_uses: int = 1) -> bool:
        """Whether nothing but `node`, and `node` once, uses what a layer computes."""
        # A transposition between the two moves behind `node`.
        names = [name for name in node.inputs if self._computes(name, planned)]
        if len(names) != 1 or self._uses[names[0]] != n_uses:
            return False
        if n_uses > 1 and any(
            self._uses[other] for other, source in self._sources.items() if source == names[0]
        ):
            return False  # one of the uses passes it on under another name
        name = self._sources.get(names[0])
        while name is not None:
            if self._uses[name] != 1:
                return False
            name = self._sources.get(name)
        return True

    def note_same(self, value: str, planned: PlannedLayer) -> None:
        """Say that a value is what a layer computes, though nodes in between are left out."""
        names = [name for name in self.values if self._computes(name, planned)]
        if names:
            self._sources[value] = max(names, key=self._uses.__getitem__)

    def _computes(self, name: str, planned: PlannedLayer) -> bool:
        """Whether a value is what a layer computes, with its axes in any order."""
        value = self.values.get(name)
        return value is not None and (value is planned or seen_through(value)[0] is planned)

    def _name(self, node: Node, position: int) -> str:
        if len(node.inputs) <= position or not node.inputs[position]:
            raise FileFormatError(f"from_onnx: {node.label} lacks its input {position}.")
        return node.inputs[position]


#: What float32 holds in full.
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def _extractor(
    reader: Reader, last: PlannedLayer, feature_layer: Any, engine: str
) -> PretrainedExtractor:
    plan = reader.plan
    plan.keep(last)
    if len(plan.input.shape) != 3:
        raise FileFormatError(
            f"from_onnx: the model takes inputs of shape {(None, *plan.input.shape)}, not images."
        )
    channels, height, width = plan.input.shape
    if not _SMALLEST <= reader.input_scale <= _LARGEST:
        raise FileFormatError(
            f"from_onnx: the input is multiplied by {reader.input_scale}, which is no scale."
        )
    features = last.name if feature_layer is None else feature_layer
    weights = {
        f"{planned.name}.{name}": value
        for planned in plan.layers
        for name, value in planned.weights.items()
        if value is not None
    }
    extractor = pretrained_extractor(
        plan.specs(), (channels, height, width), reader.input_scale, features, engine, weights
    )
    extractor.data_format = data_format((channels, height, width), reader.channels_last)
    return extractor


def pretrained_extractor(
    specs: Sequence[LayerSpec],
    input_shape: tuple[int, int, int],
    input_scale: float,
    feature_layer: str | Sequence[str],
    engine: str,
    weights: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> PretrainedExtractor:
    """An extractor that counts as fitted; weights by ``<layer>.<parameter>``, others are drawn."""
    model = Model(list(specs), input_shape, None, "numbers", input_scale, engine)
    model.build(weights)
    n_outputs = math.prod(model.network.output.output_shape[1:])
    targets = Targets("numbers", None, n_outputs, one_dimensional=False)
    return with_network(model, feature_layer, targets)
