"""Layer lists that are written one layer after the other, as PyTorch's modules name them."""

from __future__ import annotations

from typing import Any

from ..first_use import import_for_networks
from ..spec import LayerSpec

__all__ = ["Chain"]


class Chain:
    """A network's layers so far; each stands on the one before it unless it says otherwise.

    Layers are called as PyTorch's state dicts call them, with underscores for points, so that
    their parameters are found in one: ``layer1.0.conv1`` is ``layer1_0_conv1``.

    Parameters
    ----------
    epsilon : float, default=1e-5
        What normalisations add to a variance.

    Attributes
    ----------
    specs : list of LayerSpec
    """

    def __init__(self, epsilon: float = 1e-5) -> None:
        import_for_networks()
        from lasagne.layers import InputLayer

        self.epsilon = epsilon
        self.specs = [LayerSpec("input", InputLayer)]

    @property
    def last(self) -> str:
        """The name of the last layer."""
        return self.specs[-1].name

    def add(self, name: str, layer_class: type, **params: Any) -> None:
        """Append a layer."""
        self.specs.append(LayerSpec(name, layer_class, params))

    def convolve(
        self,
        name: str,
        n_filters: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        *,
        biased: bool = False,
        **params: Any,
    ) -> None:
        """A convolution without a nonlinearity, which keeps the size at stride 1."""
        from lasagne.init import Constant, HeNormal
        from lasagne.nonlinearities import identity

        from ...layers import Conv2DLayer

        given = {"pad": size // 2, **params}
        if stride != 1:
            given["stride"] = stride
        if groups != 1:
            given["num_groups"] = groups
        self.add(
            name,
            Conv2DLayer,
            num_filters=n_filters,
            filter_size=size,
            W=HeNormal(gain="relu"),
            b=Constant(0) if biased else None,
            nonlinearity=identity,
            flip_filters=False,
            **given,
        )

    def normalise(self, name: str) -> None:
        """Batch normalisation."""
        from ...layers import BatchNormLayer

        self.add(name, BatchNormLayer, epsilon=self.epsilon)

    def apply(self, name: str, nonlinearity: Any) -> None:
        """A nonlinearity."""
        from lasagne.layers import NonlinearityLayer

        self.add(name, NonlinearityLayer, nonlinearity=nonlinearity)

    def rectify(self, name: str) -> None:
        """max(x, 0)."""
        from lasagne.nonlinearities import rectify

        self.apply(name, rectify)

    def sum(self, name: str, *incomings: str) -> None:
        """The sum of layers."""
        from lasagne.layers import ElemwiseSumLayer

        self.add(name, ElemwiseSumLayer, incomings=list(incomings))

    def average(self, name: str) -> None:
        """The mean of each map."""
        from lasagne.layers import GlobalPoolLayer

        self.add(name, GlobalPoolLayer)

    def drop(self, name: str, share: float) -> None:
        """Dropout."""
        from lasagne.layers import DropoutLayer

        self.add(name, DropoutLayer, p=share)

    def predict(self, name: str) -> list[LayerSpec]:
        """The output layer, whose number of units and nonlinearity y decides; all layers."""
        from lasagne.layers import DenseLayer

        self.add(name, DenseLayer)
        return self.specs
