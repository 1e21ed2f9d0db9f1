/** Real sockets and a bad day: what was paid is paid once. */

import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { test } from 'node:test';

import { Reevit, ReevitAbortError, ReevitConnectionError, ReevitTimeoutError } from '@reevit/node';

import { KEY, rejection } from './answers.mjs';
import * as flaky from './flaky.mjs';

const PAID = { amount: 15000, currency: 'GHS' };
const withoutWaiting = { pause: async () => {} };

/**
 * Opens a server with these troubles for the time of a test.
 *
 * @param {flaky.Trouble[]} troubles
 * @param {(shop: Awaited<ReturnType<typeof flaky.shop>>, reevit: Reevit) => Promise<void>} run
 */
async function withShop(troubles, run) {
  const shop = await flaky.shop(...troubles);
  try {
    await run(shop, new Reevit({ apiKey: KEY, baseUrl: shop.baseUrl, ...withoutWaiting }));
  } finally {
    shop.close();
  }
}

/** @type {Record<string, flaky.Trouble[]>} */
const badDays = {
  'the connection is refused': [flaky.refusesTheConnection],
  'the connection drops after it was executed': [flaky.saysNothing],
  'the connection is reset after it was executed': [flaky.resets],
  'the answer breaks in its headers': [flaky.breaksInTheHeaders],
  'the answer breaks before its body': [flaky.breaksBeforeTheBody],
  'the answer breaks in its body': [flaky.breaksInTheBody],
  'the answer breaks between its chunks': [flaky.breaksBetweenChunks],
  'the answer is nonsense': [flaky.talksNonsense],
  'the server is busy': [flaky.isBusy, flaky.isBusy],
  'a proxy gives up': [flaky.isBehindAProxyThatGivesUp],
  'it is still running': [flaky.saysNothing, flaky.isStillAtIt],
  'everything goes wrong that may': [flaky.breaksInTheBody, flaky.isBusy],
};
for (const [day, troubles] of Object.entries(badDays)) {
  test(`a payment is made once when ${day}`, () =>
    withShop(troubles, async ({ payments, requests }, reevit) => {
      assert.deepEqual(await reevit.payments.create(PAID), { id: 'pay_1', ...PAID });
      assert.equal(payments.size, 1);
      assert.equal(requests.length, troubles.length + 1);
    }));
}

test('two calls are two payments, though a connection died while it was idle', () =>
  withShop([flaky.closesAfterItsAnswer, flaky.closesAfterItsAnswer], async ({ payments }, reevit) => {
    assert.equal((await reevit.payments.create(PAID)).id, 'pay_1');
    assert.equal((await reevit.payments.create(PAID)).id, 'pay_2');
    assert.equal((await reevit.payments.create(PAID)).id, 'pay_3');
    assert.equal(payments.size, 3);
  }));

test('twenty payments at once on a bad day are each made once', () =>
  withShop(Object.values(badDays).flat(), async ({ payments }, reevit) => {
    const patient = reevit.withOptions({ maxRetries: 20 });
    const ids = await Promise.all(Array.from({ length: 20 }, () => patient.payments.create(PAID).then(({ id }) => id)));
    assert.equal(new Set(ids).size, 20);
    assert.equal(payments.size, 20);
  }));

for (const trouble of [flaky.drips, flaky.stalls, flaky.neverAnswers]) {
  test(`who gives up on a server that ${trouble.name} can ask again with the key that the error has`, () =>
    withShop([trouble], async ({ payments, connections }, reevit) => {
      const impatient = reevit.withOptions({ timeout: 100, maxRetries: 0 });
      const error = await rejection(impatient.payments.create(PAID));
      assert.ok(error instanceof ReevitTimeoutError);
      assert.match(error.message, /did not answer in time \(no answer within 100 ms\).*It may have happened/);
      const again = await reevit.payments.create(PAID, { idempotencyKey: String(error.idempotencyKey) });
      assert.equal(again.id, 'pay_1');
      assert.equal(payments.size, 1);
      await closed(connections);
    }));
}

/**
 * The connection that was given up is closed: who asks does not keep it open.
 *
 * @param {Set<import('node:net').Socket>} connections
 */
async function closed(connections) {
  const [given] = connections;
  assert.ok(given);
  if (!given.closed) await once(given, 'close');
}

test('a timeout is tried again, and is an error after the last try', () =>
  withShop([flaky.stalls, flaky.drips, flaky.neverAnswers], async ({ payments, requests }, reevit) => {
    const error = await rejection(reevit.withOptions({ timeout: 50 }).payments.create(PAID));
    assert.ok(error instanceof ReevitTimeoutError);
    assert.equal(requests.length, 3);
    assert.equal(payments.size, 1);
  }));

