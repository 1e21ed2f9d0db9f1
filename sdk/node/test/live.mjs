/**
 * Tells the stories of `sdk/contract/live.json` to a real server: `node test/live.mjs`, with REEVIT_API_KEY and
 * REEVIT_BASE_URL. It ends with 1 at the first step that went otherwise, and says which.
 */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { inspect } from 'node:util';

import { Reevit } from '@reevit/node';

import { called, checkError, read } from './contract.mjs';

/** How long, and how often, a step is repeated that waits for background work. */
const [PATIENCE_MS, PAUSE_MS] = [30_000, 100];

const reevit = new Reevit();
const run = randomUUID().slice(0, 8);

for (const story of read('live.json')) {
  /** @type {Record<string, any>} */
  const saved = {};
  for (const [index, step] of story.steps.entries()) {
    try {
      await toldInTime(filled(step, saved), saved);
    } catch (error) {
      console.error(`${story.name}\n  step ${index + 1}, ${step.call}: ${inspect(error)}`);
      process.exit(1);
    }
  }
  console.log(`ok  ${story.name}`);
}

/** @param {any} step @param {Record<string, any>} saved */
async function toldInTime(step, saved) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await told(step, saved);
    } catch (error) {
      if (!step.until || Date.now() > end) throw error;
    }
    await setTimeout(PAUSE_MS);
  }
}

/** @param {any} step @param {Record<string, any>} saved */
async function told(step, saved) {
  let outcome;
  try {
    outcome = await ('rows' in step ? all(called(reevit, step)) : called(reevit, step));
  } catch (error) {
    if (step.error === undefined) throw error;
    return checkError(error, step.error);
  }
  assert.equal(step.error, undefined, `it was answered, where an error was expected: ${inspect(outcome)}`);
  if (step.save !== undefined) saved[step.save] = outcome;
  if ('text' in step) {
    const text = typeof outcome === 'string' ? outcome : Buffer.from(outcome).toString('latin1');
    assert.ok(text.startsWith(step.text), `it begins with ${inspect(text.slice(0, 40))}, not ${inspect(step.text)}`);
  }
  for (const expected of ['expect', 'rows'].filter((name) => name in step).map((name) => step[name])) {
    const found = outcome ?? null;
    assert.ok(hasAtLeast(found, expected), `${inspect(found)} has not at least ${inspect(expected)}`);
  }
}

/** @param {AsyncIterable<any>} list */
async function all(list) {
  const rows = [];
  for await (const row of list) rows.push(row);
  return rows;
}

/**
 * Objects may have more fields than expected, at any depth; lists have as many items, in their order.
 *
 * @param {any} found
 * @param {any} expected
 * @returns {boolean}
 */
function hasAtLeast(found, expected) {
  if (typeof expected !== 'object' || expected === null) return Object.is(found, expected);
  if (typeof found !== 'object' || found === null) return false;
  if (Array.isArray(expected) && found.length !== expected.length) return false;
  return Object.entries(expected).every(([name, value]) => hasAtLeast(found[name], value));
}

/**
 * With `$run` and what earlier steps saved in their places.
 *
 * @param {any} told
 * @param {Record<string, any>} saved
 * @returns {any}
 */
function filled(told, saved) {
  if (typeof told === 'string') {
    const place = /^\$(\w+)((?:\.\w+)*)$/.exec(told.replaceAll('$run', run));
    if (place === null) return told.replaceAll('$run', run);
    const [, name = '', path = ''] = place;
    assert.ok(name in saved, `nothing was saved as ${name}`);
    return path.split('.').slice(1).reduce((found, field) => found[field], saved[name]);
  }
  if (Array.isArray(told)) return told.map((each) => filled(each, saved));
  if (typeof told !== 'object' || told === null) return told;
  return Object.fromEntries(Object.entries(told).map(([name, value]) => [name, filled(value, saved)]));
}
