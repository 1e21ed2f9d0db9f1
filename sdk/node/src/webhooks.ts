/**
 * Is this delivery from Reevit, whole, and new? `constructEvent` is the one call that a receiver makes.
 *
 * Two signatures cover the raw body, as `docs/webhooks.md` says: `X-Reevit-Signature`, hex HMAC-SHA256 keyed with the
 * secret as it is written, and those of Standard Webhooks (https://www.standardwebhooks.com), keyed with its bytes.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

import { type DeliveryHeaders, type Header, headersOf } from './delivery-headers.js';
import { WebhookVerificationError } from './errors.js';
import { isObject, parse } from './json.js';
import type { Event } from './resources/events.js';

/** The body as it came, before anybody parsed it. */
export type RawBody = string | Uint8Array | ArrayBuffer;

/** How a delivery is verified. */
export interface Verification {
  /** Deliveries signed longer ago than this, or further ahead, are refused; 300 unless said. */
  toleranceSeconds?: number | undefined;
  /** The instant that they are compared with, for tests of receivers. */
  now?: Date | undefined;
}

const DEFAULT_TOLERANCE_SECONDS = 300;

/** An instant with its zone, as RFC 3339 writes it. */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * The event of a delivery that is genuine and fresh.
 *
 * `rawBody` is the body as it came, bytes or text: with Express, `express.raw({ type: 'application/json' })` leaves it
 * in `request.body`. `headers` are the request's; `secret` is the endpoint's `whsec_…`. An old delivery is refused,
 * because somebody may play it again.
 *
 * Raises WebhookVerificationError; answer 400 then, and Reevit tries again later.
 */
export function constructEvent(
  rawBody: RawBody,
  headers: DeliveryHeaders,
  secret: string,
  verification?: Verification | null,
): Event {
  refuseMisuse(rawBody, secret);
  const body = bytesOf(rawBody);
  const header = headersOf(headers);
  refuseUnsigned(header);
  if (!isSigned(body, header, secret)) {
    throw new WebhookVerificationError(
      "The signature does not match the body. Is it this endpoint's secret, and the body as it came, not parsed and " +
        'written again?',
      'invalid_signature',
    );
  }
  const event = parsed(body);
  refuseOld(event, verification?.toleranceSeconds ?? DEFAULT_TOLERANCE_SECONDS, verification?.now ?? new Date());
  return event;
}

/** The value of `X-Reevit-Signature` for a body; for tests of receivers. */
export function signWebhookPayload(payload: RawBody, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(bytesOf(payload)).digest('hex')}`;
}

/** Whether `X-Reevit-Signature` fits the body; how old it is, is not looked at. */
export function verifyWebhookSignature(
  payload: RawBody,
  signature: string | null | undefined,
  secret: string,
): boolean {
  if (!signature || !secret) return false;
  return isSame(signWebhookPayload(payload, secret), signature);
}

function refuseMisuse(rawBody: unknown, secret: unknown): void {
  if (typeof rawBody !== 'string' && !(rawBody instanceof Uint8Array) && !(rawBody instanceof ArrayBuffer)) {
    throw new WebhookVerificationError(
      `The body must be the bytes as they came, not what a parser made of them (${inspect(rawBody, { depth: 0 })}): ` +
        "the signature is of the bytes. Put express.raw({ type: 'application/json' }) before the handler in Express, " +
        'and not express.json(); take await request.text() where requests are those of fetch.',
      'invalid_payload',
    );
  }
  if (typeof secret !== 'string' || secret.trim() === '') {
    throw new WebhookVerificationError(
      "The signing secret is empty, so nothing can be verified: it is the endpoint's `signing_secret`, whsec_…",
      'missing_secret',
    );
  }
}

function bytesOf(body: RawBody): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : new Uint8Array(body);
}

/** A signature that is not there is another mistake than one that does not fit: the headers went lost on the way. */
function refuseUnsigned(header: Header): void {
  if (header('x-reevit-signature') !== null || header('webhook-signature') !== null) return;
  throw new WebhookVerificationError(
    'There is no signature: neither X-Reevit-Signature nor webhook-signature is among the headers. Are they those of ' +
      'the request, all of them, and is it Reevit that sent it?',
    'invalid_signature',
  );
}

function isSigned(body: Uint8Array, header: Header, secret: string): boolean {
  return verifyWebhookSignature(body, header('x-reevit-signature'), secret) || isSignedByStandard(body, header, secret);
}

/** One of the signatures fits: while a secret is changed there are two. */
function isSignedByStandard(body: Uint8Array, header: Header, secret: string): boolean {
  const [id, timestamp] = [header('webhook-id'), header('webhook-timestamp')];
  const key = bytesOfBase64(secret.replace(/^whsec_/, ''));
  if (key === null || id === null || timestamp === null) return false;
  const digest = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  const offered = (header('webhook-signature') ?? '').split(' ');
  return offered.some((signature) => isSame(`v1,${digest}`, signature));
}

/** Null for what is not base64, where Node would make something of it all the same. */
function bytesOfBase64(text: string): Buffer | null {
  const isBase64 = text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : null;
}

/** Takes as long wherever they differ, so that nobody can guess a signature piece by piece. */
function isSame(expected: string, offered: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(offered)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function parsed(body: Uint8Array): Event {
  let found: unknown;
  try {
    found = parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const told = `The body is not JSON that can be read: ${why}`;
    throw new WebhookVerificationError(told, 'invalid_payload', { cause: error });
  }
  if (!isObject(found)) throw new WebhookVerificationError('The body is not a JSON object.', 'invalid_payload');
  return found as Event;
}

/** By the time inside the signed body, which both signatures cover. */
function refuseOld(event: Event, toleranceSeconds: number, now: Date): void {
  const told = event.signature_timestamp;
  const signedAt = typeof told === 'string' && INSTANT.test(told) ? Date.parse(told) : NaN;
  if (Number.isNaN(signedAt)) {
    throw new WebhookVerificationError(
      'The body has no signature_timestamp that says when it was signed.',
      'missing_signature_timestamp',
    );
  }
  const age = Math.abs(now.getTime() - signedAt) / 1000;
  if (!(age <= toleranceSeconds)) {
    throw new WebhookVerificationError(
      `The delivery was signed ${age.toFixed(0)} seconds from now, more than ${toleranceSeconds}. Is the clock ` +
        'right? If so, somebody plays an old delivery again.',
      'timestamp_out_of_tolerance',
    );
  }
}