test('a server that is not there is a connection error that says where it was looked for', async () => {
  const { baseUrl, close } = await flaky.shop();
  close();
  const reevit = new Reevit({ apiKey: KEY, baseUrl, ...withoutWaiting });
  const error = await rejection(reevit.payments.create(PAID));
  assert.equal(error.constructor, ReevitConnectionError);
  assert.ok(error.message.startsWith(`Cannot connect to ${baseUrl} (`), error.message);
  assert.ok(!error.message.includes('may have happened'));
});

test('calls after each other share their connections, also after errors', () => {
  const notThere = flaky.worded('404 Not Found', { code: 'not_found', message: 'No.' });
  /** @type {flaky.Trouble} */
  const refuses = ({ socket }) => void socket.write(notThere);
  return withShop(Array.from({ length: 10 }, () => refuses), async ({ connections, requests }, reevit) => {
    for (let round = 0; round < 10; round += 1) await rejection(reevit.payments.create(PAID));
    for (let round = 0; round < 10; round += 1) await reevit.payments.create(PAID);
    assert.equal(requests.length, 20);
    // Node's fetch opens a second one when the first is not done with its last answer.
    assert.ok(connections.size <= 2, `${connections.size} connections`);
  });
});

test('an id is on the wire as it was encoded', () =>
  withShop([], async ({ requests }, reevit) => {
    const ids = ['a/../b', '%2e%2e', '...', 'a b?c#d;e', "!'()*~", '恩\n', '\\'];
    for (const external_id of ids) await reevit.customers.update({ external_id }, {});
    const sent = requests.map(({ url }) => url?.replace('/v1/customers/external/', ''));
    assert.deepEqual(sent.map((part) => decodeURIComponent(String(part))), ids);
    assert.ok(sent.every((part) => !part?.includes('/')));
    assert.equal(sent[4], '%21%27%28%29%2A~');
  }));

test('what is large arrives whole, there and back', () =>
  withShop([], async (_, reevit) => {
    const description = 'é👑'.repeat(1_000_000);
    const paid = await reevit.payments.create({ ...PAID, description });
    assert.ok(paid.description === description); // not equal(), which would print it
  }));

test('a redirect is not followed, so that the key goes nowhere else', () =>
  withShop([], async (elsewhere) => {
    const away = () => flaky.worded('308 Permanent Redirect', '', `Location: ${elsewhere.baseUrl}/v1/payments`);
    await withShop([({ socket }) => void socket.write(away())], async (shop, reevit) => {
      const error = await rejection(reevit.payments.create(PAID));
      assert.deepEqual([error.name, error.statusCode], ['UnexpectedAnswer', 308]);
      assert.equal(shop.requests.length, 1);
    });
    assert.equal(elsewhere.requests.length, 0);
  }));

