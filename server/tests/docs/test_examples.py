"""The documentation does what it says: every example is run as printed, against a server as operators start it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import Example, differences, examples, last_json
from tests.docs.shop import Shop
from tests.providers.mailserver import Postbox
from tests.running import REEVIT, environment

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_PAGE_SECONDS = 120
_IMPATIENT = "sleep() { command sleep 0.1; }"  # people look again after a second
_CURL_REFUSED = 22  # its exit status for an answer of 400 or more, with `fail-with-body`


@pytest.fixture
def shell(
    server: str,
    dsn_of_docs: str,
    organization: dict[str, str],
    shop: Shop,
    postbox: Postbox,
    tmp_path: Path,
) -> dict[str, str]:
    """What a reader has: the commands at hand, an organization with its test key, and servers of one's own."""
    if missing := [program for program in ("bash", "curl") if shutil.which(program) is None]:
        pytest.skip(f"the examples are typed in bash and call curl: no {' and no '.join(missing)} here")
    if subprocess.run(["curl", "--fail-with-body", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("this curl is older than 7.76 and cannot tell a refusal from an answer")
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return environment(
        PATH=f"{Path(REEVIT).parent}{os.pathsep}{os.environ['PATH']}",
        CURL_HOME=str(tmp_path),
        REEVIT=server,
        REEVIT_DATABASE_URL=dsn_of_docs,
        KEY=organization["test_key"],
        ORG=organization["org_id"],
        SHOP=shop.url,
        CHAT=f"{shop.url}/chat",
        MAIL_PORT=str(postbox.port),
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_and_are_answered_as_it_shows(
    page: Path, shell: dict[str, str], tmp_path: Path
) -> None:
    run(page, examples(page), shell, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_json_block_of_a_page_is_json(page: Path) -> None:
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        if block.language == "json":
            json.loads(block.text)


def test_an_example_that_fails_is_told_with_its_place_and_its_output(
    shell: dict[str, str], tmp_path: Path
) -> None:
    page = Path("page.md")
    failing = [
        Example(1, "echo first", refused=False, language="", shown=""),
        Example(5, "echo second; false", refused=False, language="", shown=""),
        Example(9, "echo third", refused=False, language="", shown=""),
    ]
    with pytest.raises(pytest.fail.Exception, match=r"(?s)page\.md:5.*second"):
        run(page, failing, shell, tmp_path)


def test_an_example_that_is_not_refused_as_its_page_says_is_a_failure(
    shell: dict[str, str], tmp_path: Path
) -> None:
    accepted = Example(1, 'curl "$REEVIT/healthz"', refused=True, language="", shown="")
    with pytest.raises(pytest.fail.Exception, match="exit status 0"):
        run(Path("page.md"), [accepted], shell, tmp_path)


def run(page: Path, commands: list[Example], shell: dict[str, str], folder: Path) -> None:
    """Runs the commands in one shell, and compares what each printed with what its page shows."""
    script = ["set -e", _IMPATIENT]
    for number, example in enumerate(commands):
        script.append(f'exec > "{folder}/{number}.out" 2> "{folder}/{number}.err"')
        script += _refused(example.command) if example.refused else [example.command]
    (folder / "page.sh").write_text("\n".join([*script, ""]), encoding="utf-8")
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", str(folder / "page.sh")],
        cwd=work,
        env=shell,
        stdin=subprocess.DEVNULL,
        timeout=_PAGE_SECONDS,
        check=False,
    )
    printed = [_printed(folder / f"{number}.out") for number in range(len(commands))]
    if done.returncode != 0:
        reached = max(number for number, output in enumerate(printed) if output is not None)
        said = (printed[reached] or "") + (_printed(folder / f"{reached}.err") or "")
        example = commands[reached]
        pytest.fail(f"{page.name}:{example.line} failed:\n{example.command}\n--- it printed:\n{said}")
    wrong = [
        f"{page.name}:{example.line}: {difference}"
        for example, output in zip(commands, printed, strict=True)
        for difference in _differences(example, output or "")
    ]
    assert not wrong, "\n".join(wrong)


def _refused(command: str) -> list[str]:
    return [
        "set +e",
        command,
        "status=$?",
        "set -e",
        f'[ "$status" -eq {_CURL_REFUSED} ] || {{ echo "It was to be refused: exit status $status" >&2; exit 1; }}',
    ]


def _printed(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def _differences(example: Example, printed: str) -> list[str]:
    if example.language == "json":
        return differences(json.loads(example.shown), last_json(printed))
    if example.language == "text":
        return pages.missing_lines(example.shown, printed)
    return []
