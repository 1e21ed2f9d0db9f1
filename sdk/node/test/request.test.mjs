/** `reevit.request`: any call of the API. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answering, refused, rejection } from './answers.mjs';

test('it sends what it is given, and returns the JSON', async () => {
  const { reevit, requests } = answering({ id: 'new_1' });
  const headers = { 'X-Trace': 'a' };
  const sent = { query: { expand: ['a', 'b'], deep: true }, body: { name: 'Ada' }, headers };
  assert.deepEqual(await reevit.request('post', '/v1/new-things', sent), { id: 'new_1' });
  const [request] = requests;
  assert.deepEqual([request?.method, request?.path], ['POST', '/v1/new-things?expand=a&expand=b&deep=true']);
  assert.deepEqual([request?.body, request?.headers.get('X-Trace')], ['{"name":"Ada"}', 'a']);
});

test('nothing of it is left for the next call', async () => {
  const { reevit, requests } = answering({}, {});
  await reevit.request('GET', '/v1/customers', { query: { limit: 1 }, headers: { 'X-Trace': 'a' } });
  await reevit.customers.get('cus_1');
  assert.deepEqual([requests[1]?.headers.get('X-Trace'), requests[1]?.url.search], [null, '']);
});

test('an empty answer is null', async () => {
  assert.equal(await answering(new Response(null, { status: 204 })).reevit.request('DELETE', '/v1/things/1'), null);
});

test('your own idempotency key is the one that is sent', async () => {
  const named = ['Idempotency-Key', 'idempotency-key'].map((name) => ({ headers: { [name]: 'a' } }));
  for (const fields of [{ idempotencyKey: 'a' }, ...named]) {
    const { reevit, requests } = answering({});
    await reevit.request('POST', '/v1/things', { ...fields, body: {} });
    assert.equal(requests[0]?.headers.get('Idempotency-Key'), 'a');
  }
});

test('a write gets a key of its own that is kept when it is sent again; a read has none', async () => {
  const { reevit, requests } = answering(refused(503, 'unavailable'), {}, {});
  await reevit.request('PUT', '/v1/things/1', { body: {} });
  await reevit.request('GET', '/v1/things/1');
  const keys = requests.map(({ headers }) => headers.get('Idempotency-Key'));
  assert.ok(keys[0] && keys[0] === keys[1]);
  assert.equal(keys[2], null);
});

test('what the path asks is kept beside the query', async () => {
  const { reevit, requests } = answering({});
  await reevit.request('GET', '/v1/customers?tag=a%26b&tag=c&limit=5', { query: { limit: 2 } });
  assert.equal(requests[0]?.path, '/v1/customers?tag=a%26b&tag=c&limit=2');
});

test('a path is sent as it is, or not at all', async () => {
  const { reevit, requests } = answering();
  const others = ['.evil.example/v1', '@evil.example/', ':1/v1', 'v1/customers', ''];
  for (const path of [...others, '/v1/../v2', '/v1/a b', '/v1/%2e%2e/x', '/v1/x#y', '/v1/é', '/v1\\x', '/v1/\tx']) {
    assert.ok((await rejection(reevit.request('GET', path))) instanceof TypeError, path);
  }
  assert.equal(requests.length, 0);
});

test('it throws what every call throws', async () => {
  const { reevit } = answering(refused(404, 'not_found'));
  assert.equal((await rejection(reevit.request('GET', '/v1/x'))).code, 'not_found');
});
