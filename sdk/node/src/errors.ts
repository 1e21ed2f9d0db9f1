/**
 * What can go wrong.
 *
 * ```
 * ReevitError
 * ├── ReevitAPIError               the API answered, and said no
 * │   ├── InvalidRequestError      400, 405, 413, 415   mend the request: `fields` says where
 * │   ├── AuthenticationError      401   the key is missing, wrong or revoked
 * │   ├── PermissionDeniedError    403   the key may not do this, or is another organization's
 * │   ├── NotFoundError            404, 410   there is no such thing here (any more)
 * │   ├── ConflictError            409   it is taken, or its state does not allow this
 * │   ├── UnprocessableError       422   understood, but what it refers to does not fit
 * │   ├── RateLimitError           429   `retryAfter` seconds
 * │   ├── ServerError              500   a fault of the server; quote `requestId`
 * │   │   ├── ProviderError        502   a payment provider did not answer as it should
 * │   │   └── UnavailableError     503, 504   busy or restarting; it was retried already
 * │   └── UnexpectedAnswer         an answer that is not Reevit's: a proxy's page, a redirect
 * ├── ReevitConnectionError        no answer: it was retried already
 * │   ├── ReevitTimeoutError       none in time
 * │   └── ReevitAbortError         your `signal` ended the call; its `name` is AbortError
 * ├── ConfigurationError           no API key, or one that cannot be sent
 * └── WebhookVerificationError     a delivery that cannot be trusted
 * ```
 *
 * A write that ended in a ReevitConnectionError, a ServerError or an UnexpectedAnswer may have happened. Repeat it with
 * the same `idempotencyKey`, which is on the error, and it will not happen twice.
 */

import { isObject, type JsonObject } from './json.js';

/** By what a class of errors is known in either build of this package, and in a second copy of it. */
const KIND = Symbol.for('@reevit/node/error');

/** Anything that this package raises about a call or a delivery. */
export class ReevitError extends Error {
  /**
   * @internal A program may load this package twice, by `import` and by `require`; an error of the one is then an
   * instance of the same class of the other. A class that somebody derives from these is known by itself alone.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const kind = kindOf(this.prototype);
    if (kind === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    for (let found = value; typeof found === 'object' && found !== null; found = Object.getPrototypeOf(found)) {
      if (kindOf(found) === kind) return true;
    }
    return false;
  }
}

function kindOf(prototype: object): unknown {
  return Object.getOwnPropertyDescriptor(prototype, KIND)?.value;
}

/** The client cannot be made as it was asked for. */
export class ConfigurationError extends ReevitError {}

/** The server could not be reached, or the connection broke before its answer. `cause` is what `fetch` said. */
export class ReevitConnectionError extends ReevitError {
  /** The one that the write carried; give it to the same call to ask again safely. Null for reads. */
  readonly idempotencyKey: string | null;

  constructor(message: string, idempotencyKey: string | null = null, options?: { cause?: unknown }) {
    super(message, options);
    this.idempotencyKey = idempotencyKey;
  }
}

/** The server did not answer in time. */
export class ReevitTimeoutError extends ReevitConnectionError {}

/**
 * Your `signal` ended the call. As with Node's own calls the `name` is `AbortError`, and `cause` is `signal.reason`: a
 * TimeoutError, say, of `AbortSignal.timeout`. The reason itself is not thrown, since it may be that of many calls, and
 * each write has a key of its own.
 */
export class ReevitAbortError extends ReevitConnectionError {}

/** One fault of a refused body or query. */
export interface FieldFault {
  field: string;
  code: string;
  message: string;
}

/** What an answer said about a failure. */
export interface Failure {
  statusCode: number;
  message: string;
  code?: string | null;
  details?: JsonObject | null;
  requestId?: string | null;
  retryAfter?: number | null;
  idempotencyKey?: string | null;
}

/** What is known of a failure beside its body. */
export type Said = Pick<Failure, 'requestId' | 'retryAfter' | 'idempotencyKey'>;

/** The API answered with an error. */
export class ReevitAPIError extends ReevitError {
  readonly statusCode: number;
  /** Says what went wrong, and stays; `message` says what to do about it, and may be worded better tomorrow. */
  readonly code: string;
  /** What the code refers to: the fields, an id, an amount. */
  readonly details: JsonObject;
  /** The handle by which the operator finds the request. */
  readonly requestId: string | null;
  /** In seconds, if the server said when to ask again. */
  readonly retryAfter: number | null;
  /** The one that the write carried; give it to the same call to ask again safely. Null for reads. */
  readonly idempotencyKey: string | null;

