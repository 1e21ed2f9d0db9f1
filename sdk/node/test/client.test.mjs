/** How a client is made, what it sends with every call, and what it tells of it. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { ConfigurationError, Reevit, VERSION } from '@reevit/node';

import { answering, broken, KEY, refused, rejection } from './answers.mjs';

/**
 * Runs with these variables of the environment, and puts back what there was.
 *
 * @param {Record<string, string>} set
 * @param {() => any} run
 */
function withEnvironment(set, run) {
  const before = { ...process.env };
  for (const name of ['REEVIT_API_KEY', 'REEVIT_BASE_URL']) delete process.env[name];
  Object.assign(process.env, set);
  try {
    return run();
  } finally {
    process.env = before;
  }
}

test('what is not given comes from the environment', () => {
  withEnvironment({ REEVIT_API_KEY: 'pfk_live_a.b', REEVIT_BASE_URL: 'https://reevit.example/' }, () => {
    for (const client of [new Reevit(), new Reevit({}), new Reevit(undefined, undefined, undefined)]) {
      assert.deepEqual([client.mode, client.baseUrl, client.orgId], ['live', 'https://reevit.example', null]);
    }
  });
});

test('what is given wins, by place or by name', () => {
  withEnvironment({ REEVIT_API_KEY: 'pfk_live_a.b', REEVIT_BASE_URL: 'https://reevit.example' }, () => {
    const byName = new Reevit({ apiKey: KEY, orgId: 'org_1', baseUrl: 'http://127.0.0.1:1' });
    for (const client of [byName, new Reevit(KEY, 'org_1', 'http://127.0.0.1:1')]) {
      assert.deepEqual([client.mode, client.baseUrl, client.orgId], ['test', 'http://127.0.0.1:1', 'org_1']);
    }
  });
});

test('without an address it is this machine', () => {
  withEnvironment({ REEVIT_BASE_URL: '' }, () => assert.equal(new Reevit(KEY).baseUrl, 'http://localhost:8000'));
});

test('without a key there is no client', () => {
  withEnvironment({}, () => assert.throws(() => new Reevit(), /^ConfigurationError: There is no API key/));
});

test('an empty key or address is not replaced by another', () => {
  withEnvironment({ REEVIT_API_KEY: KEY, REEVIT_BASE_URL: 'https://reevit.example' }, () => {
    assert.throws(() => new Reevit(''), ConfigurationError);
    assert.throws(() => new Reevit({ apiKey: '' }), ConfigurationError);
    assert.throws(() => new Reevit({ baseUrl: '' }), ConfigurationError);
  });
});

test('a key that was copied with something else is told, and not shown', () => {
  for (const key of [`${KEY}\n`, ` ${KEY}`, `Bearer ${KEY}`, `“${KEY}”`, `${KEY}\u0000`]) {
    assert.throws(
      () => new Reevit(key),
      (/** @type {any} */ error) => error instanceof ConfigurationError && !error.message.includes('abc.def'),
    );
  }
});

test('an address that is none is told at once', () => {
  const wrong = ['localhost:8000', 'ftp://reevit.example', 'reevit', 'http://', 'http://me:secret@reevit.example'];
  for (const baseUrl of [...wrong, 'http://reevit.example/?a=b', 'http://reevit.example/#a']) {
    assert.throws(() => new Reevit({ apiKey: KEY, baseUrl }), ConfigurationError, baseUrl);
  }
});

test('settings that are none are told at once', () => {
  for (const timeout of [0, -1, NaN, '30']) {
    assert.throws(() => new Reevit({ apiKey: KEY, timeout: /** @type {any} */ (timeout) }), ConfigurationError);
  }
  for (const maxRetries of [-1, 1.5, NaN, '2']) {
    assert.throws(() => new Reevit({ apiKey: KEY, maxRetries: /** @type {any} */ (maxRetries) }), ConfigurationError);
  }
});

test('an address may have a path, and may end in a slash', async () => {
  for (const baseUrl of ['https://example.com/reevit', 'https://example.com/reevit/', 'https://example.com/reevit//']) {
    const { client, requests } = answering({ id: 'cus_1' });
    await client({ baseUrl }).customers.get('cus_1');
    assert.equal(requests[0]?.url.href, 'https://example.com/reevit/v1/customers/cus_1');
  }
});

test('the key alone decides the mode', () => {
  assert.equal(new Reevit('pfk_test_a.b').mode, 'test');
  assert.equal(new Reevit('pfk_live_a.b').mode, 'live');
  assert.equal(new Reevit('sk_test_a').mode, null);
});

test('what is shown of a client is where and the mode, but no key', () => {
  const client = new Reevit({ apiKey: KEY, baseUrl: 'https://reevit.example' });
  assert.equal(inspect(client), "Reevit { baseUrl: 'https://reevit.example', mode: 'test' }");
  const everything = { depth: Infinity, showHidden: true, customInspect: false, getters: true };
  for (const shown of [inspect(client, everything), inspect([client.customers], everything), JSON.stringify(client)]) {
    assert.ok(!shown.includes('abc.def'), shown);
  }
});

test('every request says who asks', async () => {
  const { client, requests } = answering({});
  await client({ orgId: 'org_1' }).customers.get('cus_1');
  const headers = Object.fromEntries(/** @type {any} */ (requests[0]?.headers));
  assert.deepEqual(headers, {
    accept: 'application/json',
    'user-agent': `reevit-node/${VERSION} node/${process.versions.node}`,
    'x-org-id': 'org_1',
    'x-reevit-client': '@reevit/node',
    'x-reevit-client-version': VERSION,
    'x-reevit-key': KEY,
  });
});

test('the version is that of the package', () => {
  assert.equal(VERSION, JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
});

test('other options are of the other client only, and add up', async () => {
  const { reevit, requests } = answering({}, {}, {});
  const ama = reevit.withOptions({ actorId: 'ama', reason: undefined });
  const both = ama.withOptions({ reason: 'asked by phone', maxRetries: 0 });
  for (const client of [both, ama, reevit]) await client.customers.get('cus_1');
  const said = requests.map(({ headers }) => [headers.get('X-Actor-Id'), headers.get('X-Reason')]);
  assert.deepEqual(said, [['ama', 'asked by phone'], ['ama', null], [null, null]]);
});

test('a client with other options keeps its address, organization and key, whatever the environment says', async () => {
  const { fetch, requests } = answering({});
  const made = { REEVIT_API_KEY: KEY, REEVIT_BASE_URL: 'https://reevit.example' };
  const client = withEnvironment(made, () => new Reevit({ orgId: 'org_1', fetch }));
  const other = withEnvironment({ REEVIT_API_KEY: 'pfk_live_a.b' }, () => client.withOptions({ maxRetries: 0 }));
  await other.customers.get('cus_1');
  assert.equal(requests[0]?.url.origin, 'https://reevit.example');
  assert.deepEqual([requests[0]?.headers.get('X-Reevit-Key'), requests[0]?.headers.get('X-Org-Id')], [KEY, 'org_1']);
});

test('a reason may be given in any language', async () => {
  const { reevit, requests } = answering({});
  await reevit.withOptions({ reason: 'Müller 恩克鲁玛' }).customers.get('cus_1');
  const sent = Buffer.from(requests[0]?.headers.get('X-Reason') ?? '', 'latin1').toString();
  assert.equal(sent, 'Müller 恩克鲁玛');
});

test('what cannot be a header is told before anything is sent', async () => {
  const { reevit, requests } = answering();
  assert.throws(() => reevit.withOptions({ reason: 'two\nlines' }), /X-Reason cannot be 'two\\nlines'/);
  for (const idempotencyKey of ['a\r\nb', 'a\u0000', '\ud800']) {
    assert.ok((await rejection(reevit.customers.create({}, { idempotencyKey }))) instanceof TypeError);
  }
  assert.equal(requests.length, 0);
});

test('it is tried as often as the options say', async () => {
  for (const maxRetries of [0, 1, 4]) {
    const answers = Array.from({ length: 9 }, () => refused(503, 'unavailable'));
    const { client, requests, waits } = answering(...answers);
    await rejection(client().withOptions({ maxRetries }).customers.get('cus_1'));
    assert.deepEqual([requests.length, waits.length], [maxRetries + 1, maxRetries]);
  }
});

test('pauses are spread from nothing to a bound that doubles up to eight seconds', async () => {
  const { client, waits } = answering(...Array.from({ length: 41 }, () => broken('ECONNRESET')));
  await rejection(client({ maxRetries: 40 }).customers.get('cus_1'));
  for (const [index, wait] of waits.entries()) assert.ok(wait >= 0 && wait <= Math.min(8000, 500 * 2 ** index));
  assert.ok(new Set(waits).size > 30, 'they are not spread');
  assert.ok(Math.max(...waits) > 1000, 'they do not grow');
});

test('Retry-After may be a date, or nonsense', async () => {
  const soon = new Date(Date.now() + 30_000).toUTCString();
  const past = new Date(0).toUTCString();
  const after = async (/** @type {string} */ value) => {
    const { reevit, waits } = answering(refused(429, 'rate_limited', { 'Retry-After': value }), {});
    await reevit.customers.get('cus_1');
    return Number(waits[0]);
  };
  const dated = await after(soon);
  assert.ok(dated > 20_000 && dated < 31_000, `${dated}`);
  for (const value of [past, 'in a minute', '5 minutes', '2999-01-01', '-5', '']) assert.ok((await after(value)) <= 500, value);
  assert.ok((await after('1.5')) >= 1500);
});

test('onAttempt is told of every try, and no secret', async () => {
  /** @type {import('@reevit/node').Attempt[]} */
  const told = [];
  const { client } = answering(broken('ECONNRESET'), refused(503, 'unavailable', { 'Retry-After': '2' }), {});
  const reevit = client({ onAttempt: (attempt) => told.push(attempt) });
  await reevit.payments.create({ amount: 1, currency: 'GHS', description: 'private' }, { idempotencyKey: 'order-1' });
  assert.deepEqual(
    told.map(({ number, statusCode, error, requestId }) => [number, statusCode, error, requestId]),
    [[1, null, 'ECONNRESET', null], [2, 503, null, 'req_1'], [3, 200, null, null]],
  );
  for (const { method, path, idempotencyKey, latencyMs } of told) {
    assert.deepEqual([method, path, idempotencyKey], ['POST', '/v1/payments', 'order-1']);
    assert.ok(latencyMs >= 0);
  }
  assert.ok(Number(told[1]?.waitMs) >= 2000);
  assert.equal(told[2]?.waitMs, null);
  assert.ok(!/abc\.def|private/.test(inspect(told)));
});

test('an onAttempt that fails takes no answer away: it is a warning', async () => {
  /** @type {Error[]} */
  const warnings = [];
  const warned = (/** @type {Error} */ warning) => void warnings.push(warning);
  process.on('warning', warned);
  const fails = () => {
    throw new Error('no metrics');
  };
  const failsLater = async () => fails();
  for (const onAttempt of [fails, failsLater]) {
    const { client } = answering(refused(503, 'unavailable'), { id: 'pay_1' });
    const paid = await client({ onAttempt }).payments.create({ amount: 1, currency: 'GHS' });
    assert.equal(paid.id, 'pay_1');
  }
  await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
  process.off('warning', warned);
  assert.deepEqual(warnings.map(({ name }) => name), Array(4).fill('ReevitWarning'));
  for (const { message } of warnings) assert.match(message, /^onAttempt threw Error: no metrics/);
});

test('tries are printed when NODE_DEBUG asks for it, without secrets', () => {
  const program = `import { Reevit } from '@reevit/node';
    const fetch = async () => new Response('{}', { headers: { 'X-Request-Id': 'req_1' } });
    await new Reevit({ apiKey: '${KEY}', fetch }).customers.lookup('usr_1');`;
  const args = ['--input-type=module', '--eval', program];
  const cwd = new URL('..', import.meta.url);
  const printed = (/** @type {Record<string, string>} */ set) => {
    return spawnSync(process.execPath, args, { cwd, env: { ...process.env, ...set }, encoding: 'utf8' }).stderr;
  };
  const said = /^REEVIT \d+: GET \/v1\/customers\/lookup: 200 in \d+ ms \(try 1, request_id=req_1\)\n$/;
  assert.match(printed({ NODE_DEBUG: 'reevit' }), said);
  assert.equal(printed({ NODE_DEBUG: '' }), '');
});

test('two calls have two keys', async () => {
  const { reevit, requests } = answering({}, {});
  await reevit.customers.create({ name: 'Ada' });
  await reevit.customers.create({ name: 'Ada' });
  const [one, other] = requests.map(({ headers }) => headers.get('Idempotency-Key'));
  assert.ok(one && other && one !== other);
});

test('fields that are no object are refused: a refund of 5000 is not one of all of it', async () => {
  const { reevit, requests } = answering();
  for (const fields of [5000, '5000', [5000], true]) {
    const error = await rejection(reevit.payments.refund('pay_1', /** @type {any} */ (fields)));
    assert.match(error.message, /^Fields are given as an object/);
  }
  assert.equal(requests.length, 0);
});

test('a field that this version does not know is sent, for the server to judge', async () => {
  const { reevit, requests } = answering({});
  await reevit.payments.refund('pay_1', /** @type {any} */ ({ amuont: 5 }));
  assert.equal(requests[0]?.body, '{"amuont":5}');
});

test('an id that is none is refused before it is sent', async () => {
  const { reevit, requests } = answering();
  for (const id of ['', '.', '..', undefined, null, 5, {}, { external_id: '' }, { external_id: null }, '\ud800']) {
    assert.ok((await rejection(reevit.customers.get(/** @type {any} */ (id)))) instanceof TypeError, inspect(id));
  }
  assert.ok((await rejection(reevit.customers.removeTag('cus_1', '..'))) instanceof TypeError);
  assert.equal(requests.length, 0);
});

test('a whole customer, or anything else that is more than its external_id, does not name a customer', async () => {
  const { reevit, requests } = answering({});
  const whole = { id: 'cus_1', external_id: 'usr_1' };
  const others = [{}, { id: 'cus_1' }, whole, { external_id: 'usr_1', mode: undefined }];
  for (const customer of others) {
    const error = await rejection(reevit.customers.delete(/** @type {any} */ (customer)));
    assert.ok(error instanceof TypeError);
    const said = "Give the customer's id, customer.id, or { external_id: … }; not the whole object.";
    assert.equal(error.message, said);
  }
  assert.equal(requests.length, 0);
  await reevit.customers.get({ external_id: 'usr_1' });
  assert.equal(requests[0]?.path, '/v1/customers/external/usr_1');
});

test('an idempotency key that is empty is refused, and one that is undefined is made', async () => {
  const { reevit, requests } = answering({}, {});
  for (const idempotencyKey of ['', ' ', null]) {
    const options = /** @type {any} */ ({ idempotencyKey });
    const asked = { headers: /** @type {any} */ ({ 'idempotency-key': idempotencyKey }) };
    const calls = [
      reevit.payments.refund('pay_1', {}, options),
      reevit.request('POST', '/v1/things', options),
      reevit.request('POST', '/v1/things', asked),
    ];
    for (const call of calls) {
      const error = await rejection(call);
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /^An idempotency key cannot be .*Is the variable set\?$/);
    }
  }
  assert.equal(requests.length, 0);
  await reevit.payments.refund('pay_1', {}, { idempotencyKey: undefined });
  await reevit.request('POST', '/v1/things', { headers: /** @type {any} */ ({ 'Idempotency-Key': undefined }) });
  for (const { headers } of requests) assert.match(String(headers.get('Idempotency-Key')), /^[0-9a-f-]{36}$/);
});

test('without other options it is the same client again', async () => {
  const { reevit, requests } = answering({}, {});
  await reevit.withOptions().customers.get('cus_1');
  await reevit.withOptions(/** @type {any} */ (null)).customers.get('cus_1');
  assert.deepEqual(requests.map(({ headers }) => headers.get('X-Reevit-Key')), [KEY, KEY]);
  assert.throws(() => reevit.withOptions(/** @type {any} */ (5)), TypeError);
});

test('a policy is deleted by the name of its plan, in either way', async () => {
  const { reevit, requests } = answering(...Array.from({ length: 3 }, () => new Response(null, { status: 204 })));
  await reevit.retryPolicies.delete('team');
  await reevit.retryPolicies.delete({ plan_id: 'team' });
  await reevit.retryPolicies.delete();
  assert.deepEqual(requests.map(({ url }) => url.search), ['?plan_id=team', '?plan_id=team', '']);
});
