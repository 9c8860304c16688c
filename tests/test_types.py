"""What type checkers see of the package; mypy reads the same program in .ci/run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("typed_program.py")
pytestmark = [pytest.mark.slow, pytest.mark.any_machine]


@pytest.mark.skipif(not shutil.which("pyright"), reason="there is no pyright")
def test_pyright(tmp_path):
    settings = {
        "include": [str(PROGRAM)],
        "extraPaths": [str(PROGRAM.parents[1])],
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings))
    command = ["pyright", "--project", str(config), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout
