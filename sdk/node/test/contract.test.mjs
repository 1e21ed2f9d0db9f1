/** Every case of the contract, through a wire that answers as the case says and looks at what is sent. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';

import { Reevit } from '@reevit/node';

import { called, checkError, read } from './contract.mjs';
import { exact } from './exact.mjs';

const KEY = 'pfk_test_abc.def';

const files = readdirSync(new URL('../../contract/cases/', import.meta.url)).filter((name) => name.endsWith('.json'));

for (const file of files) {
  for (const found of read(`cases/${file}`)) {
    test(`${file}: ${found.name}`, () => replayed(found));
  }
}

/** @param {any} found a case */
async function replayed(found) {
  const wire = new Wire(found);
  const client = new Reevit({ apiKey: KEY, fetch: wire.fetch, ...wire.withoutWaiting });
  let outcome;
  try {
    outcome = await asked(client, found);
  } catch (error) {
    wire.lookBack();
    if (found.error === undefined) throw error;
    return checkError(error, found.error);
  }
  wire.lookBack();
  assert.equal(found.error, undefined, 'it was answered, where an error was expected');
  const expected = ['result', 'page', 'rows', 'text'].find((name) => name in found);
  assert.ok(expected, 'the case says nothing of what comes out');
  assert.deepEqual(outcome, found[expected]);
}

/** @param {Reevit} client @param {any} found */
async function asked(client, found) {
  if ('rows' in found) {
    const rows = [];
    for await (const row of called(client, found)) rows.push(row);
    return rows;
  }
  const outcome = await called(client, found);
  if ('text' in found && outcome instanceof Uint8Array) return new TextDecoder().decode(outcome);
  return Array.isArray(outcome) ? Array.from(outcome) : (outcome ?? null);
}

/** The network, as a case tells it. */
class Wire {
  sent = 0;
  keys = new Set();
  /** @type {number[]} */
  waits = [];
  /** @type {unknown[]} What was wrong with a request; thrown in `fetch`, it would be a network that broke. */
  faults = [];

  /** @param {any} found a case */
  constructor(found) {
    this.found = found;
  }

  /** Nobody waits in a test: the pauses are written down. */
  withoutWaiting = {
    pause: async (/** @type {number} */ milliseconds) => void this.waits.push(milliseconds / 1000),
  };

  /** @type {import('@reevit/node').Fetch} */
  fetch = async (url, init) => {
    const exchange = this.found.exchanges[this.sent];
    this.sent += 1;
    try {
      assert.ok(exchange, `one request too many: ${init.method} ${url}`);
      this.lookAt(exchange.request, url, init);
    } catch (fault) {
      this.faults.push(fault);
    }
    const { broken, status, headers, body, text } = exchange.response;
    if (broken) throw new TypeError('fetch failed', { cause: new Error('the connection broke') });
    const content = text ?? (body === undefined ? null : written(body));
    return new Response(content, { status, headers });
  };

  /** @param {any} expected @param {string} url @param {RequestInit} init */
  lookAt(expected, url, init) {
    const { origin, pathname, searchParams } = new URL(url);
    assert.ok(url.startsWith(`${origin}${expected.path}`), `${url} is not as it is on the wire`);
    assert.deepEqual([init.method, pathname], [expected.method, expected.path]);
    assert.deepEqual([...searchParams], expected.query ?? []);
    assert.deepEqual(init.body ? exact(String(init.body)) : undefined, expected.body);
    const sent = new Headers(/** @type {Record<string, string>} */ (init.headers));
    assert.equal(sent.get('Content-Type'), 'body' in expected ? 'application/json' : null);
    for (const [name, value] of Object.entries({ 'X-Reevit-Key': KEY, ...expected.headers })) {
      assert.equal(sent.get(name), value, name);
    }
    assert.equal(sent.has('Idempotency-Key'), init.method !== 'GET');
    this.keys.add(sent.get('Idempotency-Key'));
  }

  lookBack() {
    if (this.faults.length > 0) throw this.faults[0];
    const bounds = this.found.waits ?? [];
    assert.equal(this.sent, this.found.exchanges.length, 'not everything was sent');
    const writes = this.found.exchanges.some((/** @type {any} */ { request }) => request.method !== 'GET');
    if (writes) assert.equal(this.keys.size, 1, 'the key changed between tries');
    assert.equal(this.waits.length, bounds.length, `it waited ${this.waits}`);
    for (const [index, [least, most]] of bounds.entries()) {
      const wait = /** @type {number} */ (this.waits[index]);
      assert.ok(wait >= least && wait <= most, `it waited ${wait} s, not ${least} to ${most}`);
    }
  }
}

/** JSON with its BigInts; the cases have no text that looks like the mark. @param {any} body */
function written(body) {
  const marked = JSON.stringify(body, (_, value) => (typeof value === 'bigint' ? `\u0000${value}` : value));
  return marked.replace(/"\\u0000(-?\d+)"/g, '$1');
}
