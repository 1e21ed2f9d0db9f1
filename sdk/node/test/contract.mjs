/** Reads `sdk/contract`, and calls what it names: for the cases and for the stories alike. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import * as reevit from '@reevit/node';

import { exact } from './exact.mjs';

const CONTRACT = new URL('../../contract/', import.meta.url);

/** @param {string} path */
export function read(path) {
  return exact(readFileSync(new URL(path, CONTRACT), 'utf8'));
}

/** @param {string} name `create_intent` */
export function camel(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

/**
 * Calls what a case or a step names, with what comes by position, then the fields, then the idempotency key.
 *
 * @param {reevit.Reevit} client
 * @param {any} named
 */
export function called(client, { call, args = [], fields, idempotency_key: key }) {
  /** @type {any} */
  let owner = client;
  const names = call.split('.').map(camel);
  for (const name of names.slice(0, -1)) owner = owner[name];
  const method = owner[names.at(-1)];
  assert.equal(typeof method, 'function', `there is no ${call}`);
  const given = fields === undefined ? [...args] : [...args, fields];
  if (key !== undefined) given[method.length - 1] = { idempotencyKey: key }; // the last of its parameters
  return method.apply(owner, given);
}

/**
 * Whether an error is the one that was expected, and says what it should.
 *
 * @param {any} error
 * @param {Record<string, any>} expected
 */
export function checkError(error, { class: name, ...expected }) {
  const kind = name === 'ValueError' ? TypeError : /** @type {any} */ (reevit)[name];
  assert.ok(error instanceof kind, `${name} was expected, not ${error}`);
  const found = Object.fromEntries(Object.keys(expected).map((key) => [key, error[camel(key)]]));
  assert.deepEqual(found, expected);
}
