"""Programs with a process of their own, which need nothing of the package but its kernels."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import convnet_features

# The package itself takes seconds to import: most of them are scikit-learn's.
KERNELS_ONLY = f"""
import sys, types
package = sys.modules["convnet_features"] = types.ModuleType("convnet_features")
package.__path__ = {list(convnet_features.__path__)!r}
package.__file__ = {convnet_features.__file__!r}
"""


def run_kernels(code, *arguments, environment=os.environ):
    """What `subprocess.run` gives for a program in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", KERNELS_ONLY + textwrap.dedent(code), *arguments],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
