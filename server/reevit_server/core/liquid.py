"""Templates that merchants write: Liquid, https://shopify.github.io/liquid, of which as much is there as a message
needs, within limits that no template can pass.

What a template may speak of is known when it is saved, so a misspelt variable is a fault then and not an empty place
in somebody's message. Nothing of the data is ever read as a template.
"""

import functools
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from babel import Locale
from liquid import BoundTemplate, Environment, Mode, RenderContext, Token
from liquid.ast import Node
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.tags.assign_tag import AssignTag
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.case_tag import CaseTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.for_tag import BreakTag, ContinueTag, ForNode, ForTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.exceptions import (
    LiquidError,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    ResourceLimitError,
)
from liquid.stream import TokenStream

from reevit_server.core.liquid_filters import FILTERS, LOCALE

Channel = Literal["html", "text"]

SOURCE_CHARACTERS_MAX = 50_000
OUTPUT_BYTES_MAX = 200_000
LOOPS_MAX = 1_000  # rounds of all loops together, a loop within a loop counting as their product
MEMORY_BYTES_MAX = 500_000  # of what a template assigns
SECONDS_MAX = 1.0  # for one part of a message; what anybody means to send takes milliseconds
MARKUP_CHARACTERS_MAX = 1_000  # from `{{` to `}}`, and from `{%` to `%}`
_OPENS = re.compile("{{|{%")
_BLANKS = re.compile(r"\s{100}")
_VERBATIM = re.compile(r"{%-?\s*(raw|doc)\s*-?%}")

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
        except (TypeError, ValueError) as error:
            # The engine lets some complaints of Python's through: `{% if customer.tags contains payment.metadata %}`.
            raise TemplateFault(Fault(f"The template does what cannot be done: {error}.", 1, 1)) from None


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


class _LoopExpression(LoopExpression):
    """What a loop goes over. The engine would walk to an `offset`, and turn round what is `reversed`, before anybody
    counts the rounds: of `(1..1000000000000)` with all memory, or for ever.
    """

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Iterator[Any], int]:
        it, length = super()._to_iter(obj, context)
        if length > LOOPS_MAX:
            raise LoopIterationLimitError("loop iteration limit reached", token=None)
        return it, length

    def _to_int(self, obj: object, *, token: Token) -> int:
        return max(super()._to_int(obj, token=token), 0)


class _ForTag(ForTag):
    """The engine's, with our bounds."""

    def parse(self, stream: TokenStream) -> Node:
        node = super().parse(stream)
        assert isinstance(node, ForNode)
        found = node.expression
        node.expression = _LoopExpression(
            found.token,
            found.identifier,
            found.iterable,
            limit=found.limit,
            offset=found.offset,
            reversed_=found.reversed,
            cols=found.cols,
        )
        return node


class _Context(RenderContext):
    """One rendering. It ends in time, and what it has assigned is counted as it grows."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._ends_at = time.monotonic() + SECONDS_MAX
        self._sizes: dict[str, int] = {}
        self._size = 0
        super().__init__(*args, **options)

    # The engine asks for these before each tag and each output.
    @property
    def disabled_tags(self) -> list[str]:
        self._check_time()
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        assert not tags, "there are no tags that could disable others"

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self._check_time()
        return super().filter(name, token)

    def assign(self, key: str, val: Any) -> None:
        self.locals[key] = val
        size = sys.getsizeof(val, 1)
        self._size += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        if self._size > MEMORY_BYTES_MAX:
            raise LocalNamespaceLimitError("local namespace limit reached", token=None)

    def _check_time(self) -> None:
        if time.monotonic() > self._ends_at:
            raise ResourceLimitError("it takes too long", token=None)


class _BoundTemplate(BoundTemplate):
    context_class = _Context


_TAGS = (AssignTag, BreakTag, CaptureTag, CaseTag, CommentTag, ContinueTag, _ForTag, IfTag, UnlessTag)


class _Environment(Environment):
    template_class = _BoundTemplate
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
        self.add_tag(_ForTag)
        self.filters = dict(FILTERS)


@functools.cache
def _environment(channel: Channel) -> Environment:
    return _Environment(tolerance=Mode.STRICT, autoescape=channel == "html", strict_filters=True)
