/** What is thrown, what it says, and what it never says. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import * as reevit from '@reevit/node';

import { answering, broken, KEY, refused, rejection } from './answers.mjs';

const { ConflictError, NotFoundError, ReevitAPIError, ReevitConnectionError, ReevitError, ReevitTimeoutError } = reevit;
const { ServerError, UnavailableError, UnexpectedAnswer } = reevit;

const noRetries = { maxRetries: 0 };

test('each status has its class', async () => {
  const classes = {
    400: 'InvalidRequestError', 401: 'AuthenticationError', 403: 'PermissionDeniedError', 404: 'NotFoundError',
    405: 'InvalidRequestError', 408: 'InvalidRequestError', 409: 'ConflictError', 410: 'NotFoundError',
    413: 'InvalidRequestError', 415: 'InvalidRequestError', 418: 'InvalidRequestError', 422: 'UnprocessableError',
    429: 'RateLimitError', 500: 'ServerError', 502: 'ProviderError', 503: 'UnavailableError', 504: 'UnavailableError',
    599: 'ServerError',
  };
  for (const [status, name] of Object.entries(classes)) {
    const { client } = answering(refused(Number(status), 'some_code'));
    const error = await rejection(client(noRetries).customers.get('cus_1'));
    assert.equal(error.constructor.name, name);
    assert.deepEqual([error.name, error.statusCode, error.code], [name, Number(status), 'some_code']);
  }
});

test('the classes are a tree', async () => {
  const error = await rejection(answering(refused(503, 'unavailable')).client(noRetries).customers.get('cus_1'));
  for (const kind of [UnavailableError, ServerError, ReevitAPIError, ReevitError, Error]) {
    assert.ok(error instanceof kind);
  }
  assert.ok(!(error instanceof NotFoundError));
});

test('an error reads as what to do, and where to find it', async () => {
  const error = await rejection(answering(refused(409, 'external_id_taken')).reevit.customers.create({ name: 'Ada' }));
  assert.equal(error.message, 'No.');
  assert.equal(String(error), 'ConflictError: No. (request_id=req_1)');
  assert.match(error.stack, /^ConflictError: No\./);
  assert.ok(error instanceof ConflictError);
});

test('the faults of fields are at hand', async () => {
  const fault = { field: 'phone', code: 'value_error', message: 'This is not a phone number.' };
  const answer = { code: 'validation_error', message: 'No.', details: { fields: [fault] } };
  const { reevit } = answering(new Response(JSON.stringify(answer), { status: 400 }), refused(404, 'not_found'));
  assert.deepEqual((await rejection(reevit.customers.create({ phone: '0' }))).fields, [fault]);
  assert.deepEqual((await rejection(reevit.customers.get('cus_1'))).fields, []);
});

test('a refusal that is not Reevit’s has its class, and says so', async () => {
  for (const text of ['<html>Not found</html>', '', '[]', '{"error": "x"}', '{"code": 5}', '{']) {
    const error = await rejection(answering(new Response(text, { status: 404 })).reevit.customers.get('cus_1'));
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, 'api_error');
    assert.match(error.message, /The answer \(404\) is not Reevit's: .*baseUrl/);
  }
});

test('JSON that is no object is not a customer', async () => {
  for (const text of ['[]', '"ok"', 'null', '5', '', '{"id": "cus_1"', '\ufffe']) {
    const error = await rejection(answering(new Response(text)).reevit.customers.get('cus_1'));
    assert.ok(error instanceof UnexpectedAnswer, text);
    assert.deepEqual([error.statusCode, error.code], [200, 'unexpected_response_shape']);
  }
});

const ENDLESS = [['lists', '[', ']'], ['objects', '{"a":', '}'], ['sums', '[9007199254740993,', ']']];
for (const [kind, opening, closing] of ENDLESS) {
  test(`an answer with ${kind} without end is unexpected, whatever its status`, async () => {
    for (const depth of [1001, 100_000]) {
      const text = `{"code": "x", "a": ${String(opening).repeat(depth)}1${String(closing).repeat(depth)}}`;
      const error = await rejection(answering(new Response(text)).reevit.customers.get('cus_1'));
      assert.ok(error instanceof UnexpectedAnswer);
      const refusal = await rejection(answering(new Response(text, { status: 404 })).reevit.customers.get('cus_1'));
      assert.deepEqual([refusal.name, refusal.code], ['NotFoundError', 'api_error']);
    }
  });
}

test('a redirect is an unexpected answer that says where to', async () => {
  const answer = new Response(null, { status: 307, headers: { Location: 'https://reevit.example/v1/' } });
  const { reevit, requests } = answering(answer);
  const error = await rejection(reevit.payments.create({ amount: 1, currency: 'GHS' }));
  assert.ok(error instanceof UnexpectedAnswer);
  assert.match(error.message, /\(307\).*https:\/\/reevit\.example/);
  assert.equal(requests.length, 1);
});

test('a server that is not there is told as that, and nothing can have happened', async () => {
  const { client } = answering(broken('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:8000'));
  const error = await rejection(client(noRetries).payments.create({ amount: 1, currency: 'GHS' }));
  assert.equal(error.constructor, ReevitConnectionError);
  assert.match(error.message, /^Cannot connect to http:\/\/localhost:8000 \(.*ECONNREFUSED.*REEVIT_BASE_URL says\.$/);
  assert.equal(error.cause.message, 'fetch failed');
});

test('a certificate that is not trusted, and a port that fetch does not go to, are no connection', async () => {
  const badPort = new TypeError('fetch failed', { cause: new Error('bad port') });
  for (const trouble of [broken('CERT_HAS_EXPIRED'), broken('DEPTH_ZERO_SELF_SIGNED_CERT'), badPort]) {
    const error = await rejection(answering(trouble).client(noRetries).customers.create({ name: 'Ada' }));
    assert.match(error.message, /^Cannot connect to .* says\.$/);
  }
});

test('a write whose connection broke may have happened, and its key is at hand', async () => {
  const { client } = answering(broken('UND_ERR_SOCKET', 'other side closed'));
  const call = client(noRetries).payments.create({ amount: 1, currency: 'GHS' }, { idempotencyKey: 'a' });
  const error = await rejection(call);
  assert.match(error.message, /broke before its answer \(other side closed\)\. It may have happened/);
  assert.equal(error.idempotencyKey, 'a');
});

test('whatever a write is answered, the error has its key; that of a read has none', async () => {
  const page = () => new Response('<html>', { status: 200 });
  const away = () => new Response(null, { status: 307, headers: { Location: 'https://elsewhere.example' } });
  const proxy = () => new Response('<html>', { status: 502 });
  const answers = [page, away, proxy, ...[400, 404, 409, 429, 500, 503].map((status) => () => refused(status, 'x'))];
  for (const answer of answers) {
    const { client } = answering(answer(), answer(), answer());
    const paid = { amount: 1, currency: 'GHS' };
    const error = await rejection(client(noRetries).payments.create(paid, { idempotencyKey: 'order-1' }));
    assert.equal(error.idempotencyKey, 'order-1', error.name);
    assert.match((await rejection(client(noRetries).payments.create(paid))).idempotencyKey, /^[0-9a-f-]{36}$/);
    assert.equal((await rejection(client(noRetries).customers.get('cus_1'))).idempotencyKey, null, error.name);
  }
});

test('an unexpected answer has what else can be known of it', async () => {
  const answer = new Response('<html>', { headers: { 'X-Request-Id': 'req_1' } });
  assert.equal((await rejection(answering(answer).reevit.customers.get('cus_1'))).requestId, 'req_1');
});

test('a read that broke has no key, and no warning', async () => {
  const error = await rejection(answering(broken('ECONNRESET')).client(noRetries).customers.get('cus_1'));
  assert.equal(error.idempotencyKey, null);
  assert.match(error.message, /broke before its answer \(ECONNRESET\)\.$/);
});

test('the limits of Node’s own fetch are timeouts too', async () => {
  for (const code of ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT']) {
    const error = await rejection(answering(broken(code)).client(noRetries).customers.get('cus_1'));
    assert.ok(error instanceof ReevitTimeoutError, code);
  }
});

test('an error never shows the API key, also when the answer repeats what was sent', async () => {
  const echo = `<pre>X-Reevit-Key: ${KEY}</pre>`;
  const answers = [
    new Response(echo),
    new Response(echo, { status: 404 }),
    new Response(null, { status: 302, headers: { Location: `https://elsewhere.example/?key=${KEY}` } }),
    new Response(JSON.stringify({ headers: { 'X-Reevit-Key': KEY } })),
    broken('ECONNRESET'),
    refused(401, 'invalid_api_key'),
  ];
  for (const answer of answers) {
    const error = await rejection(answering(answer).client(noRetries).payments.list());
    const shown = inspect(error, { depth: Infinity, showHidden: true }) + String(error) + JSON.stringify(error);
    assert.ok(!shown.includes(KEY) && !shown.includes('abc.def'), shown);
  }
});

test('every error is exported, by its own name', () => {
  /** @type {any[]} */
  const exported = Object.values(reevit);
  const kinds = exported.filter((value) => value.prototype instanceof Error);
  assert.equal(kinds.length, 18);
  for (const kind of kinds) {
    assert.equal(kind.prototype.name, kind === reevit.ReevitAbortError ? 'AbortError' : kind.name);
    assert.ok(kind === ReevitError || kind.prototype instanceof ReevitError);
  }
});
