"""Lists: what a page is as a list, and how it goes on."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import httpx
import pytest

from reevit import (
    AsyncPage,
    AsyncReevit,
    Customer,
    InvalidRequestError,
    Page,
    Reevit,
    ReevitConnectionError,
    UnexpectedAnswer,
)
from tests.answers import KEY, Answers, refusal, without_waiting


def page_of(*ids: str, cursor: str | None = None, **extra: Any) -> dict[str, Any]:
    """An answer; with a `cursor`, there is more."""
    rows = [{"id": id} for id in ids]
    return {"customers": rows, "has_more": cursor is not None, "next_cursor": cursor, **extra}


def three_pages() -> Answers:
    return Answers(page_of("c5", "c4", cursor="4"), page_of("c3", "c2", cursor="2"), page_of("c1"))


ALL = ["c5", "c4", "c3", "c2", "c1"]


def ids(rows: Any) -> list[str]:
    return [row.id for row in rows]


def cursors(wire: Answers) -> list[str | None]:
    """What each request asked to go on from."""
    return [request.url.params.get("cursor") for request in wire.requests]


def test_going_over_it_goes_on_to_the_end():
    wire = three_pages()
    assert ids(Reevit(KEY, transport=wire).customers.list()) == ALL
    assert cursors(wire) == [None, "4", "2"]


def test_a_page_is_asked_for_when_its_rows_are_wanted():
    wire = three_pages()
    rows = iter(Reevit(KEY, transport=wire).customers.list())
    assert ids(islice(rows, 2)) == ["c5", "c4"]
    assert len(wire.requests) == 1
    assert next(rows).id == "c3"
    assert len(wire.requests) == 2


def test_a_loop_that_ends_early_asks_for_no_more():
    wire = three_pages()
    for customer in Reevit(KEY, transport=wire).customers.list():
        if customer.id == "c4":
            break
    gc.collect()
    assert len(wire.requests) == 1


def test_as_a_list_it_is_this_page():
    wire = three_pages()
    page = Reevit(KEY, transport=wire).customers.list()
    assert isinstance(page, list)
    assert isinstance(page, Page)
    assert (len(page), page[0].id, page[-1].id) == (2, "c5", "c4")
    assert page[0].__class__ is Customer
    assert ids(page[1:]) == ["c4"]
    assert page == [{"id": "c5"}, {"id": "c4"}]
    assert {"id": "c4"} in page
    assert {"id": "c1"} not in page
    with pytest.raises(IndexError):
        page[2]
    assert len(wire.requests) == 1


def test_its_data_are_a_plain_list():
    page = Reevit(KEY, transport=three_pages()).customers.list()
    assert type(page.data) is list
    assert ids(page.data) == ["c5", "c4"]
    assert json.loads(json.dumps(page.data, indent=2)) == [{"id": "c5"}, {"id": "c4"}]


@pytest.mark.parametrize(
    "gathered",
    [list, tuple, lambda page: [*page], lambda page: sorted(page, key=lambda row: row.id, reverse=True)],
    ids=["list", "tuple", "star", "sorted"],
)
def test_what_gathers_it_gathers_all_pages(gathered: Any):
    assert ids(gathered(Reevit(KEY, transport=three_pages()).customers.list())) == ALL


@pytest.mark.parametrize("indent", [None, 2])
def test_written_as_json_it_is_all_pages(indent: int | None):
    page = Reevit(KEY, transport=three_pages()).customers.list()
    assert json.loads(json.dumps(page, indent=indent)) == [{"id": id} for id in ALL]


def test_next_page_is_the_next_or_none():
    wire = three_pages()
    first = Reevit(KEY, transport=wire).customers.list()
    second = first.next_page()
    assert second is not None
    assert (ids(second.data), second.has_more, second.next_cursor) == (["c3", "c2"], True, "2")
    third = second.next_page()
    assert third is not None
    assert (ids(third.data), third.has_more, third.next_cursor) == (["c1"], False, None)
    assert third.next_page() is None
    assert len(wire.requests) == 3


def test_a_second_time_over_it_begins_with_the_page_that_is_there():
    wire = Answers(page_of("c3", cursor="3"), page_of("c2"), page_of("c2", "c1"))
    page = Reevit(KEY, transport=wire).customers.list()
    assert ids(page) == ["c3", "c2"]
    assert ids(page) == ["c3", "c2", "c1"]
    assert cursors(wire) == [None, "3", "3"]


def test_it_can_begin_after_a_cursor_that_was_kept():
    wire = Answers(page_of("c3", "c2", cursor="2"), page_of("c1"))
    assert ids(Reevit(KEY, transport=wire).customers.list(cursor="4", limit=2)) == ["c3", "c2", "c1"]
    assert cursors(wire) == ["4", "2"]


def test_total_is_how_many_there_are_if_that_was_asked():
    wire = Answers(page_of("c5", cursor="5", total=5), page_of("c4"))
    reevit = Reevit(KEY, transport=wire)
    assert reevit.customers.list(include_total=True).total == 5
    assert wire.requests[0].url.params["include_total"] == "true"
    assert reevit.customers.list().total is None


def test_extra_is_what_else_the_answer_says():
    answer = {"entries": [], "has_more": False, "next_cursor": None, "totals": [{"currency": "GHS"}]}
    entries = Reevit(KEY, transport=Answers(answer)).customers.explain_value("cus_1")
    assert entries.extra == {"totals": [{"currency": "GHS"}]}


def test_an_empty_list_is_false_and_ends_at_once():
    wire = Answers(page_of())
    page = Reevit(KEY, transport=wire).customers.list(tag="nobody")
    assert not page
    assert (len(page), page.data, list(page), page.next_page()) == (0, [], [], None)
    assert len(wire.requests) == 1


def test_an_empty_page_is_not_the_end_when_the_server_says_that_there_is_more():
    wire = Answers(page_of("c5", cursor="5"), page_of(cursor="3"), page_of("c1"))
    assert ids(Reevit(KEY, transport=wire).customers.list()) == ["c5", "c1"]


def test_more_without_a_cursor_is_the_end_and_no_loop_for_ever():
    answer = {**page_of("c5"), "has_more": True}
    assert ids(Reevit(KEY, transport=Answers(answer)).customers.list()) == ["c5"]


def test_what_is_deleted_meanwhile_is_missing_and_nothing_is_said_twice():
    wire = Answers(page_of("c5", "c4", cursor="4"), page_of())  # c3 and all before it are gone by now
    assert ids(Reevit(KEY, transport=wire).customers.list(limit=2)) == ["c5", "c4"]


def test_a_page_that_is_refused_is_an_error_and_not_an_end():
    wire = Answers(page_of("c5", cursor="5"), refusal(400, "invalid_cursor"))
    rows = iter(Reevit(KEY, transport=wire).customers.list())
    assert next(rows).id == "c5"
    with pytest.raises(InvalidRequestError, match="It cannot be") as raised:
        next(rows)
    assert raised.value.code == "invalid_cursor"


def test_a_page_that_is_no_page_is_an_error_and_not_an_end():
    wire = Answers(page_of("c5", cursor="5"), {"status": "ok"})
    with pytest.raises(UnexpectedAnswer):
        list(Reevit(KEY, transport=wire).customers.list())


def test_a_page_is_tried_again_like_any_call():
    wire = Answers(page_of("c5", cursor="5"), httpx.ReadError("broken"), page_of("c4"))
    with without_waiting() as waits:
        assert ids(Reevit(KEY, transport=wire).customers.list()) == ["c5", "c4"]
    assert (len(waits), cursors(wire)) == (1, [None, "5", "5"])


@pytest.mark.parametrize("rows", [["c1"], [None], {"id": "c1"}, None])
def test_rows_that_are_no_objects_are_not_taken_for_some(rows: Any):
    wire = Answers({"customers": rows, "has_more": False})
    with pytest.raises(UnexpectedAnswer):
        Reevit(KEY, transport=wire).customers.list()


@pytest.mark.parametrize(
    "kept",
    [lambda page: pickle.loads(pickle.dumps(page)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_kept_in_a_cache_it_is_the_rows_of_the_page(kept: Any):
    wire = three_pages()
    rows = kept(Reevit(KEY, transport=wire).customers.list())
    assert (type(rows), type(rows[0])) == (list, Customer)
    assert ids(rows) == ["c5", "c4"]
    assert len(wire.requests) == 1


async def test_async_for_goes_on_to_the_end_without_an_await_before_it():
    wire = three_pages()
    async with AsyncReevit(KEY, transport=wire) as reevit:
        assert [row.id async for row in reevit.customers.list()] == ALL
    assert cursors(wire) == [None, "4", "2"]


async def test_async_for_goes_on_from_an_awaited_page_too():
    wire = three_pages()
    async with AsyncReevit(KEY, transport=wire) as reevit:
        page = await reevit.customers.list()
        assert len(wire.requests) == 1
        assert [row.id async for row in page] == ALL


async def test_an_awaited_list_is_a_page_as_a_list():
    wire = three_pages()
    async with AsyncReevit(KEY, transport=wire) as reevit:
        page = await reevit.customers.list()
    assert isinstance(page, AsyncPage)
    assert (len(page), page[0].id, ids(page), ids(page.data)) == (2, "c5", ["c5", "c4"], ["c5", "c4"])
    assert json.loads(json.dumps(page)) == [{"id": "c5"}, {"id": "c4"}]
    assert pickle.loads(pickle.dumps(page)) == page.data
    assert len(wire.requests) == 1


async def test_the_next_page_is_awaited():
    async with AsyncReevit(KEY, transport=Answers(page_of("c2", cursor="2"), page_of("c1"))) as reevit:
        first = await reevit.customers.list()
        second = await first.next_page()
        assert second is not None
        assert ids(second) == ["c1"]
        assert await second.next_page() is None


async def test_a_list_that_nobody_awaits_asks_for_nothing():
    wire = Answers()
    async with AsyncReevit(KEY, transport=wire) as reevit:
        reevit.customers.list()
        gc.collect()
    assert wire.requests == []


async def test_an_async_loop_that_ends_early_asks_for_no_more():
    wire = three_pages()
    async with AsyncReevit(KEY, transport=wire) as reevit:
        async for customer in reevit.customers.list():
            if customer.id == "c4":
                break
    assert len(wire.requests) == 1


async def test_an_async_loop_can_go_on_where_it_was_left():
    async with AsyncReevit(KEY, transport=three_pages()) as reevit:
        rows = aiter(reevit.customers.list())
        assert [(await anext(rows)).id, (await anext(rows)).id, (await anext(rows)).id] == ["c5", "c4", "c3"]
        assert [row.id async for row in rows] == ["c2", "c1"]
        with pytest.raises(StopAsyncIteration):
            await anext(rows)


async def test_an_empty_page_is_not_the_end_of_an_async_loop():
    wire = Answers(page_of(cursor="5"), page_of(cursor="3"), page_of("c1"))
    async with AsyncReevit(KEY, transport=wire) as reevit:
        assert [row.id async for row in reevit.customers.list()] == ["c1"]


async def test_a_page_that_does_not_come_is_an_error_after_which_the_loop_can_go_on():
    wire = Answers(page_of("c5", cursor="5"), httpx.ConnectError("refused"), page_of("c4"))
    async with AsyncReevit(KEY, transport=wire, max_retries=0) as reevit:
        rows = aiter(reevit.customers.list())
        assert (await anext(rows)).id == "c5"
        with pytest.raises(ReevitConnectionError):
            await anext(rows)
        assert [row.id async for row in rows] == ["c4"]


def test_a_ranking_is_a_list_that_says_what_it_ranks_by():
    answer = {
        "customers": [{"id": "c1", "rank": 1, "amount": 9}],
        "currency": "GHS",
        "metric": "total_spent",
        "period": None,
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
    }
    top = Reevit(KEY, transport=Answers(answer)).customers.get_top_customers()
    assert [(row.id, row.rank, row.amount) for row in top] == [("c1", 1, 9)]
    assert (top.currency, top.metric, top.period) == ("GHS", "total_spent", None)
    assert top.from_at == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert top.to == datetime(2026, 2, 1, tzinfo=timezone.utc)
    assert (type(top.data), top.data) == (list, answer["customers"])
    assert pickle.loads(pickle.dumps(top)).to == top.to


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "ok"},
        {"customers": None},
        {"customers": ["c1"]},
        {"customers": [[]]},
        {"customers": [""]},
        [],
    ],
)
def test_an_answer_without_the_ranking_is_not_an_empty_one(answer: Any):
    with pytest.raises(UnexpectedAnswer):
        Reevit(KEY, transport=Answers(answer)).customers.get_top_customers()
