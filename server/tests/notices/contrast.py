"""How well a letter can be read: the contrast of its texts, in its light colors and in its dark ones."""

import re
from html.parser import HTMLParser
from typing import NamedTuple

_VOID = {"meta", "br", "img"}
_RULE = re.compile(r"([^{}]+)\{([^{}]+)\}")
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*?)\n\}", re.DOTALL)


class Said(NamedTuple):
    text: str
    contrast: float


def contrasts(html: str, *, dark: bool) -> list[Said]:
    """Every text that is seen, and its contrast with what is behind it."""
    found = _DARK.search(html)
    assert found is not None
    rules = [
        (selector.split(), _style(declarations))
        for selectors, declarations in _RULE.findall(found[1] if dark else "")
        for selector in selectors.split(",")
    ]
    seen = _Seen(rules)
    seen.feed(html)
    seen.close()
    return seen.said


class _Seen(HTMLParser):
    def __init__(self, rules: list[tuple[list[str], dict[str, str]]]) -> None:
        super().__init__()
        self.rules = rules
        self.open: list[tuple[str, set[str], dict[str, str]]] = []
        self.said: list[Said] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        names = {tag, *(f".{name}" for name in (told.get("class") or "").split())}
        inherited = self.open[-1][2] if self.open else {}
        style = {**inherited, **_style(told.get("style") or "")}
        for (*outside, last), declarations in self.rules:
            if last in names and all(any(name in one[1] for one in self.open) for name in outside):
                style |= declarations
        if tag not in _VOID:
            self.open.append((tag, names, style))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not data.strip() or any(one[0] in ("head", "style") for one in self.open):
            return
        style = self.open[-1][2]
        if style.get("display") != "none":
            self.said.append(Said(data.strip(), contrast(style["color"], style["background"])))


def contrast(one: str, other: str) -> float:
    """Of two colors, by https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio: from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    assert re.fullmatch("#[0-9a-f]{6}", color), color
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _style(declarations: str) -> dict[str, str]:
    pairs = [declaration.partition(":") for declaration in declarations.split(";") if declaration.strip()]
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs}