  constructor(failure: Failure) {
    super(failure.message);
    this.statusCode = failure.statusCode;
    this.code = failure.code || 'api_error';
    this.details = failure.details ?? {};
    this.requestId = failure.requestId ?? null;
    this.retryAfter = failure.retryAfter ?? null;
    this.idempotencyKey = failure.idempotencyKey ?? null;
  }

  /** The faults of a refused body or query. */
  get fields(): FieldFault[] {
    return Array.isArray(this.details.fields) ? this.details.fields : [];
  }

  override toString(): string {
    return super.toString() + (this.requestId === null ? '' : ` (request_id=${this.requestId})`);
  }
}

/** The request is not one that the API can read. */
export class InvalidRequestError extends ReevitAPIError {}

/** The API key is missing, wrong or revoked. */
export class AuthenticationError extends ReevitAPIError {}

/** The API key may not do this. */
export class PermissionDeniedError extends ReevitAPIError {}

/** There is no such thing in this organization and mode, or it was deleted. */
export class NotFoundError extends ReevitAPIError {}

/** Something with this id exists already, or its state does not allow this. */
export class ConflictError extends ReevitAPIError {}

/** The request is well formed, but what it refers to does not fit. */
export class UnprocessableError extends ReevitAPIError {}

/** Too many requests. */
export class RateLimitError extends ReevitAPIError {}

/** A fault of the server. */
export class ServerError extends ReevitAPIError {}

/** A payment provider did not answer as it should. */
export class ProviderError extends ServerError {}

/** The server is busy, or restarting. */
export class UnavailableError extends ServerError {}

/** An answer that is not Reevit's. */
export class UnexpectedAnswer extends ReevitAPIError {
  constructor(statusCode: number, answer: string, said?: Said) {
    super({ ...said, statusCode, message: notOurs(statusCode, answer), code: 'unexpected_response_shape' });
  }
}

/** Why a delivery cannot be trusted. */
export type WebhookFault =
  /** It does not match, or is missing. */
  | 'invalid_signature'
  /** The body is no JSON object, or was parsed before it came here. */
  | 'invalid_payload'
  | 'missing_signature_timestamp'
  /** An old delivery, played again. */
  | 'timestamp_out_of_tolerance'
  | 'missing_secret';

/** A delivery that cannot be trusted; `code` tells why. */
export class WebhookVerificationError extends ReevitError {
  readonly code: WebhookFault;

  constructor(message: string, code: WebhookFault, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

// Written out, because a program that is minified renames its classes.
const named = {
  ReevitError,
  ConfigurationError,
  ReevitConnectionError,
  ReevitTimeoutError,
  AbortError: ReevitAbortError, // by which name programs know it
  ReevitAPIError,
  InvalidRequestError,
  AuthenticationError,
  PermissionDeniedError,
  NotFoundError,
  ConflictError,
  UnprocessableError,
  RateLimitError,
  ServerError,
  ProviderError,
  UnavailableError,
  UnexpectedAnswer,
  WebhookVerificationError,
};
for (const [name, kind] of Object.entries(named)) {
  Object.defineProperty(kind.prototype, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(kind.prototype, KIND, { value: name });
}

const BY_STATUS: Readonly<Record<number, new (failure: Failure) => ReevitAPIError>> = {
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  410: NotFoundError,
  422: UnprocessableError,
  429: RateLimitError,
  502: ProviderError,
  503: UnavailableError,
  504: UnavailableError,
};

/** The error that an answer stands for; `answer` is its JSON, if `text` was any. */
export function apiError(
  statusCode: number,
  answer: unknown,
  text: string,
  beside: Said,
): ReevitAPIError {
  const Kind = BY_STATUS[statusCode] ?? (statusCode >= 500 ? ServerError : InvalidRequestError);
  const said = isObject(answer) && typeof answer.code === 'string' ? answer : null;
  if (said === null) {
    // A proxy's page, say.
    return new Kind({ statusCode, message: notOurs(statusCode, text), ...beside });
  }
  return new Kind({
    statusCode,
    message: String(said.message || 'The request failed.'),
    code: said.code,
    details: isObject(said.details) ? said.details : null,
    ...beside,
  });
}

function notOurs(statusCode: number, answer: string): string {
  const start = JSON.stringify(answer.slice(0, 100));
  return `The answer (${statusCode}) is not Reevit's: ${start}. Is baseUrl right, and does a proxy stand between?`;
}
