"""Lasagne's recurrent layers, as they are in later Lasagne.

They may give the last step alone, and begin with states that other layers give.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import theano
from lasagne import init, nonlinearities
from lasagne.layers import InputLayer, Layer
from theano import tensor

from ..theano_facade.lasagne_modules import original
from .dense import DenseLayer

__all__ = ["CustomRecurrentLayer", "GRULayer", "LSTMLayer", "RecurrentLayer"]

_HOME = "lasagne.layers.recurrent"
_Custom: Any = original(_HOME, "CustomRecurrentLayer")
_Recurrent: Any = original(_HOME, "RecurrentLayer")
_LSTM: Any = original(_HOME, "LSTMLayer")
_GRU: Any = original(_HOME, "GRULayer")


class _Sequence:
    """What a recurrent layer of Lasagne's begins with, and gives: every step, or the last."""

    #: The class of Lasagne's that computes the states.
    of_lasagne: Any
    # Layers of Lasagne 0.1 that were pickled know nothing of these.
    only_return_final = False
    #: The states at the beginning that other layers give: the last inputs.
    initial_states: tuple[str, ...] = ()

    def get_output_shape_for(self, input_shapes: Sequence[Any]) -> tuple[Any, ...]:
        """(n_samples, n_steps, ...) of `input_shapes`; without the steps if `only_return_final`."""
        shape: tuple[Any, ...] = super().get_output_shape_for(input_shapes)  # type: ignore[misc]
        return (shape[0], *shape[2:]) if self.only_return_final else shape

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The hidden states for the symbolic `inputs`, of shape `output_shape`."""
        n_own = len(inputs) - len(self.initial_states)
        # Lasagne 0.1 would repeat a shared variable for every sample: copies are none.
        states = [tensor.as_tensor_variable(each).copy() for each in inputs[n_own:]]
        begun = self._with(dict(zip(self.initial_states, states, strict=True)))
        every = self.of_lasagne.get_output_for(begun, list(inputs[:n_own]), **kwargs)
        if not self.only_return_final:
            return every
        # Backwards, the last step is that of the first entry.
        return every[:, 0 if self.backwards else -1]  # type: ignore[attr-defined]

    def _with(self, attributes: dict[str, Any]) -> Any:
        """This layer with other `attributes`."""
        layer = copy.copy(self)
        vars(layer).update(attributes)
        return layer


def _later_init(of_lasagne: Any) -> Callable[..., None]:
    """The ``__init__`` of a class of Lasagne's, with what later Lasagne's takes.

    That is `only_return_final` as the last argument, and layers for `hid_init` and `cell_init`.
    """
    signature = inspect.signature(of_lasagne.__init__)

    def __init__(self: Any, *args: Any, only_return_final: bool = False, **kwargs: Any) -> None:  # noqa: N807
        self.only_return_final = bool(only_return_final)
        given = signature.bind(self, *args, **kwargs)
        layers = {
            name: given.arguments[name]
            for name in ("hid_init", "cell_init")
            if isinstance(given.arguments.get(name), Layer)
        }
        for name, layer in layers.items():
            # Lasagne 0.1 takes a variable; `get_output_for` puts the layer's output there.
            n_axes = len(layer.output_shape)
            given.arguments[name] = tensor.TensorType(theano.config.floatX, [False] * n_axes)(name)
        of_lasagne.__init__(*given.args, **given.kwargs)
        self.initial_states = tuple(layers)
        for name, layer in layers.items():
            setattr(self, name, layer)
            self.input_layers.append(layer)
            self.input_shapes.append(layer.output_shape)
        # Later Lasagne's "do not clip" is 0, at which Lasagne 0.1 would clip everything away.
        self.grad_clipping = self.grad_clipping or False

    *named, rest = signature.parameters.values()
    final = inspect.Parameter(
        "only_return_final", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False
    )
    __init__.__signature__ = signature.replace(parameters=[*named, final, rest])  # type: ignore[attr-defined]
    return __init__


class CustomRecurrentLayer(_Sequence, _Custom):
    """Lasagne's ``CustomRecurrentLayer``, which may give the last step alone.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_steps, ...).
    input_to_hidden, hidden_to_hidden : Layer
        From a step's input, and from the state before, to the state.
    nonlinearity, hid_init, backwards, learn_init, gradient_steps, grad_clipping, unroll_scan
        As Lasagne's class takes them. `hid_init` may be a layer of shape (n_samples, ...), too,
        and `grad_clipping` of 0 does not clip.
    precompute_input, mask_input
        As Lasagne's class takes them.
    only_return_final : bool, default=False
        Give the state after the last step, of shape (n_samples, ...), and not all of them.
    **kwargs
        Further arguments of Lasagne's class.

    Examples
    --------
    >>> from lasagne.layers import InputLayer
    >>> from convnet_features.layers import CustomRecurrentLayer, DenseLayer
    >>> steps = InputLayer((None, 20, 8))
    >>> to_state = DenseLayer(InputLayer((None, 8)), 5, nonlinearity=None)
    >>> onwards = DenseLayer(InputLayer((None, 5)), 5, nonlinearity=None)
    >>> CustomRecurrentLayer(steps, to_state, onwards, only_return_final=True).output_shape
    (None, 5)
    """

    of_lasagne = _Custom
    __init__ = _later_init(_Custom)


class RecurrentLayer(CustomRecurrentLayer, _Recurrent):
    """Lasagne's ``RecurrentLayer``, which may give the last step alone.

    Parameters
    ----------
    incoming : Layer
        What it stands on, of shape (n_samples, n_steps, ...).
    num_units : int
        Numbers of the state.
    W_in_to_hid, W_hid_to_hid, b
        As Lasagne's class takes them.
    nonlinearity, hid_init, backwards, learn_init, gradient_steps, grad_clipping, unroll_scan
        As Lasagne's class takes them. `hid_init` may be a layer of shape (n_samples, ...), too,
        and `grad_clipping` of 0 does not clip.
    precompute_input, mask_input
        As Lasagne's class takes them.
    only_return_final : bool, default=False
        Give the state after the last step, of shape (n_samples, num_units), and not all of them.
    **kwargs
        Further arguments of Lasagne's class.

    Examples
    --------
    >>> from lasagne.layers import InputLayer
    >>> from convnet_features.layers import RecurrentLayer
    >>> RecurrentLayer(InputLayer((None, 20, 8)), 5, only_return_final=True).output_shape
    (None, 5)
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W_in_to_hid: Any = init.Uniform(),  # noqa: B008  (as Lasagne writes defaults)
        W_hid_to_hid: Any = init.Uniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        hid_init: Any = init.Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: Any = False,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        sizes = getattr(incoming, "output_shape", incoming)[2:]
        options = {"nonlinearity": None, **kwargs}
        to_state = DenseLayer(InputLayer((None, *sizes)), num_units, W=W_in_to_hid, b=b, **options)
        onwards = DenseLayer(
            InputLayer((None, num_units)), num_units, W=W_hid_to_hid, b=None, **options
        )
        self.W_in_to_hid, self.W_hid_to_hid, self.b = to_state.W, onwards.W, to_state.b
        CustomRecurrentLayer.__init__(
            self,
            incoming,
            to_state,
            onwards,
            nonlinearity=nonlinearity,
            hid_init=hid_init,
            backwards=backwards,
            learn_init=learn_init,
            gradient_steps=gradient_steps,
            grad_clipping=grad_clipping,
            unroll_scan=unroll_scan,
            precompute_input=precompute_input,
            mask_input=mask_input,
            only_return_final=only_return_final,
            **kwargs,
        )


