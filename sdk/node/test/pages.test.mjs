/** Lists: a page as an array, and all of the list by `for await`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { UnexpectedAnswer } from '@reevit/node';

import { answering, refused, rejection } from './answers.mjs';

const FIRST = { payments: [{ id: 'pay_3' }, { id: 'pay_2' }], has_more: true, next_cursor: 'after 2', total: 3 };
const LAST = { payments: [{ id: 'pay_1' }], has_more: false, next_cursor: null, total: 3 };
const ROWS = [{ id: 'pay_3' }, { id: 'pay_2' }, { id: 'pay_1' }];

/** @template T @param {AsyncIterable<T>} list @returns {Promise<T[]>} */
async function all(list) {
  const rows = [];
  for await (const row of list) rows.push(row);
  return rows;
}

test('an awaited list is its first page, and asks for no other', async () => {
  const { reevit, requests } = answering(FIRST);
  const page = await reevit.payments.list({ limit: 2 });
  assert.deepEqual([page.length, page[0]?.id, page.at(-1)?.id], [2, 'pay_3', 'pay_2']);
  assert.deepEqual([...page], FIRST.payments);
  assert.deepEqual([page.hasMore, page.nextCursor, page.total], [true, 'after 2', 3]);
  assert.equal(requests.length, 1);
});

test('a page is an array for who prints it, writes it as JSON or takes it apart', async () => {
  const page = await answering(FIRST).reevit.payments.list();
  assert.ok(Array.isArray(page));
  assert.equal(inspect(page), inspect(FIRST.payments));
  assert.equal(JSON.stringify(page), JSON.stringify(FIRST.payments));
  assert.equal(JSON.stringify({ page }), JSON.stringify({ page: FIRST.payments }));
  assert.deepEqual(Object.keys(page), ['0', '1']);
  assert.deepEqual(structuredClone(page), FIRST.payments);
});

test('what is made of a page is a plain array', async () => {
  const page = await answering(FIRST).reevit.payments.list();
  const ids = page.map(({ id }) => id);
  const others = [page.filter(() => true), page.slice(), page.concat([]), page.flatMap((row) => row), page.data];
  for (const made of [ids, ...others]) {
    assert.equal(Object.getPrototypeOf(made), Array.prototype);
  }
  assert.deepEqual(ids, ['pay_3', 'pay_2']);
  assert.deepEqual(page.data, FIRST.payments);
});

test('a list is gone over to its end, without an await before it', async () => {
  const { reevit, requests } = answering(FIRST, LAST);
  assert.deepEqual(await all(reevit.payments.list({ limit: 2, status: 'succeeded' })), ROWS);
  assert.deepEqual(
    requests.map(({ url }) => [...url.searchParams]),
    [
      [['limit', '2'], ['status', 'succeeded']],
      [['limit', '2'], ['status', 'succeeded'], ['cursor', 'after 2']],
    ],
  );
});

test('a page that was awaited goes on too, from where it is', async () => {
  const { reevit, requests } = answering(FIRST, LAST, LAST);
  const page = await reevit.payments.list();
  assert.deepEqual(await all(page), ROWS);
  assert.deepEqual(await all(page), ROWS);
  assert.equal(requests.length, 3);
});

test('the next page is asked for when its rows are wanted', async () => {
  const { reevit, requests } = answering(FIRST, LAST);
  const walk = reevit.payments.list()[Symbol.asyncIterator]();
  assert.equal(requests.length, 0);
  await walk.next();
  await walk.next();
  assert.equal(requests.length, 1);
  assert.deepEqual((await walk.next()).value, { id: 'pay_1' });
  assert.equal((await walk.next()).done, true);
});

test('a loop that ends early asks for no more', async () => {
  const { reevit, requests } = answering(FIRST, LAST);
  for await (const payment of reevit.payments.list()) {
    assert.equal(payment.id, 'pay_3');
    break;
  }
  assert.equal(requests.length, 1);
});

test('a list that nobody awaits asks for nothing', () => {
  const { reevit, requests } = answering(FIRST);
  reevit.payments.list();
  assert.equal(requests.length, 0);
});

test('a list that is awaited twice is asked for once', async () => {
  const { reevit, requests } = answering(FIRST);
  const list = reevit.payments.list();
  assert.equal(await list, await list);
  assert.equal(requests.length, 1);
});

