"""``import theano``, or ``import lasagne``, in front of ``import convnet_features``.

Python finds this module where nothing has installed the facade yet. It installs the facade, which
takes its place. A folder ``theano`` beside it, as the real Theano has, comes first.
"""

import importlib
import sys

# Whoever imports this gets what is in its place at the end.
del sys.modules[__name__]

if "convnet_features" in sys.modules:
    # The facade has been uninstalled.
    raise ModuleNotFoundError(f"No module named {__name__!r}", name=__name__)

import convnet_features.theano_facade  # noqa: E402

importlib.import_module(__name__)
convnet_features.theano_facade.import_lasagne_again()
