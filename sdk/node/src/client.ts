/** The client: settings, and what can be asked of the API with them. */

import { randomUUID } from 'node:crypto';
import { debuglog, inspect } from 'node:util';

import { type Attempt, attempts } from './attempts.js';
import { type Call, encodedQuery, fieldsOf, type Sender, type WriteOptions } from './call.js';
import { ConfigurationError } from './errors.js';
import { encode, isObject } from './json.js';
import { ApiKeys } from './resources/api-keys.js';
import { Customers } from './resources/customers.js';
import { Events } from './resources/events.js';
import { Invoices } from './resources/invoices.js';
import { Messages } from './resources/messages.js';
import { Payments, Refunds } from './resources/payments.js';
import { Sandbox } from './resources/sandbox.js';
import type { Mode } from './resources/shared.js';
import { RetryPolicies, Subscriptions } from './resources/subscriptions.js';
import { Webhooks } from './resources/webhooks.js';
import { Workflows } from './resources/workflows.js';
import { VERSION } from './version.js';
import { type Fetch, pause, sent, type WireRequest } from './wire.js';

const DEFAULT_BASE_URL = 'http://localhost:8000';
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RETRIES = 2;

const log = debuglog('reevit');

/** How a client is made; all is optional. */
export interface ReevitOptions {
  /** `REEVIT_API_KEY` unless said. */
  apiKey?: string | undefined;
  /** Refused by the server when the key is another organization's. */
  orgId?: string | undefined;
  /** `REEVIT_BASE_URL` unless said, or else `http://localhost:8000`. */
  baseUrl?: string | undefined;
  /** Milliseconds for one try, from its start to the last byte of its answer; 30000 unless said. */
  timeout?: number | undefined;
  /** How often a call is sent again when the server could not be reached, was too busy, or broke off; 2 unless said. */
  maxRetries?: number | undefined;
  /** Instead of Node's own, for tests or a proxy. */
  fetch?: Fetch | undefined;
  /**
   * Is told of every try, for metrics. Without it they are printed when `NODE_DEBUG=reevit` is set. What it throws is
   * a warning of the process, and does not end the call.
   */
  onAttempt?: ((attempt: Attempt) => void) | undefined;
  /** @internal Instead of waiting, in tests. */
  pause?: typeof pause | undefined;
  /** @internal */
  actorId?: string | undefined;
  /** @internal */
  reason?: string | undefined;
}

/** What may be different for some calls. */
export interface CallSettings {
  timeout?: number | undefined;
  maxRetries?: number | undefined;
  /** Who does it; kept with every event that the calls bring about. */
  actorId?: string | undefined;
  /** Why; kept likewise. */
  reason?: string | undefined;
}

/** What `request` sends. */
export interface RequestFields extends WriteOptions {
  query?: object | undefined;
  body?: object | undefined;
  headers?: Record<string, string> | undefined;
}

/**
 * The API of Reevit Customers.
 *
 * ```js
 * const reevit = new Reevit('pfk_test_…');
 * const ada = await reevit.customers.create({ external_id: 'usr_1234', email: 'ada@example.com' });
 * await reevit.payments.create({ amount: 15000, currency: 'GHS', customer_id: ada.id });
 * ```
 */
export class Reevit {
  readonly baseUrl: string;
  readonly orgId: string | null;

  readonly customers: Customers;
  readonly payments: Payments;
  readonly refunds: Refunds;
  readonly subscriptions: Subscriptions;
  readonly invoices: Invoices;
  readonly retryPolicies: RetryPolicies;
  readonly events: Events;
  readonly webhooks: Webhooks;
  readonly workflows: Workflows;
  readonly messages: Messages;
  readonly apiKeys: ApiKeys;
  readonly sandbox: Sandbox;

