"""What a process has loaded once it has imported the package, and nothing else."""

from __future__ import annotations

import functools
import subprocess
import sys

PROGRAM = """
import sys
import {names}
print(*sys.modules)
try:
    print(open("/proc/self/maps").read())
except FileNotFoundError:
    pass
"""


# One process for all who ask: it takes seconds.
@functools.cache
def after_importing(names="convnet_features, convnet_features.kernels.onednn"):
    """The names of the modules, and the libraries as /proc/self/maps has them, if there is any."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(names=names)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules, _, maps = done.stdout.strip().partition("\n")
    return set(modules.split()), maps
