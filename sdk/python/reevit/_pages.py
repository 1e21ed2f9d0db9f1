"""Lists: pages that fetch the next one by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any, Generic, TypeVar

from reevit._call import Call, ListCall
from reevit.errors import UnexpectedAnswer

T = TypeVar("T")


class _Rows(list[T]):
    """The rows of one page, and where the list goes on.

    `has_more` and `next_cursor` are the server's; `total` is counted when ``include_total=True`` was asked for;
    `extra` is what else the answer said.
    """

    def __init__(self, call: ListCall[T], answer: Any) -> None:
        rows = answer.get(call.key) if isinstance(answer, dict) else None
        # Never an empty list instead: that would be an answer, and a wrong one.
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UnexpectedAnswer(200, repr(answer).encode())
        super().__init__(call.row(row) for row in rows)
        self.call = call
        self.has_more: bool = bool(answer.get("has_more", False))
        self.next_cursor: str | None = answer.get("next_cursor")
        self.total: int | None = answer.get("total")
        known = {call.key, "has_more", "next_cursor", "total"}
        self.extra: dict[str, Any] = {name: value for name, value in answer.items() if name not in known}

    @property
    def data(self) -> list[T]:
        """The rows of this page, as a plain list."""
        return self[:]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied, it is the rows of this page: the connection to the rest cannot be kept on a disk."""
        return list, (self.data,)

    def _next_call(self) -> ListCall[T] | None:
        """None at the end, and after a page that was asked for by `offset`: who counts alone wants that one."""
        if not self.has_more or self.next_cursor is None or self.call.query.get("offset") is not None:
            return None
        query = {**self.call.query, "cursor": self.next_cursor}
        return ListCall(self.call.path, self.call.key, self.call.row, query)


class Page(_Rows[T]):
    """One page of a list. As a list it is this page: ``page[0]``, ``len(page)``, ``page.data``. Iterated over, it
    goes on by itself through all the pages there are; ``limit`` is how many rows each of them has. A page that was
    asked for with an ``offset`` does not go on.
    """

    def __init__(self, call: ListCall[T], answer: Any, send: Callable[[Call[Any]], Any]) -> None:
        super().__init__(call, answer)
        self._send = send

    def __iter__(self) -> Iterator[T]:
        page: Page[T] | None = self
        while page is not None:
            yield from list.__iter__(page)
            page = page.next_page()

    def next_page(self) -> Page[T] | None:
        """The page after this one, or None."""
        call = self._next_call()
        return None if call is None else fetch(call, self._send)


class AsyncPage(_Rows[T]):
    """One page of a list. As a list it is this page; ``async for`` goes on by itself through all that there are."""

    def __init__(self, call: ListCall[T], answer: Any, send: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        super().__init__(call, answer)
        self._send = send

    def __aiter__(self) -> AsyncIterator[T]:
        return _Walk(self.next_page, self)

    async def next_page(self) -> AsyncPage[T] | None:
        """The page after this one, or None."""
        call = self._next_call()
        return None if call is None else await AsyncPages(call, self._send)


class AsyncPages(Generic[T]):
    """A list that has been asked for: ``await`` it for its first page, or go over all of it with ``async for``."""

    def __init__(self, call: ListCall[T], send: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call, self._send = call, send

    async def _first(self) -> AsyncPage[T]:
        return AsyncPage(self._call, await self._send(_as_call(self._call)), self._send)

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._first().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _Walk(self._first)


class _Walk(AsyncIterator[T]):
    """Over the rows of a page and of those after it. It is no async generator, because a loop that ends early leaves
    one half done, and trio complains.
    """

    def __init__(self, go_on: Callable[[], Awaitable[AsyncPage[T] | None]], rows: Iterable[T] = ()) -> None:
        self._go_on, self._rows = go_on, iter(rows)

    async def __anext__(self) -> T:
        while True:
            for row in self._rows:
                return row
            page = await self._go_on()
            if page is None:
                raise StopAsyncIteration
            self._go_on, self._rows = page.next_page, iter(page)


def fetch(call: ListCall[T], send: Callable[[Call[Any]], Any]) -> Page[T]:
    """The page that `call` asks for."""
    return Page(call, send(_as_call(call)), send)


def _as_call(call: ListCall[Any]) -> Call[Any]:
    return Call("GET", call.path, lambda answer: answer, query=call.query)
