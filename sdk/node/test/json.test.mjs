/** Integers of any size, both ways, through the client as its users have it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answering, rejection } from './answers.mjs';
import { exact } from './exact.mjs';

/** What the client makes of an answer. @param {string} text */
async function received(text) {
  return answering(new Response(text)).reevit.request('GET', '/v1/anything');
}

/** What goes over the wire for a body. @param {any} body @returns {Promise<string>} */
async function sent(body) {
  const { reevit, requests } = answering({});
  await reevit.request('POST', '/v1/anything', { body });
  return String(requests[0]?.body);
}

/** A source of numbers from 0 to 1 that is the same each time, so that what fails once can be found again. */
function random(seed = 1) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Strings that look like numbers, like marks, like JSON, and like nothing. */
const STRINGS = [
  '',
  '9007199254740993',
  '-9007199254740993',
  '#9007199254740993',
  '##9007199254740993',
  '#'.repeat(40),
  '"9007199254740993"',
  '{"a":9007199254740993}',
  '\\',
  '\\"',
  '\u0000#1',
  '\u2028\ud83d',
  '👑 12345678901234567890',
  '__proto__',
  'constructor',
];
const NUMBERS = [
  '0', '-0', '1', '-1.5', '1e3', '1E+30', '0.12345678901234567890', '1234567890123456.5', '12345678901234567890e2',
  '9007199254740991', '-9007199254740991', '9007199254740992', '-9007199254740992', '9007199254740993',
  '18446744073709551616', '-123456789012345678901234567890',
]

/** A random JSON text, spaced at random, with escapes that need not be. @param {() => number} next @returns {string} */
function randomText(next, depth = 0) {
  const pick = (/** @type {string[]} */ from) => /** @type {string} */ (from[Math.floor(next() * from.length)]);
  const space = () => pick(['', '', ' ', '\n', '\t ']);
  const string = () => {
    const text = JSON.stringify(pick(STRINGS));
    return next() < 0.2 ? text.replaceAll('#', '\\u0023').replaceAll('9', '\\u0039') : text;
  };
  const kind = next();
  if (depth < 4 && kind < 0.3) {
    const rows = Array.from({ length: Math.floor(next() * 4) }, () => space() + randomText(next, depth + 1) + space());
    return `[${rows.join(',') || space()}]`;
  }
  if (depth < 4 && kind < 0.6) {
    const fields = Array.from({ length: Math.floor(next() * 4) }, () => {
      return `${space()}${string()}${space()}:${space()}${randomText(next, depth + 1)}${space()}`;
    });
    return `{${fields.join(',') || space()}}`;
  }
  return kind < 0.75 ? string() : kind < 0.95 ? pick(NUMBERS) : pick(['true', 'false', 'null']);
}

test('any JSON is read as it is, with its integers exact', async () => {
  const next = random();
  for (let round = 0; round < 3000; round += 1) {
    const text = `{"data": ${randomText(next)}}`;
    assert.deepEqual(await received(text), exact(text), text);
  }
});

test('JSON whose integers are safe is read as JSON.parse reads it', async () => {
  const next = random(2);
  let plain = 0;
  for (let round = 0; round < 3000; round += 1) {
    const text = randomText(next);
    const read = await received(text);
    if (hasBigInt(read)) continue;
    plain += 1;
    assert.deepEqual(read, JSON.parse(text), text);
  }
  assert.ok(plain > 1000, `only ${plain} were plain`);
});

test('any JSON that was read is written as the same JSON', async () => {
  const next = random(3);
  for (let round = 0; round < 3000; round += 1) {
    const text = `{"data": ${randomText(next)}}`;
    const read = exact(text);
    assert.deepEqual(withoutMinusZero(exact(await sent(read))), withoutMinusZero(read), text);
  }
});

test('an integer is a BigInt from 2^53 on, and a number below', async () => {
  assert.deepEqual(await received('[9007199254740991, 9007199254740992, -9007199254740991, -9007199254740992]'), [
    9007199254740991,
    9007199254740992n,
    -9007199254740991,
    -9007199254740992n,
  ]);
});

test('text that looks like a number that is marked stays text', async () => {
  const text = '{"a": 9007199254740993, "b": "#9007199254740993", "c": "\\u0023#9007199254740993", "#": "#"}';
  assert.deepEqual(await received(text), {
    a: 9007199254740993n,
    b: '#9007199254740993',
    c: '##9007199254740993',
    '#': '#',
  });
});

