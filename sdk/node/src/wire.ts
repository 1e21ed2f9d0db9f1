/** One request and its answer, with a limit of time over both: the only file that talks to the network. */

import { inspect } from 'node:util';

import { onAbort } from './aborts.js';

/** `fetch`, or what stands in for it: a test's, or one with a proxy's dispatcher. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What goes over the wire, the same in each try. */
export interface WireRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** The server answered, whatever it said. */
export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly content: Uint8Array;
}

/** It did not, or not to the end. `code` is the system's or undici's word for it: ECONNREFUSED, UND_ERR_SOCKET … */
export interface NoAnswer {
  readonly kind: 'broken' | 'late' | 'aborted';
  readonly code: string;
  readonly message: string;
  readonly error: unknown;
}

export type Outcome = Answer | NoAnswer;

/** The limit of time here, and what undici, which is Node's fetch, calls its own. */
const LATE = new Set([
  'TimeoutError',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);

/** Longer than this and `setTimeout` fires at once: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Sends a request once. Never raises: what went wrong is an outcome too. */
export async function sent(
  request: WireRequest,
  fetch: Fetch,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const limit = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    limit.signal.addEventListener('abort', () => reject(limit.signal.reason), { once: true });
  });
  const forget = onAbort(signal, () => limit.abort(signal?.reason));
  const late = () => limit.abort(new DOMException(`no answer within ${timeout} ms`, 'TimeoutError'));
  const timer = timeout > LONGEST_TIMER ? undefined : setTimeout(late, timeout);
  try {
    // Raced, because a fetch that is not Node's may not heed the signal.
    return await Promise.race([answered(request, fetch, limit.signal), stopped]);
  } catch (error) {
    if (signal?.aborted) return { kind: 'aborted', ...told(signal.reason), error: signal.reason };
    const { code, message } = told(error);
    return { kind: LATE.has(code) ? 'late' : 'broken', code, message, error };
  } finally {
    clearTimeout(timer);
    forget();
  }
}

async function answered(request: WireRequest, fetch: Fetch, signal: AbortSignal): Promise<Answer> {
  const { method, url, body } = request;
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, inBytes(value)]));
  // Redirects are not followed: they would carry the key to whoever is named, and turn a POST into a GET.
  const response = await fetch(url, { method, headers, body, signal, redirect: 'manual' });
  const content = new Uint8Array(await response.arrayBuffer());
  return { kind: 'answer', status: response.status, headers: response.headers, content };
}

/** A header as UTF-8, which the server reads: a reason may be given in any language. A byte is one character here. */
function inBytes(value: string): string {
  return Buffer.from(value).toString('latin1');
}

/** Node's fetch says only "fetch failed"; why is in the cause, whose message may be empty and whose code is not. */
export function told(error: unknown): { code: string; message: string } {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return { code: 'error', message: typeof cause === 'string' ? cause : inspect(cause) };
  // The ports of other services, to which fetch does not go; that has no code.
  if (cause.message === 'bad port') return { code: 'BAD_PORT', message: cause.message };
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
  return { code, message: cause.message || code };
}

/** Waits, but no longer than until the signal is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(stop, milliseconds);
    const forget = onAbort(signal, stop);
  });
}
