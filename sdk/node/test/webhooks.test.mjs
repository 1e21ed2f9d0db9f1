/** Deliveries: those of the contract, and what a receiver in Node may do wrong. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import {
  constructEvent,
  Reevit,
  signWebhookPayload,
  verifyWebhookSignature,
  WebhookVerificationError,
} from '@reevit/node';

import { read } from './contract.mjs';

const SECRET = 'whsec_c2VjcmV0IG9mIGFuIGV4YW1wbGUsIG5vIDEuLi4uLi4=';
const NOW = new Date('2027-01-05T11:00:02Z');
const BODY = '{"id":"evt_1","type":"customer.created","signature_timestamp":"2027-01-05T11:00:00Z","data":{}}';
const HEADERS = { 'x-reevit-signature': signWebhookPayload(BODY, SECRET) };

/** @type {[string, (body: string) => import('@reevit/node').RawBody][]} */
const bodies = [
  ['text', (body) => body],
  ['bytes', (body) => Buffer.from(body)],
  ['an ArrayBuffer', (body) => new Uint8Array(Buffer.from(body)).buffer],
];
for (const found of read('webhooks.json')) {
  for (const [kind, made] of bodies) {
    const headers = found.signature ?? found.headers;
    test(`webhooks.json: ${found.name} (${kind})`, () => taken(found, made(found.body), headers));
  }
  if (found.headers !== undefined) {
    test(`webhooks.json: ${found.name} (Headers)`, () => taken(found, found.body, new Headers(found.headers)));
  }
}

/** @param {any} found @param {import('@reevit/node').RawBody} body @param {any} headers */
function taken(found, body, headers) {
  const options = { now: new Date(found.now), toleranceSeconds: found.tolerance_seconds };
  if (found.error === undefined) {
    assert.deepEqual(constructEvent(body, headers, found.secret, options), found.event);
    return;
  }
  assert.equal(refusalOf(() => constructEvent(body, headers, found.secret, options)).code, found.error);
}

/** @param {() => unknown} construct @returns {WebhookVerificationError} */
function refusalOf(construct) {
  try {
    construct();
  } catch (error) {
    assert.ok(error instanceof WebhookVerificationError);
    return error;
  }
  throw new Error('it was taken');
}

