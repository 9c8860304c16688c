"""The graph of a network's layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .drawing import Display, one_axes
from .fitted_network import find_fitted_network, is_layer

__all__ = ["ArchitectureDisplay", "LayerBox"]

#: Sizes in inches, of a box with two lines of text and of the space around it.
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 2.7, 0.46, 2.9, 0.72

_COLOURS = {
    "Input": "#d9d9d9",
    "Conv": "#9ecae1",
    "Pool": "#c7e9c0",
    "Dense": "#fdd0a2",
    "Dropout": "#f2f0f7",
    "Noise": "#f2f0f7",
    "Norm": "#dadaeb",
}
_OTHER_COLOUR = "#fee391"


@dataclass(frozen=True)
class LayerBox:
    """A layer in a drawing of the graph.

    Attributes
    ----------
    name : str
        The layer's.
    kind : str
        Its class, without "Layer".
    shape : tuple of int
        Of its output for one sample.
    n_params : int
        How many numbers it learns.
    incoming : tuple of int
        The positions of the layers it stands on.
    arguments : str
        What its class was given, as far as layers keep it: "num_filters=32, ...".
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    n_params: int
    incoming: tuple[int, ...]
    arguments: str = ""

    @property
    def text(self) -> str:
        """Two lines: the name and class; the output's shape and the parameters."""
        return self.lines(output_shape=True, verbose=False)

    def lines(self, output_shape: bool, verbose: bool) -> str:
        """The name and class; the shape and the parameters; the arguments."""
        size = "×".join("?" if size is None else str(size) for size in self.shape)
        params = f"{self.n_params:,} parameters" if self.n_params else ""
        facts = ", ".join(fact for fact in (size if output_shape else "", params) if fact)
        each = [f"{self.name}: {self.kind}", facts, self.arguments if verbose else ""]
        return "\n".join(line for line in each if line)


class ArchitectureDisplay(Display):
    """The layers of a network from top to bottom, branches side by side.

    Parameters
    ----------
    boxes : sequence of LayerBox
        Every layer, each behind those it stands on.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : matplotlib.axes.Axes
        The axes of the last drawing.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import ArchitectureDisplay
    >>> X, y = load_digits_images()
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> display = ArchitectureDisplay.from_estimator(extractor)
    >>> print(display.boxes[1].text)
    conv2d1: Conv2D
    32×8×8, 320 parameters
    """

    def __init__(self, boxes: Sequence[LayerBox]) -> None:
        self.boxes = list(boxes)

    def _summary(self) -> str:
        return f"{len(self.boxes)} layers"

    @classmethod
    def from_estimator(cls, estimator: Any) -> ArchitectureDisplay:
        """Read the graph of a network.

        Parameters
        ----------
        estimator : estimator, Pipeline, Lasagne layer, or sequence of layers
            A fitted network, a Pipeline or search with one in it, an initialised
            `NeuralNet`, or output layers.

        Returns
        -------
        ArchitectureDisplay
            Not yet drawn.
        """
        if not (is_layer(estimator) or isinstance(estimator, list | tuple)):
            # A NeuralNet has layers before it is fitted.
            layers = getattr(estimator, "layers_", None)
            if layers is None:
                layers = find_fitted_network(estimator).net.layers_
            estimator = list(layers.values())
        return cls(_boxes(estimator))

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] | None = None,
        output_shape: bool = True,
        verbose: bool = False,
        **text_params: Any,
    ) -> ArchitectureDisplay:
        """Draw the graph.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure of fitting size by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        output_shape : bool, default=True
            Whether boxes tell the shapes of outputs.
        verbose : bool, default=False
            Whether boxes tell the layers' arguments, in a third line of small print.
        **text_params
            For :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        self
        """
        places, routes = _arranged([box.incoming for box in self.boxes])
        across, depth = np.ptp(places[:, 0]), places[:, 1].max()
        fitting = (BOX_WIDTH + 0.5 + COLUMN * across, BOX_HEIGHT + 0.3 + ROW * depth)
        self.figure_, self.axes_ = one_axes(ax, figsize or fitting)
        centres = places * (COLUMN, -ROW)
        for route in routes:
            self._draw_arrow(np.asarray(route) * (COLUMN, -ROW))
        for box, centre in zip(self.boxes, centres, strict=True):
            self._draw_box(box.lines(output_shape, verbose), box.kind, centre, text_params)
        self.axes_.set_axis_off()
        self.axes_.set_aspect("equal")
        self.axes_.autoscale_view()
        return self

    def _draw_box(
        self, text: str, kind: str, centre: np.ndarray, text_params: dict[str, Any]
    ) -> None:
        from matplotlib.patches import FancyBboxPatch

        patch = FancyBboxPatch(
            (centre[0] - BOX_WIDTH / 2, centre[1] - BOX_HEIGHT / 2),
            BOX_WIDTH,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_colour(kind),
            edgecolor="#555555",
            linewidth=0.8,
        )
        self.axes_.add_patch(patch)
        size = 8 if text.count("\n") < 2 else 6
        options = {"ha": "center", "va": "center", "fontsize": size, "color": "black"}
        self.axes_.text(*centre, text, **options | text_params)

    def _draw_arrow(self, points: np.ndarray) -> None:
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path

        points = points.copy()
        points[0, 1] -= BOX_HEIGHT / 2
        points[-1, 1] += BOX_HEIGHT / 2
        codes = [Path.MOVETO] + [Path.LINETO] * (len(points) - 1)
        arrow = FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-|>",
            mutation_scale=9,
            color="#777777",
            linewidth=1,
        )
        self.axes_.add_patch(arrow)


