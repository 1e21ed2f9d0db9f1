/** How one call is sent, again if need be, and its answer read. Sending and waiting are given; nothing else differs. */

import { type Call, decoded } from './call.js';
import {
  apiError,
  ReevitAbortError,
  ReevitConnectionError,
  ReevitTimeoutError,
  type Said,
  UnexpectedAnswer,
} from './errors.js';
import { type Answer, type NoAnswer, type Outcome, told, type WireRequest } from './wire.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/** A server that asks for more patience than this is not waited for: the caller is told, with `retryAfter`. */
const LONGEST_RETRY_AFTER_SECONDS = 60;

/** What says that there was no connection, or none that is trusted, so that nothing can have happened. */
const NOT_CONNECTED = new RegExp(
  '^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|BAD_PORT)$|' +
    'CERT|^UNABLE_TO_|^ERR_SSL_WRONG_VERSION_NUMBER$', // https, as OpenSSL says it
);

/** Said of a write that was sent and not answered. */
const MAY_HAVE_HAPPENED = " It may have happened: the same call with this error's `idempotencyKey` does nothing twice.";

/** One try of one call, for logs and metrics. It holds no key, no body and no query. */
export interface Attempt {
  method: string;
  path: string;
  /** Counts from 1. */
  number: number;
  latencyMs: number;
  /** Null when there was no answer; `error` says why. */
  statusCode: number | null;
  error: string | null;
  /** With `idempotencyKey`, finds it in the server's log. */
  requestId: string | null;
  idempotencyKey: string | null;
  /** The pause before the next try; null when there is none. */
  waitMs: number | null;
}

/** By what a call is sent. */
export interface Means {
  readonly maxRetries: number;
  send(request: WireRequest): Promise<Outcome>;
  /** Shorter when the signal is aborted meanwhile. */
  pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
  observe(attempt: Attempt): void;
}

/**
 * Sends `request` until it is answered for good. Raises what errors.ts draws.
 *
 * The request is the same each time, its Idempotency-Key too: what was executed before a connection broke is replayed
 * and not done twice.
 */
export async function attempts<T>(call: Call<T>, request: WireRequest, means: Means): Promise<T> {
  const signal = call.options?.signal;
  for (let number = 1; ; number += 1) {
    if (signal?.aborted) throw aborted(request, signal.reason, number > 1);
    const started = performance.now();
    const outcome = await means.send(request);
    const waitMs = number <= means.maxRetries ? waitAfter(outcome, number) : null;
    means.observe(attempt(call, request, outcome, number, performance.now() - started, waitMs));
    if (waitMs === null) return result(call, request, outcome);
    await means.pause(waitMs, signal);
  }
}

function result<T>(call: Call<T>, request: WireRequest, outcome: Outcome): T {
  if (outcome.kind === 'aborted') throw aborted(request, outcome.error, true);
  if (outcome.kind !== 'answer') throw noAnswer(request, outcome);
  const { status, headers, content } = outcome;
  const said: Said = {
    requestId: headers.get('X-Request-Id'),
    retryAfter: retryAfter(outcome),
    idempotencyKey: keyOf(request),
  };
  if (status >= 200 && status < 300) {
    try {
      return call.read(call.bytes ? content : content.length > 0 ? decoded(content) : null);
    } catch {
      throw new UnexpectedAnswer(status, textOf(request, outcome), said);
    }
  }
  if (status < 400) throw new UnexpectedAnswer(status, withoutKey(request, headers.get('Location') ?? ''), said);
  throw apiError(status, jsonOf(content), textOf(request, outcome), said);
}

function jsonOf(content: Uint8Array): unknown {
  try {
    return decoded(content);
  } catch {
    return null;
  }
}

function textOf(request: WireRequest, answer: Answer): string {
  return withoutKey(request, new TextDecoder().decode(answer.content));
}

/** Whoever answers may repeat what was sent to it, and errors are logged. */
function withoutKey(request: WireRequest, text: string): string {
  const key = request.headers['X-Reevit-Key'];
  return key ? text.replaceAll(key, 'pfk_…') : text;
}

function noAnswer(request: WireRequest, { kind, code, message, error }: NoAnswer): ReevitConnectionError {
  const key = keyOf(request);
  const { origin } = new URL(request.url);
  let said = `The connection to ${origin} broke before its answer (${message}).`;
  if (NOT_CONNECTED.test(code)) {
    said = `Cannot connect to ${origin} (${message}). Does the server run there? baseUrl or REEVIT_BASE_URL says.`;
  } else if (kind === 'late') {
    said = `${origin} did not answer in time (${message}); \`timeout\` sets how long to wait.`;
  }
  if (key !== null && !NOT_CONNECTED.test(code)) said += MAY_HAVE_HAPPENED;
  const Kind = kind === 'late' ? ReevitTimeoutError : ReevitConnectionError;
  return new Kind(said, key, { cause: error });
}

function aborted(request: WireRequest, reason: unknown, wasSent: boolean): ReevitAbortError {
  const key = keyOf(request);
  const said = `The call was aborted by its signal${wasSent ? '' : ' before it was sent'} (${told(reason).message}).`;
  return new ReevitAbortError(key !== null && wasSent ? said + MAY_HAVE_HAPPENED : said, key, { cause: reason });
}

/** Of a write; null of a read. */
function keyOf(request: WireRequest): string | null {
  return request.method === 'GET' ? null : (request.headers['Idempotency-Key'] ?? null);
}

/** Milliseconds until the next try, or null. Full jitter, so that a crowd of clients does not come back as one. */
function waitAfter(outcome: Outcome, number: number): number | null {
  const jitter = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (number - 1));
  if (outcome.kind === 'aborted') return null;
  if (outcome.kind !== 'answer') return jitter;
  if (!isRetried(outcome.status) && !isStillRunning(outcome)) return null;
  const asked = retryAfter(outcome);
  if (asked === null) return jitter;
  return asked > LONGEST_RETRY_AFTER_SECONDS ? null : asked * 1000 + jitter;
}

/** After these the same request may well succeed. None of them leaves a stored answer under its key. */
function isRetried(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** An earlier try of this very request is under way; its answer comes to whoever asks again. */
function isStillRunning(answer: Answer): boolean {
  if (answer.status !== 409) return false;
  return new TextDecoder().decode(answer.content).includes('"idempotency_key_in_use"');
}

/** In seconds. Seconds or a date, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after; null when neither. */
function retryAfter(answer: Answer): number | null {
  const value = answer.headers.get('Retry-After')?.trim() ?? '';
  if (/^-?\d+(\.\d+)?$/.test(value)) return Math.max(0, Number(value));
  const date = value.endsWith('GMT') ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

function attempt(
  call: Call<unknown>,
  request: WireRequest,
  outcome: Outcome,
  number: number,
  latencyMs: number,
  waitMs: number | null,
): Attempt {
  const answer = outcome.kind === 'answer' ? outcome : null;
  return {
    method: call.method,
    path: call.path,
    number,
    latencyMs,
    statusCode: answer === null ? null : answer.status,
    error: outcome.kind === 'answer' ? null : outcome.code,
    requestId: answer === null ? null : answer.headers.get('X-Request-Id'),
    idempotencyKey: keyOf(request),
    waitMs,
  };
}
