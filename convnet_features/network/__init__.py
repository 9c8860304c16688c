"""Declaring and building networks of Lasagne layers."""

from .build import Network, build_network
from .presets import seed_network
from .spec import LayerSpec, parse_layers, with_parameters

__all__ = [
    "LayerSpec",
    "Network",
    "build_network",
    "parse_layers",
    "seed_network",
    "with_parameters",
]