class _Deferred:
    """A gate's nonlinearity that waits until the peephole has been added."""

    def __init__(self, nonlinearity: Callable[[Any], Any], gate: Any = None) -> None:
        self.nonlinearity = nonlinearity
        self.gate = gate

    def __call__(self, gate: Any) -> _Deferred:
        return _Deferred(self.nonlinearity, gate)

    def __add__(self, peephole: Any) -> Any:
        return self.nonlinearity(self.gate + peephole)


class LSTMLayer(_Sequence, _LSTM):
    """Lasagne's ``LSTMLayer``, which may give the last step alone.

    The output gate is o = σ(x W_xo + h W_ho + w_co · c + b_o), as Lasagne's documentation has it.
    Lasagne 0.1 computes σ(x W_xo + h W_ho + b_o) + w_co · c, which is no gate between 0 and 1;
    later Lasagne mended it (issue 448).

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_steps, ...).
    num_units : int
        Numbers of the state.
    ingate, forgetgate, cell, outgate, cell_init, peepholes
        As Lasagne's class takes them; `cell_init` may be a layer as well.
    nonlinearity, hid_init, backwards, learn_init, gradient_steps, grad_clipping, unroll_scan
        As Lasagne's class takes them. `hid_init` may be a layer of shape (n_samples, ...), too,
        and `grad_clipping` of 0 does not clip.
    precompute_input, mask_input
        As Lasagne's class takes them.
    only_return_final : bool, default=False
        Give the state after the last step, of shape (n_samples, num_units), and not all of them.
    **kwargs
        Further arguments of Lasagne's class.

    Examples
    --------
    >>> from convnet_features.layers import LSTMLayer
    >>> LSTMLayer((None, 20, 8), 5, only_return_final=True).output_shape
    (None, 5)
    """

    of_lasagne = _LSTM
    __init__ = _later_init(_LSTM)

    def _with(self, attributes: dict[str, Any]) -> Any:
        """This layer, whose output gate waits for the peephole before it is squashed."""
        if self.peepholes:
            attributes["nonlinearity_outgate"] = _Deferred(self.nonlinearity_outgate)
        return super()._with(attributes)


class GRULayer(_Sequence, _GRU):
    """Lasagne's ``GRULayer``, which may give the last step alone.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_steps, ...).
    num_units : int
        Numbers of the state.
    resetgate, updategate, hidden_update
        As Lasagne's class takes them.
    nonlinearity, hid_init, backwards, learn_init, gradient_steps, grad_clipping, unroll_scan
        As Lasagne's class takes them. `hid_init` may be a layer of shape (n_samples, ...), too,
        and `grad_clipping` of 0 does not clip.
    precompute_input, mask_input
        As Lasagne's class takes them.
    only_return_final : bool, default=False
        Give the state after the last step, of shape (n_samples, num_units), and not all of them.
    **kwargs
        Further arguments of Lasagne's class.

    Examples
    --------
    >>> from convnet_features.layers import GRULayer
    >>> GRULayer((None, 20, 8), 5, only_return_final=True).output_shape
    (None, 5)
    """

    of_lasagne = _GRU
    __init__ = _later_init(_GRU)