test('a call that is aborted ends with the reason, and its connection is closed', () =>
  withShop([flaky.neverAnswers], async ({ requests, connections }, reevit) => {
    const controller = new AbortController();
    const call = rejection(reevit.payments.create(PAID, { signal: controller.signal }));
    while (requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const error = await call;
    assert.ok(error instanceof ReevitAbortError && error instanceof ReevitConnectionError);
    assert.deepEqual([error.name, error.cause], ['AbortError', controller.signal.reason]);
    assert.match(error.message, /^The call was aborted by its signal \(.*aborted\)\. It may have happened/);
    await closed(connections);
    assert.equal(requests.length, 1);
  }));

test('a write that was aborted is asked for again with the key of the error, and is done once', () =>
  withShop([flaky.neverAnswers], async ({ payments }, reevit) => {
    const controller = new AbortController();
    const call = rejection(reevit.payments.create(PAID, { signal: controller.signal }));
    while (payments.size === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const again = await reevit.payments.create(PAID, { idempotencyKey: (await call).idempotencyKey });
    assert.equal(again.id, 'pay_1');
    assert.equal(payments.size, 1);
  }));

test('what is aborted by a signal of time has that reason as its cause', () =>
  withShop([flaky.neverAnswers], async (_, reevit) => {
    const signal = AbortSignal.timeout(20);
    const error = await rejection(reevit.payments.create(PAID, { signal }));
    assert.deepEqual([error.name, error.cause.name], ['AbortError', 'TimeoutError']);
  }));

test('a call that is aborted while its answer drips ends with the reason', () =>
  withShop([flaky.drips], async ({ payments }, reevit) => {
    const controller = new AbortController();
    const call = rejection(reevit.payments.create(PAID, { signal: controller.signal }));
    while (payments.size === 0) await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error('the shop closes');
    controller.abort(reason);
    const error = await call;
    assert.equal(error.cause, reason);
    assert.match(error.message, /^The call was aborted by its signal \(the shop closes\)\./);
  }));

test('a signal may give anything as its reason', () =>
  withShop(Array.from({ length: 4 }, () => flaky.neverAnswers), async ({ requests }, reevit) => {
    for (const [index, reason] of ['closing', 5, null, Object.create(null)].entries()) {
      const controller = new AbortController();
      const call = rejection(reevit.payments.create(PAID, { signal: controller.signal }));
      while (requests.length === index) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(reason);
      const error = await call;
      assert.deepEqual([error.name, error.cause], ['AbortError', reason]);
    }
  }));

test('a call that is aborted while it waits to be sent again ends at once', () =>
  withShop([({ socket }) => void socket.write(flaky.worded('503 Busy', '', 'Retry-After: 60'))], async (shop) => {
    const controller = new AbortController();
    const onAttempt = () => setImmediate(() => controller.abort());
    const reevit = new Reevit({ apiKey: KEY, baseUrl: shop.baseUrl, onAttempt }); // it waits in earnest
    const error = await rejection(reevit.customers.get('cus_1', { signal: controller.signal }));
    assert.deepEqual([error.name, error.idempotencyKey], ['AbortError', null]);
    assert.equal(shop.requests.length, 1);
  }));

test('a signal that is aborted already sends nothing', () =>
  withShop([], async ({ requests }, reevit) => {
    const signal = AbortSignal.abort();
    for (const call of [reevit.payments.list({}, { signal }), reevit.payments.create(PAID, { signal })]) {
      const error = await rejection(call);
      assert.equal(error.name, 'AbortError');
      assert.match(error.message, /before it was sent \(.*\)\.$/);
    }
    assert.equal(requests.length, 0);
  }));

test('a call that is over keeps no listener on its signal, and no timer that keeps the program from ending', () =>
  withShop([], async (_, reevit) => {
    const { signal } = new AbortController();
    /** @returns {string[]} */
    const resources = () => /** @type {any} */ (process).getActiveResourcesInfo();
    const timers = () => resources().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    for (let round = 0; round < 20; round += 1) await reevit.payments.create(PAID, { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    assert.ok(timers() <= before + 1, `${timers()} timers, of ${before}`); // one may be fetch's own
  }));

test('many calls at once on one signal are not taken for a leak, and all end with it', async () => {
  /** @type {Error[]} */
  const warnings = [];
  const warned = (/** @type {Error} */ warning) => void warnings.push(warning);
  process.on('warning', warned);
  const troubles = [...Array.from({ length: 30 }, () => flaky.neverAnswers), () => controller.abort()];
  const controller = new AbortController();
  const { signal } = controller;
  await withShop(troubles, async (_, reevit) => {
    const calls = Array.from({ length: 31 }, () => rejection(reevit.payments.create(PAID, { signal })));
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    const errors = await Promise.all(calls);
    assert.ok(errors.every(({ name }) => name === 'AbortError'));
    assert.equal(new Set(errors.map(({ idempotencyKey }) => idempotencyKey)).size, 31);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
  await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
  process.off('warning', warned);
  assert.deepEqual(warnings, []);
});

test('a call that ends takes no other call off the signal that they share', () =>
  withShop([flaky.neverAnswers], async ({ payments }, reevit) => {
    const controller = new AbortController();
    const { signal } = controller;
    const call = rejection(reevit.payments.create(PAID, { signal }));
    while (payments.size === 0) await new Promise((resolve) => setImmediate(resolve));
    await reevit.payments.create(PAID, { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    controller.abort();
    assert.equal((await call).name, 'AbortError');
  }));

test('a timeout longer than a timer can be is no timeout', () =>
  withShop([], async (_, reevit) => {
    for (const timeout of [2 ** 31, Infinity]) {
      assert.equal((await reevit.withOptions({ timeout, maxRetries: 0 }).payments.create(PAID)).currency, 'GHS');
    }
  }));

test('a fetch that does not heed the signal is given up all the same', async () => {
  const fetch = () => new Promise((/** @type {(response: Response) => void} */ _) => {});
  const reevit = new Reevit({ apiKey: KEY, fetch, timeout: 20, maxRetries: 0 });
  assert.ok((await rejection(reevit.customers.get('cus_1'))) instanceof ReevitTimeoutError);
});
