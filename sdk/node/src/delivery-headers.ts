/** The headers of a delivery, in whichever of the shapes that servers and gateways hand them over. */

import { WebhookVerificationError } from './errors.js';
import { isObject, type JsonObject } from './json.js';

/**
 * The request's headers: Node's or a gateway's object, `Headers`, a Map, pairs, `rawHeaders`, or variables of CGI
 * (`HTTP_X_REEVIT_SIGNATURE`). Or the value of `X-Reevit-Signature` alone.
 */
export type DeliveryHeaders =
  | string
  | { get(name: string): string | null }
  | Iterable<readonly [string, string | readonly string[] | undefined]>
  | readonly string[]
  | Record<string, string | readonly string[] | undefined>
  | null
  | undefined;

/** The value of a header by its name in lower case; null when there is none, or an empty one. */
export type Header = (name: string) => string | null;

/**
 * Finds headers, whatever they came in. Of those that came twice it is the first; a list or a comma says so too.
 *
 * Raises WebhookVerificationError for a request in the place of its headers.
 */
export function headersOf(given: DeliveryHeaders): Header {
  if (typeof given === 'string') return (name) => (name === 'x-reevit-signature' ? firstOf(given) : null);
  if (isObject(given) && isObject((given as JsonObject).headers)) {
    throw new WebhookVerificationError(
      'This is the request, or something else that has headers. Give its headers: request.headers.',
      'invalid_signature',
    );
  }
  if (isAsked(given)) return (name) => firstOf(given.get(name));
  const found = new Map<string, string | null>();
  for (const [name, value] of pairsOf(given)) {
    const plain = plainName(String(name));
    found.set(plain, found.get(plain) ?? firstOf(value));
  }
  return (name) => found.get(name) ?? null;
}

/** Of a header that came twice; null when it did not come, or is empty. */
function firstOf(value: unknown): string | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first.split(', ')[0] || null : null;
}

/** Whether it finds headers by itself. A Map does not: it takes names as they are written. */
function isAsked(given: unknown): given is { get(name: string): unknown } {
  return isObject(given) && !(Symbol.iterator in given) && typeof given.get === 'function';
}

function pairsOf(given: object | null | undefined): [unknown, unknown][] {
  if (given === null || typeof given !== 'object') return [];
  if (!(Symbol.iterator in given)) return Object.entries(given);
  const items = Array.from(given as Iterable<unknown>);
  if (items.every(Array.isArray)) return items as [unknown, unknown][];
  // `rawHeaders`: names and values in turn.
  return items.flatMap((name, index) => (index % 2 === 0 ? [[name, items[index + 1]] as [unknown, unknown]] : []));
}

/** Node's are in lower case already, a gateway's may not be; CGI and WSGI make variables of them. */
function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith('http_') ? lower.slice('http_'.length).replaceAll('_', '-') : lower;
}