test('what is nested deep, but not without end, is read, and brackets in strings are text', async () => {
  const deep = `${'['.repeat(900)}9007199254740993${']'.repeat(900)}`;
  assert.deepEqual(await received(deep), exact(deep));
  const brackets = JSON.stringify(['[{"'.repeat(5000), '\\\\"['.repeat(5000), ...Array(5000).fill([{}])]);
  assert.deepEqual(await received(brackets), JSON.parse(brackets));
});

test('a field called __proto__ is a field', async () => {
  const read = /** @type {any} */ (await received('{"__proto__": {"polluted": 9007199254740993}}'));
  assert.deepEqual(Object.keys(read), ['__proto__']);
  assert.equal(read.polluted, undefined);
  assert.equal(/** @type {any} */ ({}).polluted, undefined);
});

test('a long answer with a large sum in it is read', async () => {
  const long = 'x"\\'.repeat(1_000_000);
  const text = JSON.stringify({ long, sum: 0 }).replace('"sum":0', '"sum":9007199254740993');
  assert.deepEqual(await received(text), { long, sum: 9007199254740993n });
});

test('a BigInt is written as an integer, in a body and in a query', async () => {
  assert.equal(await sent({ amount: 15000n, ids: [2n ** 64n] }), '{"amount":15000,"ids":[18446744073709551616]}');
  const { reevit, requests } = answering({ customers: [] });
  await reevit.customers.list({ min_spent: 2n ** 53n, currency: 'GHS' });
  assert.equal(requests[0]?.url.search, '?min_spent=9007199254740992&currency=GHS');
});

test('a Date is written as RFC 3339', async () => {
  const at = new Date(Date.UTC(2027, 0, 5, 11));
  assert.equal(await sent({ at }), '{"at":"2027-01-05T11:00:00.000Z"}');
  const { reevit, requests } = answering({ payments: [] });
  await reevit.payments.list({ created_after: at });
  assert.equal(requests[0]?.url.search, '?created_after=2027-01-05T11%3A00%3A00.000Z');
});

test('a field that is undefined is not sent, one that is null is', async () => {
  assert.equal(await sent({ email: undefined, phone: null }), '{"phone":null}');
});

test('what knows how to be JSON is that', async () => {
  assert.equal(await sent({ price: { toJSON: () => ({ amount: 1n }) } }), '{"price":{"amount":1}}');
});

const circle = /** @type {any} */ ({ list: [] });
circle.list.push(circle);

/** @type {[string, object, RegExp][]} */
const unsayable = [
  ['NaN', { metadata: { share: NaN } }, /`metadata\.share` is NaN/],
  ['Infinity', { amounts: [1, -Infinity] }, /`amounts\[1\]` is -Infinity/],
  ['undefined in a list', { tags: ['vip', undefined] }, /`tags\[1\]` is undefined/],
  ['a function', { name: () => 'Ada' }, /`name` is \[Function: name\]/],
  ['a symbol', { name: Symbol('Ada') }, /`name` is Symbol\(Ada\)/],
  ['a Map', { metadata: new Map() }, /`metadata` is Map/],
  ['a Set', { tags: new Set() }, /`tags` is Set/],
  ['an invalid Date', { occurred_at: new Date('soon') }, /`occurred_at` is an invalid Date/],
  ['an object that holds itself', circle, /`list\[0\]` holds itself/],
];
for (const [what, body, said] of unsayable) {
  test(`${what} is refused, with its place, before anything is sent`, async () => {
    const { reevit, requests } = answering({});
    const error = await rejection(reevit.request('POST', '/v1/anything', { body }));
    assert.ok(error instanceof TypeError);
    assert.match(error.message, said);
    assert.equal(requests.length, 0);
  });
}

test('the same object twice is no circle', async () => {
  const tags = ['vip'];
  assert.equal(await sent({ a: tags, b: tags }), '{"a":["vip"],"b":["vip"]}');
});

/** @param {unknown} value @returns {boolean} */
function hasBigInt(value) {
  if (typeof value === 'bigint') return true;
  return typeof value === 'object' && value !== null && Object.values(value).some(hasBigInt);
}

/** JSON.stringify has no word for it. @param {any} value @returns {any} */
function withoutMinusZero(value) {
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  const copy = {};
  for (const [name, each] of Object.entries(value)) {
    Object.defineProperty(copy, name, { value: withoutMinusZero(each), enumerable: true });
  }
  return copy;
}