  readonly #options: ReevitOptions;
  readonly #apiKey: string;
  readonly #timeout: number;
  readonly #maxRetries: number;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options?: ReevitOptions);
  constructor(apiKey?: string, orgId?: string, baseUrl?: string);
  constructor(first?: ReevitOptions | string, orgId?: string, baseUrl?: string) {
    const options = isObject(first) ? (first as ReevitOptions) : { apiKey: first as string, orgId, baseUrl };
    this.#options = options;
    // What is given and empty is not replaced: an unset variable must not choose another account's key.
    this.#apiKey = checkedKey(options.apiKey ?? process.env.REEVIT_API_KEY);
    this.#timeout = checkedTimeout(options.timeout ?? DEFAULT_TIMEOUT_MS);
    this.#maxRetries = checkedRetries(options.maxRetries ?? DEFAULT_MAX_RETRIES);
    this.baseUrl = checkedUrl(options.baseUrl ?? (process.env.REEVIT_BASE_URL || DEFAULT_BASE_URL));
    this.orgId = options.orgId || null;
    this.#headers = checkedHeaders({
      Accept: 'application/json',
      'User-Agent': `reevit-node/${VERSION} node/${process.versions.node}`,
      'X-Reevit-Key': this.#apiKey,
      'X-Reevit-Client': '@reevit/node',
      'X-Reevit-Client-Version': VERSION,
      'X-Org-Id': options.orgId || undefined,
      'X-Actor-Id': options.actorId,
      'X-Reason': options.reason,
    });
    const sender: Sender = { send: (call) => this.#send(call) };
    this.customers = new Customers(sender);
    this.payments = new Payments(sender);
    this.refunds = new Refunds(sender);
    this.subscriptions = new Subscriptions(sender);
    this.invoices = new Invoices(sender);
    this.retryPolicies = new RetryPolicies(sender);
    this.events = new Events(sender);
    this.webhooks = new Webhooks(sender);
    this.workflows = new Workflows(sender);
    this.messages = new Messages(sender);
    this.apiKeys = new ApiKeys(sender);
    this.sandbox = new Sandbox(sender);
  }

  /** By the key, which alone decides; null when it is not one of Reevit's. */
  get mode(): Mode | null {
    if (this.#apiKey.startsWith('pfk_test_')) return 'test';
    return this.#apiKey.startsWith('pfk_live_') ? 'live' : null;
  }

  /** The same client, on the same connections, with other settings for the calls made through it. */
  withOptions(settings?: CallSettings): Reevit {
    const given = Object.entries(fieldsOf(settings)).filter(([, value]) => value !== undefined);
    return new Reevit({
      ...this.#options,
      apiKey: this.#apiKey,
      baseUrl: this.baseUrl,
      ...Object.fromEntries(given),
    });
  }

  /**
   * Any call of the API, also one that this version does not know: its JSON, or null. A write gets an idempotency key,
   * and is retried, like any; your own is `idempotencyKey`, or the header.
   *
   * ```js
   * await reevit.request('GET', '/v1/customers', { query: { limit: 1 } });
   * ```
   */
  async request<T = unknown>(method: string, path: string, fields?: RequestFields): Promise<T> {
    // It would go on with the host's name, and the key to another host.
    if (!path.startsWith('/')) throw new TypeError(`A path begins with a slash, unlike ${inspect(path)}.`);
    const { query, body, headers, ...options }: RequestFields = fieldsOf(fields);
    const [plain = '', ...rest] = path.split('?');
    const read = (answer: unknown) => answer as T;
    const asked = { ...queryOf(rest.join('?')), ...query };
    return this.#send({ method: method.toUpperCase(), path: plain, query: asked, body, headers, read, options });
  }

  async #send<T>(call: Call<T>): Promise<T> {
    const { fetch = globalThis.fetch, onAttempt, pause: wait = pause } = this.#options;
    return attempts(call, this.#wireRequest(call), {
      maxRetries: this.#maxRetries,
      send: (request) => sent(request, fetch, this.#timeout, call.options?.signal),
      pause: wait,
      observe: onAttempt ? (attempt) => observed(onAttempt, attempt) : logged,
    });
  }

  #wireRequest(call: Call<unknown>): WireRequest {
    const headers: Record<string, string | undefined> = {};
    if (call.body !== undefined) headers['Content-Type'] = 'application/json';
    // Kept for all tries of this call: the server answers the later ones from memory.
    if (call.method !== 'GET') headers['Idempotency-Key'] = checkedIdempotencyKey(call);
    return {
      method: call.method,
      url: this.#url(call),
      headers: checkedHeaders(this.#headers, headers, call.headers),
      body: call.body === undefined ? null : encode(fieldsOf(call.body)),
    };
  }

  /** Raises TypeError for a path that every URL parser would make another one of, `/v1/customers/../payments`. */
  #url(call: Call<unknown>): string {
    const base = new URL(this.baseUrl);
    const expected = base.pathname.replace(/\/$/, '') + call.path;
    if (new URL(base.origin + expected).pathname !== expected) {
      throw new TypeError(`${inspect(call.path)} is no plain path. Are its parts percent-encoded?`);
    }
    return base.origin + expected + encodedQuery(call.query ?? {});
  }

  /** @internal Without the key: clients are logged too. */
  [inspect.custom](): string {
    return `Reevit { baseUrl: ${inspect(this.baseUrl)}, mode: ${inspect(this.mode)} }`;
  }
}