for (const parsed of [{ id: 'evt_1' }, {}, [], null, undefined, 5]) {
  test(`a body that a parser made ${JSON.stringify(parsed)} of is refused with what to do`, () => {
    const error = refusalOf(() => constructEvent(/** @type {any} */ (parsed), HEADERS, SECRET, { now: NOW }));
    assert.equal(error.code, 'invalid_payload');
    assert.match(error.message, /express\.raw\(/);
  });
}

for (const secret of [undefined, null, '', ' \n']) {
  test(`a secret that is ${JSON.stringify(secret)} verifies nothing`, () => {
    const signed = { 'x-reevit-signature': signWebhookPayload(BODY, String(secret ?? '')) };
    const error = refusalOf(() => constructEvent(BODY, signed, /** @type {any} */ (secret), { now: NOW }));
    assert.equal(error.code, 'missing_secret');
  });
}

for (const headers of [undefined, null, {}, new Headers(), { 'x-reevit-signature': undefined }]) {
  test(`without a signature it is refused (${JSON.stringify(headers)})`, () => {
    assert.equal(refusalOf(() => constructEvent(BODY, headers, SECRET, { now: NOW })).code, 'invalid_signature');
  });
}

test('a secret whose base64 is not whole opens nothing', () => {
  const secret = 'whsec_c2VjcmV0MQ'; // without its ==
  const key = Buffer.from('c2VjcmV0MQ==', 'base64');
  const signature = createHmac('sha256', key).update(`evt_1.1799146800.${BODY}`).digest('base64');
  const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': '1799146800', 'webhook-signature': `v1,${signature}` };
  assert.equal(constructEvent(BODY, headers, `${secret}==`, { now: NOW }).id, 'evt_1');
  assert.equal(refusalOf(() => constructEvent(BODY, headers, secret, { now: NOW })).code, 'invalid_signature');
});

test('a header that comes as a list is read', () => {
  const headers = { 'x-reevit-signature': [signWebhookPayload(BODY, SECRET)] };
  assert.equal(constructEvent(BODY, headers, SECRET, { now: NOW }).id, 'evt_1');
});

test('text in any script is verified as its bytes', () => {
  const body = BODY.replace('"data":{}', '"data":{"name":"恩克鲁玛 👑"}');
  const event = constructEvent(Buffer.from(body), signWebhookPayload(Buffer.from(body), SECRET), SECRET, { now: NOW });
  assert.equal(event.data.name, '恩克鲁玛 👑');
});

test('bytes that are no UTF-8 are refused', () => {
  const body = Buffer.concat([Buffer.from(BODY), Buffer.from([0xff])]);
  const error = refusalOf(() => constructEvent(body, signWebhookPayload(body, SECRET), SECRET, { now: NOW }));
  assert.equal(error.code, 'invalid_payload');
});

const SIGNATURE = HEADERS['x-reevit-signature'];
/** @type {Record<string, any>} */
const shapes = {
  'variables of CGI': { REQUEST_METHOD: 'POST', HTTP_X_REEVIT_SIGNATURE: SIGNATURE },
  'the rawHeaders of Node': ['Host', 'shop.example.com', 'X-Reevit-Signature', SIGNATURE],
  'pairs': [['Host', 'shop.example.com'], ['X-Reevit-Signature', SIGNATURE]],
  'a Map': new Map([['X-Reevit-Signature', SIGNATURE]]),
  'a Map that shouts': new Map([['X-REEVIT-SIGNATURE', SIGNATURE]]),
  'lists of values': { 'X-Reevit-Signature': [SIGNATURE, 'sha256=00'] },
  'something with get': { get: (/** @type {string} */ name) => (name in HEADERS ? SIGNATURE : null) },
  'an object without a prototype': Object.assign(Object.create(null), HEADERS),
};
for (const [shape, headers] of Object.entries(shapes)) {
  test(`headers may be ${shape}`, () => {
    assert.equal(constructEvent(BODY, headers, SECRET, { now: NOW }).id, 'evt_1');
    assert.equal(refusalOf(() => constructEvent(`${BODY} `, headers, SECRET, { now: NOW })).code, 'invalid_signature');
  });
}

test('of headers that came twice the first is taken', () => {
  const [good, bad] = ['x-reevit-signature', 'X-Reevit-Signature'];
  const twice = new Headers(HEADERS);
  twice.append('x-reevit-signature', 'sha256=00');
  const joined = { [good]: `${SIGNATURE}, sha256=00` }; // as Node joins them
  for (const headers of [twice, joined, { [good]: SIGNATURE, [bad]: '' }, [good, SIGNATURE, bad, 'sha256=00']]) {
    assert.equal(constructEvent(BODY, headers, SECRET, { now: NOW }).id, 'evt_1');
  }
  const worse = [[good, 'sha256=00'], [bad, SIGNATURE]].map(([name, value]) => [String(name), String(value)]);
  const wrong = /** @type {[string, string][]} */ (worse);
  assert.equal(refusalOf(() => constructEvent(BODY, wrong, SECRET, { now: NOW })).code, 'invalid_signature');
});

test('Standard Webhooks headers that came twice are each taken once, with all their signatures', () => {
  const twoSecrets = 'while a secret is rotated, who has the new one takes it too';
  const found = read('webhooks.json').find((/** @type {any} */ { name }) => name === twoSecrets);
  const names = Object.entries(found.headers).filter(([name]) => name.startsWith('webhook-'));
  const headers = new Headers();
  for (const [name, value] of [...names, ...names]) headers.append(name, String(value));
  assert.deepEqual(constructEvent(found.body, headers, found.secret, { now: new Date(found.now) }), found.event);
});

test('a request that is given instead of its headers is told', () => {
  const request = new Request('https://shop.example.com', { headers: HEADERS });
  for (const given of [request, { headers: HEADERS, body: BODY }]) {
    const error = refusalOf(() => constructEvent(BODY, /** @type {any} */ (given), SECRET, { now: NOW }));
    assert.equal(error.code, 'invalid_signature');
    assert.match(error.message, /Give its headers: request\.headers\.$/);
  }
});

test('headers without a signature are told from a signature that does not fit', () => {
  const without = [null, '', {}, [], new Map(), { 'content-type': 'application/json' }, { 'x-reevit-signature': '' }];
  for (const headers of without) {
    const error = refusalOf(() => constructEvent(BODY, headers, SECRET, { now: NOW }));
    assert.equal(error.code, 'invalid_signature');
    assert.match(error.message, /^There is no signature: /);
  }
  const wrong = { 'x-reevit-signature': 'sha256=00' };
  const error = refusalOf(() => constructEvent(BODY, wrong, SECRET, { now: NOW }));
  assert.match(error.message, /^The signature does not match the body/);
});

test('how it is verified may be null, for nothing said', () => {
  const body = BODY.replace('2027-01-05T11:00:00Z', new Date().toISOString());
  assert.equal(constructEvent(body, signWebhookPayload(body, SECRET), SECRET, null).id, 'evt_1');
});

const ENDLESS = [['lists', '[', ']'], ['objects', '{"a":', '}'], ['sums', '[9007199254740993,', ']']];
for (const [kind, opening, closing] of ENDLESS) {
  test(`a signed body with ${kind} without end is no payload`, () => {
    for (const depth of [1001, 100_000]) {
      const deep = `${String(opening).repeat(depth)}1${String(closing).repeat(depth)}`;
      const body = BODY.replace('{}', deep);
      const error = refusalOf(() => constructEvent(body, signWebhookPayload(body, SECRET), SECRET, { now: NOW }));
      assert.equal(error.code, 'invalid_payload');
    }
  });
}

test('a delivery is compared with the time of now, unless said', () => {
  const body = BODY.replace('2027-01-05T11:00:00Z', new Date().toISOString());
  assert.equal(constructEvent(body, signWebhookPayload(body, SECRET), SECRET).id, 'evt_1');
  const old = BODY.replace('2027', '2007');
  const error = refusalOf(() => constructEvent(old, signWebhookPayload(old, SECRET), SECRET));
  assert.equal(error.code, 'timestamp_out_of_tolerance');
});

test('a tolerance that is no number takes nothing', () => {
  const error = refusalOf(() => constructEvent(BODY, HEADERS, SECRET, { now: NOW, toleranceSeconds: NaN }));
  assert.equal(error.code, 'timestamp_out_of_tolerance');
});

test('a client verifies too', () => {
  const { webhooks } = new Reevit('pfk_test_abc.def');
  assert.equal(webhooks.constructEvent(BODY, HEADERS, SECRET, { now: NOW }).type, 'customer.created');
});

test('a signature is verified by itself, whatever its age', () => {
  assert.equal(verifyWebhookSignature(BODY, HEADERS['x-reevit-signature'], SECRET), true);
  assert.equal(verifyWebhookSignature(`${BODY} `, HEADERS['x-reevit-signature'], SECRET), false);
  assert.equal(verifyWebhookSignature(BODY, HEADERS['x-reevit-signature'], `${SECRET}=`), false);
  for (const missing of ['', null, undefined]) assert.equal(verifyWebhookSignature(BODY, missing, SECRET), false);
  assert.equal(verifyWebhookSignature(BODY, signWebhookPayload(BODY, ''), ''), false);
});