def _boxes(layers: Any) -> list[LayerBox]:
    from lasagne.layers import get_all_layers

    ordered = get_all_layers(layers)
    positions = {id(layer): position for position, layer in enumerate(ordered)}
    return [_box(layer, position, positions) for position, layer in enumerate(ordered)]


def _box(layer: Any, position: int, positions: dict[int, int]) -> LayerBox:
    below = getattr(layer, "input_layers", None) or [getattr(layer, "input_layer", None)]
    sizes = [param.get_value(borrow=True).size for param in layer.get_params(trainable=True)]
    return LayerBox(
        name=layer.name or f"layer {position}",
        kind=type(layer).__name__.removesuffix("Layer"),
        shape=tuple(layer.output_shape[1:]),
        n_params=int(sum(sizes)),
        incoming=tuple(positions[id(each)] for each in below if each is not None),
        arguments=_arguments(layer),
    )


def _arguments(layer: Any) -> str:
    """What nolearn told of a layer: its sizes, its share of dropout, its nonlinearity."""
    told = ("num_filters", "num_units", "filter_size", "pool_size", "stride", "p", "nonlinearity")
    held = {name: getattr(layer, name) for name in told if hasattr(layer, name)}
    if "nonlinearity" in held:
        function = held["nonlinearity"]
        held["nonlinearity"] = getattr(function, "__name__", type(function).__name__)
    return ", ".join(f"{name}={value}" for name, value in held.items())


def _colour(kind: str) -> str:
    return next((colour for part, colour in _COLOURS.items() if part in kind), _OTHER_COLOUR)


Route = list[tuple[float, float]]


def _arranged(incoming: Sequence[Sequence[int]]) -> tuple[np.ndarray, list[Route]]:
    """Places of the nodes of a graph, and the ways of its edges around them.

    A node lies a row below the lowest it stands on. An edge over several rows
    holds a place of its own in each of them, as if there were a node; nodes
    of a row are ordered by the mean place of what they stand on.

    Parameters
    ----------
    incoming : sequence of sequence of int
        For each node, the nodes before it; earlier positions only.

    Returns
    -------
    places : ndarray of shape (n_nodes, 2)
        (column, row), columns centred around 0.
    routes : list of list of (column, row)
        One for each edge.
    """
    rows: list[int] = []
    for before in incoming:
        rows.append(max((rows[node] + 1 for node in before), default=0))
    chains = [
        _chain(node, target, rows) for target, before in enumerate(incoming) for node in before
    ]
    columns = _columns(chains, rows)
    places = np.array([(columns[(row, node)], row) for node, row in enumerate(rows)], dtype=float)
    routes: list[Route] = [[(columns[place], place[0]) for place in chain] for chain in chains]
    return places, routes


#: A row and who stands in it: a node, or the (source, target) of an edge that passes.
_Place = tuple[int, Any]


def _chain(source: int, target: int, rows: Sequence[int]) -> list[_Place]:
    """The places that an edge goes through, its ends included."""
    passing: list[_Place] = [
        (row, (source, target)) for row in range(rows[source] + 1, rows[target])
    ]
    return [(rows[source], source), *passing, (rows[target], target)]


def _columns(chains: Sequence[list[_Place]], rows: Sequence[int]) -> dict[_Place, float]:
    """The column of every place, row by row from the top."""
    above: dict[_Place, list[_Place]] = {(row, node): [] for node, row in enumerate(rows)}
    for chain in chains:
        for before, after in itertools.pairwise(chain):
            above.setdefault(after, []).append(before)
    columns: dict[_Place, float] = {}
    for row in range(max(rows) + 1):
        wanted = {
            place: float(np.mean([columns[each] for each in before])) if before else 0.0
            for place, before in above.items()
            if place[0] == row
        }
        # Nodes come before passing edges where both want one place: the main way stays straight.
        ordered = sorted(wanted, key=lambda place: (wanted[place], not isinstance(place[1], int)))
        middle = np.mean([wanted[place] for place in ordered]) if len(ordered) > 1 else None
        for index, place in enumerate(ordered):
            if middle is None:
                columns[place] = wanted[place]
            else:
                columns[place] = float(middle) + index - (len(ordered) - 1) / 2
    return columns