test('a list is a promise, for Promise.all and for catch', async () => {
  const { reevit } = answering(FIRST, refused(404, 'customer_not_found'));
  const [page] = await Promise.all([reevit.payments.list().finally(() => undefined)]);
  assert.equal(page?.length, 2);
  assert.equal(await reevit.customers.history('cus_1').catch((error) => error.code), 'customer_not_found');
});

test('the next page is the next, or null', async () => {
  const { reevit } = answering(FIRST, LAST);
  const page = await reevit.payments.list();
  const next = await page.nextPage();
  assert.deepEqual(next?.data, LAST.payments);
  assert.equal(await next?.nextPage(), null);
});

test('a list can begin after a cursor that was kept', async () => {
  const { reevit, requests } = answering(LAST);
  assert.equal((await reevit.payments.list({ cursor: 'after 2' })).length, 1);
  assert.equal(requests[0]?.url.search, '?cursor=after%202');
});

test('more without a cursor is the end, and no loop for ever', async () => {
  assert.equal((await all(answering({ ...FIRST, next_cursor: null }).reevit.payments.list())).length, 2);
});

test('an empty page is not the end when there is more', async () => {
  assert.deepEqual(await all(answering({ ...FIRST, payments: [] }, LAST).reevit.payments.list()), LAST.payments);
});

test('a page of one number is that number and not a length', async () => {
  const error = await rejection(answering({ payments: [3] }).reevit.payments.list());
  assert.ok(error instanceof UnexpectedAnswer);
});

for (const answer of [{}, [], null, 'payments', { payments: null }, { payments: {} }, { payments: [null] }]) {
  test(`${JSON.stringify(answer)} is not an empty list`, async () => {
    const error = await rejection(answering(new Response(JSON.stringify(answer))).reevit.payments.list());
    assert.ok(error instanceof UnexpectedAnswer);
    assert.equal(error.code, 'unexpected_response_shape');
  });
}

test('a page that is refused is an error and not an end', async () => {
  const { reevit } = answering(FIRST, refused(401, 'invalid_api_key'));
  assert.equal((await rejection(all(reevit.payments.list()))).code, 'invalid_api_key');
});

test('a page is tried again like any call', async () => {
  const { reevit, waits } = answering(FIRST, refused(503, 'unavailable'), LAST);
  assert.deepEqual(await all(reevit.payments.list()), ROWS);
  assert.equal(waits.length, 1);
});

test('what else an answer says is in extra', async () => {
  const totals = [{ currency: 'GHS', lifetime_value: 2 ** 40 }];
  const { reevit } = answering({ customer_id: 'cus_1', totals, entries: [{ id: 'pay_1' }], has_more: false });
  const page = await reevit.customers.explainValue('cus_1');
  assert.deepEqual(page.extra, { customer_id: 'cus_1', totals });
});

test('an id that is none is an error where the list is awaited, not where it is named', async () => {
  const list = answering().reevit.customers.getPaymentHistory('');
  assert.ok((await rejection(list)) instanceof TypeError);
});

test('filters that are no object are refused, and not left out', async () => {
  const { reevit, requests } = answering(FIRST);
  assert.ok((await rejection(reevit.payments.list(/** @type {any} */ (10)))) instanceof TypeError);
  assert.equal(requests.length, 0);
});

test('a ranking is an array that says what it ranks by', async () => {
  const said = { customers: [{ id: 'cus_1', rank: 1 }], currency: 'GHS', metric: 'total_spent', period: null };
  const { reevit } = answering({ ...said, from: '2027-01-01T00:00:00Z', to: '2027-02-01T00:00:00Z' });
  const top = await reevit.customers.getTopCustomers();
  assert.deepEqual([top.currency, top.metric, top.period], ['GHS', 'total_spent', null]);
  assert.deepEqual([top.from, top.to], ['2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z']);
  assert.equal(inspect(top), inspect(said.customers));
  assert.equal(JSON.stringify(top), JSON.stringify(said.customers));
  assert.deepEqual(top.map(({ rank }) => rank), [1]);
});

test('an answer without the ranking is not an empty one', async () => {
  const error = await rejection(answering({ currency: 'GHS' }).reevit.customers.top());
  assert.ok(error instanceof UnexpectedAnswer);
});
