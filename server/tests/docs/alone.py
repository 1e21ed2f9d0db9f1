"""The SDKs as their users have them: a wheel in a venv of its own, a packed module in an empty folder."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_PYTHON = ROOT / ".venv-sdk/bin/python"


def run_python(program: str, folder: Path, told: dict[str, str]) -> str:
    """What it prints. Skips where the wheel is not installed."""
    if not _PYTHON.exists():
        pytest.skip("the Python SDK's wheel is not installed; `make test` installs it")
    (folder / "program.py").write_text(program)
    return _printed([str(_PYTHON), "-I", "program.py"], folder, told)


def run_node(program: str, folder: Path, told: dict[str, str]) -> str:
    """What it prints. Skips where there is no Node."""
    if shutil.which("npm") is None:
        pytest.skip("there is no Node here")
    packed = sorted((ROOT / "sdk/node").glob("reevit-node-*.tgz"))
    assert packed, "the Node SDK is not packed; `make test` packs it"
    flags = ["--offline", "--no-audit", "--no-fund", "--loglevel=error"]
    _printed(["npm", "install", *flags, str(packed[-1])], folder, told)
    (folder / "program.mjs").write_text(program)
    return _printed(["node", "program.mjs"], folder, told)


def _printed(command: list[str], folder: Path, told: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=told, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
