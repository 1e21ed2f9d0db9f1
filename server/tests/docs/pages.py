"""A page of the documentation as its reader uses it: commands to type, the answers it promises, tables to look up."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

# What may stand behind the three backticks. Only `sh` is run; `json` or `text` right after it is what it prints.
LANGUAGES = {"sh", "json", "text", "console", "sql", "python", "javascript"}
REFUSED = "<!-- refused -->"

_FENCE = re.compile(r"( *)```(\w*)")
# What differs from one run to the next; of these only the kind is compared. All else is compared letter by letter.
_VARYING = (
    re.compile(r"((?:org|key|cus|pay|ref|sub|inv|evt|whk|dlv|wfr|exe|tpl|itg|msg|sup|req|sbx)_)[0-9a-z]+"),
    re.compile(r"()\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
)
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}
_LEFT_OUT = "…"  # in a text: something stands here that differs, or is too long to show


class Block(NamedTuple):
    """Fenced text, and where it begins."""

    line: int
    language: str
    text: str
    refused: bool


class Example(NamedTuple):
    """A command, whether the API is to refuse it, and what the page shows of its output, if anything."""

    line: int
    command: str
    refused: bool
    language: str
    shown: str


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page. Raises ValueError for one that could be overlooked."""
    found = []
    lines = page.splitlines()
    before = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if (fence := _FENCE.match(line)) is None:
            before = line if line.strip() else before
            continue
        if fence[1] or fence[2] not in LANGUAGES:
            raise ValueError(f"line {number}: begin a block at the margin, as one of {sorted(LANGUAGES)}")
        end = lines.index("```", number)
        found.append(Block(number, fence[2], "\n".join(lines[number:end]), before.strip() == REFUSED))
        before, number = "", end + 1
    return found


def examples(page: Path) -> list[Example]:
    """The page's commands in order, each with what follows next if that is `json` or `text`."""
    found: list[Example] = []
    following = blocks(page.read_text(encoding="utf-8"))
    for block, after in zip(following, [*following[1:], None], strict=True):
        if block.language == "sh":
            shown = after if after is not None and after.language in ("json", "text") else None
            found.append(
                Example(
                    block.line,
                    block.text,
                    block.refused,
                    shown.language if shown else "",
                    shown.text if shown else "",
                )
            )
    return found


def section(page: str, title: str) -> str:
    """What stands below a title of the second level, up to the next one."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[tuple[str, ...]]:
    """The rows of a section's tables, cell by cell."""
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


def table(text: str, head: str) -> list[tuple[str, ...]]:
    """The rows of the one table whose first column is called so, without its head."""
    begin = f"| {head} |" if head else "| |"
    found = [each for each in re.split(r"\n\n+", text.strip()) if each.startswith(begin)]
    assert len(found) == 1, f"{len(found)} tables begin with {head}"
    return rows(found[0])[1:]


def named(cell: str) -> list[str]:
    """The names in a cell: what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def span(text: str) -> timedelta:
    """`2 h 35 min`; of an empty text, none."""
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in re.findall(r"(\d+) (\w+)", text)})


def last_json(printed: str) -> Any:
    """The last of the JSON values that a command printed, one after the other."""
    decoder = json.JSONDecoder()
    at, value = 0, None
    while at < len(printed):
        value, at = decoder.raw_decode(printed, at)
        at += len(printed[at:]) - len(printed[at:].lstrip())
    return value


def differences(shown: Any, real: Any, where: str = "the answer") -> list[str]:
    """What a shown answer says that the real one does not; it may leave out keys, and elements at a list's end."""
    if type(shown) is not type(real):
        return [f"{where} is {json.dumps(shown)} on the page and {json.dumps(real)} in truth"]
    if isinstance(shown, dict):
        unknown = [f"{where} has no {key!r}" for key in shown if key not in real]
        return unknown + [
            difference
            for key in shown
            if key in real
            for difference in differences(shown[key], real[key], f"{where}.{key}")
        ]
    if isinstance(shown, list):
        if len(shown) > len(real):
            return [f"{where} has {len(real)} elements, not {len(shown)}"]
        return [
            difference
            for index, (one, other) in enumerate(zip(shown, real, strict=False))
            for difference in differences(one, other, f"{where}[{index}]")
        ]
    if shown == real or (isinstance(shown, str) and _alike(shown, real)):
        return []
    return [f"{where} is {json.dumps(shown)} on the page and {json.dumps(real)} in truth"]


def missing_lines(shown: str, printed: str) -> list[str]:
    """The lines of a shown output that the real one has not, in this order."""
    rest = iter(printed.splitlines())
    return [
        f"{line!r} is on the page and not in what was printed:\n{printed}"
        for line in shown.splitlines()
        if not any(_alike(line.rstrip(), other.rstrip()) for other in rest)
    ]


def _alike(shown: str, real: str) -> bool:
    """Whether two texts are the same but for what differs every time, and what is left out."""
    if _LEFT_OUT in shown:
        pattern = ".*".join(re.escape(part) for part in shown.split(_LEFT_OUT))
        return re.fullmatch(pattern, real, re.DOTALL) is not None
    return shown == real or _kind(shown) == _kind(real)


def _kind(text: str) -> str:
    """An id or an instant without what differs every time; any other text as it is."""
    for number, varying in enumerate(_VARYING):
        if match := varying.fullmatch(text):
            return f"\0{number}{match[1]}"
    return text
