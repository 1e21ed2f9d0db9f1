/** Reevit Customers for Node: who your customers are, what they paid, and what they are worth. */

export type { Attempt } from './attempts.js';
export type { ByExternalId, ReadOptions, WriteOptions } from './call.js';
export { type CallSettings, Reevit, type ReevitOptions, type RequestFields } from './client.js';
export type { DeliveryHeaders } from './delivery-headers.js';
export {
  AuthenticationError,
  ConfigurationError,
  ConflictError,
  type FieldFault,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  ProviderError,
  RateLimitError,
  ReevitAbortError,
  ReevitAPIError,
  ReevitConnectionError,
  ReevitError,
  ReevitTimeoutError,
  ServerError,
  UnavailableError,
  UnexpectedAnswer,
  UnprocessableError,
  type WebhookFault,
  WebhookVerificationError,
} from './errors.js';
export type { JsonObject } from './json.js';
export type { Page, Pages } from './pages.js';
export type * from './resources/api-keys.js';
export type * from './resources/customers.js';
export type * from './resources/events.js';
export type * from './resources/executions.js';
export type * from './resources/integrations.js';
export type * from './resources/invoices.js';
export type * from './resources/messages.js';
export type * from './resources/notices.js';
export type * from './resources/payments.js';
export type * from './resources/rules.js';
export type * from './resources/sandbox.js';
export type * from './resources/shared.js';
export type * from './resources/subscriptions.js';
export type * from './resources/webhooks.js';
export type * from './resources/workflows.js';
export { VERSION } from './version.js';
export {
  constructEvent,
  type RawBody,
  signWebhookPayload,
  type Verification,
  verifyWebhookSignature,
} from './webhooks.js';
export type { Fetch } from './wire.js';
