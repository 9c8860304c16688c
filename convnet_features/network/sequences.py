"""Which networks read sequences, as their layers tell."""

from __future__ import annotations

from collections.abc import Sequence

from .spec import LayerSpec

__all__ = ["is_input", "reads_sequences"]


def is_input(spec: LayerSpec) -> bool:
    """Whether a spec is of an input layer."""
    from lasagne.layers import InputLayer

    return issubclass(spec.layer_class, InputLayer)


def reads_sequences(specs: Sequence[LayerSpec]) -> bool:
    """Whether the first layer takes steps or words along X's second axis, and no images.

    Parameters
    ----------
    specs : sequence of LayerSpec

    Returns
    -------
    bool
        True for recurrent layers, embeddings and convolutions along one axis.
    """
    from lasagne.layers import (
        Conv1DLayer,
        CustomRecurrentLayer,
        EmbeddingLayer,
        GRULayer,
        LSTMLayer,
    )

    kinds = (Conv1DLayer, CustomRecurrentLayer, EmbeddingLayer, GRULayer, LSTMLayer)
    first = next((spec for spec in specs if not is_input(spec)), None)
    return first is not None and issubclass(first.layer_class, kinds)
