"""The ``theano`` of Lasagne and other code of 2015: PyTensor, and what PyTensor dropped.

`install` makes ``import theano`` and ``import lasagne`` work; importing
`convnet_features` calls it. Imports are lazy: PyTensor is loaded when
the first name is taken from a facade module.
"""

from __future__ import annotations

from .config import config
from .finder import install, uninstall
from .lasagne_import import import_lasagne_again
from .scope import theano_scope

__all__ = ["config", "import_lasagne_again", "install", "theano_scope", "uninstall"]
