/** One call of the API as a value: what is sent, and how its answer is read. Nothing here talks to the network. */

import { inspect } from 'node:util';

import { instant, isObject, parse } from './json.js';

/** A customer named by your own id. */
export interface ByExternalId {
  external_id: string;
}

/** What every call takes, after all else. */
export interface ReadOptions {
  /**
   * Ends the call when it is aborted, also while it waits to be sent again. What is thrown is a ReevitAbortError: its
   * `name` is `AbortError`, its `cause` is `signal.reason`, and that of a write has its `idempotencyKey`.
   */
  signal?: AbortSignal | undefined;
}

/** What every call that changes something takes, after all else. */
export interface WriteOptions extends ReadOptions {
  /**
   * The same key and the same call, again: for a day at least it is answered as before, and not done twice. Left out,
   * the call makes one of its own; an empty one is refused, for it may be a variable that is not set.
   */
  idempotencyKey?: string | undefined;
}

/**
 * A request, and what makes an object of the answer's JSON (or of its bytes, when `bytes`). `read` raises for an answer
 * that is something else.
 */
export interface Call<T> {
  readonly method: string;
  readonly path: string;
  readonly read: (answer: unknown) => T;
  readonly query?: object | undefined;
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly bytes?: boolean;
  readonly options?: WriteOptions | undefined;
}

/** Whoever sends calls. */
export interface Sender {
  send<T>(call: Call<T>): Promise<T>;
}

/** The answer of a call that has none. */
export function nothing(): void {}

/** The object that an answer is. Raises TypeError when it is none: it is not Reevit that spoke. */
export function object<T extends object>(answer: unknown): T {
  if (!isObject(answer)) throw new TypeError('The answer is no object.');
  return answer as T;
}

/**
 * `/v1/…`, each part percent-encoded whole, so that an id is one segment whatever is in it.
 *
 * Raises TypeError for an id that is no string, is empty (`GET /v1/customers/` would be the list) or that every URL
 * parser takes for a step in the path.
 */
export function pathOf(...parts: string[]): string {
  for (const part of parts) {
    if (typeof part !== 'string' || part === '' || part === '.' || part === '..') {
      throw new TypeError(`An id cannot be ${inspect(part, { depth: 0 })}. Is the variable set?`);
    }
  }
  return `/v1/${parts.map(percentEncoded).join('/')}`;
}

/**
 * The address of a customer by Reevit's id, or by the merchant's own: `{ external_id: 'usr_1' }`.
 *
 * Raises TypeError for an object that says more: the `external_id` of a whole customer, as it once was read, may be
 * another's by now, and `id` would have been the one that was meant.
 */
export function customerPath(customer: string | ByExternalId, ...parts: string[]): string {
  if (!isObject(customer)) return pathOf('customers', customer as string, ...parts);
  if (Object.keys(customer).join() !== 'external_id') {
    throw new TypeError("Give the customer's id, customer.id, or { external_id: … }; not the whole object.");
  }
  return pathOf('customers', 'external', customer.external_id, ...parts);
}

/**
 * What a method was given as fields or filters; none is none. Raises TypeError for anything but an object: `5000` has
 * no fields, and a refund of no amount would be one of all of it.
 */
export function fieldsOf(given: object | null | undefined): Record<string, unknown> {
  if (given === undefined || given === null) return {};
  if (!isObject(given)) {
    throw new TypeError(`Fields are given as an object, { amount: 5000 }, not as ${inspect(given, { depth: 0 })}.`);
  }
  return given;
}

/** The fields that are there: null says the same as none. */
export function withoutNulls(given: object | null | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fieldsOf(given)).filter(([, value]) => value !== null));
}

/** `?name=value&…`, or ''. Null and undefined are left out, a list is repeated, an object is `name[key]=value`. */
export function encodedQuery(query: object): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    for (const [key, each] of flattened(name, value)) {
      pairs.push(`${percentEncoded(key)}=${percentEncoded(text(each, key))}`);
    }
  }
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}

/** The JSON of an answer. Raises TypeError or SyntaxError when it is none. */
export function decoded(content: Uint8Array): unknown {
  return parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
}

function flattened(name: string, value: unknown): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (each: unknown) => [name, each]);
  if (isObject(value) && !(value instanceof Date)) {
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    return given.map(([key, each]) => [`${name}[${key}]`, each]);
  }
  return [[name, value]];
}

function text(value: unknown, name: string): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return String(value);
  }
  if (value instanceof Date) return instant(value, name);
  throw new TypeError(`\`${name}\` cannot be ${inspect(value, { depth: 0 })}.`);
}

/** `encodeURIComponent`, and what that leaves of the characters that a URL may give a meaning. */
function percentEncoded(value: string): string {
  try {
    return encodeURIComponent(value).replace(/[!'()*]/g, (left) => `%${left.charCodeAt(0).toString(16).toUpperCase()}`);
  } catch {
    throw new TypeError(`${inspect(value)} is no text: it has half of a character in it.`);
  }
}
