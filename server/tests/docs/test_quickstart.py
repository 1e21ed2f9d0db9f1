"""The quickstart's programs, Python and JavaScript, as a reader copies them: whole, from the packed SDKs, alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import blocks, missing_lines
from tests.running import environment

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/quickstart.md"
PYTHON = ROOT / ".venv-sdk/bin/python"
PACKED = sorted((ROOT / "sdk/node").glob("reevit-node-*.tgz"))


def program(language: str) -> tuple[str, str]:
    """The blocks of one language, top to bottom, and what the page says that they print."""
    found = blocks(PAGE.read_text(encoding="utf-8"))
    pairs = list(zip(found, found[1:], strict=False))
    text = "\n\n".join(block.text for block in found if block.language == language)
    shown = [
        after.text for block, after in pairs if block.language == language and after.language == "text"
    ]
    return text + "\n", "\n".join(shown)


@pytest.fixture
def told(server: str, organization: dict[str, str]) -> dict[str, str]:
    """What the page tells its reader to set."""
    return environment(REEVIT_API_KEY=organization["test_key"], REEVIT_BASE_URL=server)


@pytest.mark.skipif(not PYTHON.exists(), reason="the Python SDK's wheel is not built; `make test` builds it")
def test_the_python_program_runs_from_the_wheel_in_an_empty_place(told: dict[str, str], tmp_path: Path):
    text, shown = program("python")
    (tmp_path / "quickstart.py").write_text(text)
    check([str(PYTHON), "-I", "quickstart.py"], told, tmp_path, shown)


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no Node here, for the quickstart's JavaScript")
def test_the_javascript_program_runs_from_the_packed_module_in_an_empty_folder(
    told: dict[str, str], tmp_path: Path
):
    assert PACKED, "the Node SDK is not packed; `make test` packs it"
    text, shown = program("javascript")
    (tmp_path / "quickstart.mjs").write_text(text)
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", str(PACKED[-1])]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    check(["node", "quickstart.mjs"], told, tmp_path, shown)


def check(command: list[str], told: dict[str, str], folder: Path, shown: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=told, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert missing_lines(shown, done.stdout) == []
    assert len(done.stdout.splitlines()) == len(shown.splitlines())
