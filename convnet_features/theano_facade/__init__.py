"""What Lasagne, and any code of 2015, sees as ``theano``: PyTensor, and what PyTensor dropped.

`install` makes ``import theano`` and ``import lasagne`` work; importing
`convnet_features` calls it. Nothing is imported before it is used: PyTensor is
loaded by the first name that is taken from a facade module.
"""

from __future__ import annotations

from .config import config
from .finder import install, uninstall
from .scope import theano_scope

__all__ = ["config", "install", "theano_scope", "uninstall"]