function checkedKey(apiKey: string | undefined): string {
  if (!apiKey) throw new ConfigurationError('There is no API key: give `apiKey`, or set REEVIT_API_KEY.');
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ConfigurationError(
      "The API key holds a space, a line's end or another character that no key has. " +
        'It looks like pfk_test_….…; was it copied whole, and alone?',
    );
  }
  return apiKey;
}

function checkedUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigurationError(`baseUrl must be an address like ${DEFAULT_BASE_URL}.`);
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new ConfigurationError('baseUrl must be http:// or https://, a host and perhaps a path, and nothing else.');
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

function checkedTimeout(timeout: number): number {
  if (typeof timeout === 'number' && timeout > 0) return timeout;
  throw new ConfigurationError(`\`timeout\` is in milliseconds, Infinity for none, not ${inspect(timeout)}.`);
}

function checkedRetries(maxRetries: number): number {
  if (Number.isInteger(maxRetries) && maxRetries >= 0) return maxRetries;
  throw new ConfigurationError(`\`maxRetries\` is a whole number from 0, not ${inspect(maxRetries)}.`);
}

/** The given one, also when it is given as a header, or a new one. Raises TypeError for one that is empty. */
function checkedIdempotencyKey({ options, headers = {} }: Call<unknown>): string {
  const isKey = ([name, value]: [string, unknown]) => name.toLowerCase() === 'idempotency-key' && value !== undefined;
  const header = Object.entries(headers).filter(isKey).at(-1);
  const given: string | null | undefined = header === undefined ? options?.idempotencyKey : header[1];
  if (given === undefined) return randomUUID();
  // A new one in its place would let the same call happen twice, which whoever gave it means to prevent.
  if (given === null || String(given).trim() === '') {
    throw new TypeError(`An idempotency key cannot be ${inspect(given)}. Is the variable set?`);
  }
  return given;
}

/** Those that have a value, the last of each name. Raises TypeError for what no header can hold. */
function checkedHeaders(
  ...given: (Readonly<Record<string, string | undefined>> | undefined)[]
): Record<string, string> {
  const checked: Record<string, string> = {};
  const names = new Map<string, string>();
  for (const [name, value] of given.flatMap((headers) => Object.entries(headers ?? {}))) {
    if (value === undefined) continue;
    if (typeof value !== 'string' || /[\p{Cc}\p{Cs}]/u.test(value)) {
      throw new TypeError(`${name} cannot be ${inspect(value)}: a header is one line of printable characters.`);
    }
    const first = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), first);
    checked[first] = value;
  }
  return checked;
}

/** The query that a path came with. */
function queryOf(search: string): Record<string, string[]> {
  const found = new URLSearchParams(search);
  return Object.fromEntries(Array.from(found.keys(), (name) => [name, found.getAll(name)]));
}

/**
 * Tells the user's `onAttempt`. What that throws, also later, is no more than a warning: the payment is made by then,
 * and its answer must not be lost because it could not be counted.
 */
function observed(onAttempt: (attempt: Attempt) => unknown, attempt: Attempt): void {
  const warn = (error: unknown) => process.emitWarning(`onAttempt threw ${inspect(error)}`, 'ReevitWarning');
  try {
    const done = onAttempt(attempt);
    if (done instanceof Promise) done.catch(warn);
  } catch (error) {
    warn(error);
  }
}

function logged(attempt: Attempt): void {
  const again = attempt.waitMs === null ? '' : `, again in ${Math.round(attempt.waitMs)} ms`;
  log(
    '%s %s: %s in %d ms (try %d%s, request_id=%s)',
    attempt.method,
    attempt.path,
    attempt.statusCode ?? attempt.error,
    Math.round(attempt.latencyMs),
    attempt.number,
    again,
    attempt.requestId,
  );
}
