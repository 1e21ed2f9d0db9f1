"""Templates that merchants write: Liquid, https://shopify.github.io/liquid, of which as much is there as a message
needs, within limits that no template can pass.

What a template may speak of is known when it is saved, so a misspelt variable is a fault then and not an empty place
in somebody's message. Nothing of the data is ever read as a template.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from babel import Locale
from liquid import BoundTemplate, Environment, Mode
from liquid.builtin.tags.assign_tag import AssignTag
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.case_tag import CaseTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.for_tag import BreakTag, ContinueTag, ForTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.exceptions import LiquidError, ResourceLimitError

from reevit_server.core.liquid_filters import FILTERS, LOCALE

Channel = Literal["html", "text"]

SOURCE_CHARACTERS_MAX = 50_000
OUTPUT_BYTES_MAX = 200_000
LOOPS_MAX = 1_000  # rounds of all loops together, a loop within a loop counting as their product
MEMORY_BYTES_MAX = 500_000  # of what a template assigns
MARKUP_CHARACTERS_MAX = 1_000  # from `{{` to `}}`, and from `{%` to `%}`
_OPENS = re.compile("{{|{%")
_BLANKS = re.compile(r"\s{100}")
_VERBATIM = re.compile(r"{%-?\s*(raw|doc)\s*-?%}")
_TAGS = (AssignTag, BreakTag, CaptureTag, CaseTag, CommentTag, ContinueTag, ForTag, IfTag, UnlessTag)

# What a template may name: a field, an object with fields of its own, or ANY, whose fields the merchant has chosen.
Vocabulary = Mapping[str, "Vocabulary | None"]
ANY: Vocabulary = {}


class Fault(NamedTuple):
    """What is wrong with a template, and where: both count from 1."""

    message: str
    line: int
    column: int


class TemplateFault(Exception):
    """A template that cannot be used, or whose limits were passed while it was rendered."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults[0].message)
        self.faults = faults


class Template:
    """A template that was found good, for one channel: in HTML, values are escaped."""

    def __init__(self, bound: BoundTemplate) -> None:
        self._bound = bound

    def render(self, data: Mapping[str, Any], *, locale: Locale) -> str:
        """Raises TemplateFault when a limit is passed, or a filter is given what it cannot use."""
        try:
            return self._bound.render(**{**data, LOCALE: locale})
        except LiquidError as error:
            raise TemplateFault(_fault_of(error)) from None


def parse(source: str, *, channel: Channel, vocabulary: Vocabulary) -> Template:
    """Raises TemplateFault with everything that is wrong: syntax, unknown variables and filters."""
    if (unread := _unreadable(source)) is not None:
        raise TemplateFault(unread)
    try:
        bound = _environment(channel).from_string(source)
    except LiquidError as error:
        raise TemplateFault(_fault_of(error)) from None
    if faults := sorted(_faults(bound, source, vocabulary), key=lambda fault: (fault.line, fault.column)):
        raise TemplateFault(*faults)
    return Template(bound)


def _unreadable(source: str) -> Fault | None:
    """What the engine would look at for too long: it reads what is not closed, and long blanks, again and again."""
    at = 0
    while (opened := _OPENS.search(source, at)) is not None:
        start, closing = opened.start(), "}}" if opened[0] == "{{" else "%}"
        end = source.find(closing, opened.end())
        if end < 0:
            return Fault(f"`{opened[0]}` is never closed by `{closing}`.", *_place(source, start))
        if end - start > MARKUP_CHARACTERS_MAX or _BLANKS.search(source, start, end) is not None:
            told = f"What stands in `{opened[0]} {closing}` is too long, or has too long a blank."
            return Fault(told, *_place(source, start))
        at = end + len(closing)
        if (verbatim := _VERBATIM.fullmatch(source, start, at)) is not None:
            ended = re.compile(rf"{{%-?\s*end{verbatim[1]}\s*-?%}}").search(source, at)
            if ended is None:
                told = f"`{verbatim[1]}` is never closed by `end{verbatim[1]}`."
                return Fault(told, *_place(source, start))
            at = ended.end()
    return None


def _faults(bound: BoundTemplate, source: str, vocabulary: Vocabulary) -> Iterator[Fault]:
    found = bound.analyze(include_partials=False)
    for variables in found.globals.values():
        for variable in variables:
            if (told := _unknown(variable.segments, vocabulary)) is not None:
                yield Fault(told, *_place(source, variable.span.index))
    for name, spans in found.filters.items():
        if name not in FILTERS:
            known = ", ".join(sorted(FILTERS))
            for span in spans:
                yield Fault(f"There is no filter {name!r}; there are {known}.", *_place(source, span.index))


def _unknown(segments: list[Any], vocabulary: Vocabulary) -> str | None:
    """What is wrong with naming this; None when there is such a thing."""
    at: Vocabulary | None = vocabulary
    for depth, segment in enumerate(segments):
        name = ".".join(map(str, segments[:depth]))
        if at is ANY:
            return None
        if at is None:
            of_list = isinstance(segment, int) or segment in ("size", "first", "last")
            return None if of_list else f"`{name}` has no fields."
        if not isinstance(segment, str) or segment not in at:
            where = f"`{name}` has no `{segment}`" if name else f"There is no `{segment}` here"
            return f"{where}; there is {', '.join(f'`{known}`' for known in at)}."
        at = at[segment]
    return None


def _place(source: str, index: int) -> tuple[int, int]:
    before = source[: max(index, 0)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _fault_of(error: LiquidError) -> Fault:
    line, column = 1, 1
    if (context := error.context()) is not None:
        line, column = context[0], context[1] + 1
    if isinstance(error, ResourceLimitError):
        return Fault(f"The template does too much: {error.message}.", line, column)
    return Fault(f"{str(error.message).rstrip('.')[:300]}.", line, column)


class _Environment(Environment):
    loop_iteration_limit = LOOPS_MAX
    output_stream_limit = OUTPUT_BYTES_MAX
    local_namespace_limit = MEMORY_BYTES_MAX

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Ours, and no other: none that reads another template, counts for ever or makes much of little."""
        super().setup_tags_and_filters(extra=extra)
        kept = {tag.name for tag in _TAGS}
        # What the engine itself is made of: a text, an output, and what is not read.
        inner = {name for name in self.tags if name in ("content", "output", "expression", "illegal", "raw")}
        self.tags = {name: tag for name, tag in self.tags.items() if name in kept | inner}
        self.filters = dict(FILTERS)


@functools.cache
def _environment(channel: Channel) -> Environment:
    return _Environment(tolerance=Mode.STRICT, autoescape=channel == "html", strict_filters=True)
