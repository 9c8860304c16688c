"""What the tests share."""

from __future__ import annotations

import convnet_features  # noqa: F401  (makes Lasagne importable)
