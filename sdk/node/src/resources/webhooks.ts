/** Webhooks: who is told of what, and what became of each delivery. */

import { fieldsOf, pathOf, type ReadOptions, type Sender, withoutNulls, type WriteOptions } from '../call.js';
import type { DeliveryHeaders } from '../delivery-headers.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import { constructEvent, type RawBody, type Verification } from '../webhooks.js';
import type { Event, EventFilters } from './events.js';
import type { Created, Instant, Mode, Other, Paging } from './shared.js';

export type DeliveryStatus =
  | 'queued'
  | 'waiting'
  | 'scheduled'
  | 'sending'
  | 'delivered'
  | 'exhausted'
  | 'disabled';

/** An address that is told of `events`. */
export interface Endpoint {
  id: string;
  org_id: string;
  mode: Mode | Other;
  url: string;
  events: string[];
  description: string | null;
  enabled: boolean;
  status: 'active' | 'paused' | 'disabled' | Other;
  disabled_reason: 'turned_off' | 'gone' | 'failing' | Other | null;
  failing_since: string | null;
  /** For `constructEvent`; null to a key without `webhooks:write`. */
  signing_secret: string | null;
  previous_secret_until: string | null;
  created_at: string;
  updated_at: string;
}

/** One try of a delivery; `response_body` is the first kilobyte of the answer. */
export interface DeliveryAttempt {
  number: number;
  started_at: string;
  latency_ms: number | null;
  status_code: number | null;
  error: string | null;
  error_message: string | null;
  response_body: string | null;
}

/** An event on its way to an endpoint, with every attempt. */
export interface Delivery {
  id: string;
  org_id: string;
  mode: Mode | Other;
  event_id: string;
  event_type: string;
  endpoint_id: string;
  url: string | null;
  status: DeliveryStatus | Other;
  attempt_count: number;
  next_attempt_at: string | null;
  created_at: string;
  finished_at: string | null;
  attempts: DeliveryAttempt[];
}

/** The deliveries that an event was given again. */
export interface Replayed {
  event_id: string;
  deliveries: Delivery[];
}

/** How many events are on their way again; ask again from `next_from` when it is not null. */
export interface RangeReplayed {
  replayed: number;
  next_from: string | null;
}

export interface ConfigFields {
  url: string;
  /** All unless said. */
  events?: readonly string[] | null | undefined;
  enabled?: boolean | undefined;
  signing_secret?: string | null | undefined;
}

export interface EndpointFields {
  url: string;
  /** All unless said. */
  events?: readonly string[] | undefined;
  enabled?: boolean | undefined;
  signing_secret?: string | null | undefined;
  description?: string | null | undefined;
}

/** What is left out stays. */
export interface EndpointChanges {
  url?: string | undefined;
  events?: readonly string[] | undefined;
  enabled?: boolean | undefined;
  description?: string | null | undefined;
}

/** From `from` to `to`, the end unless said. */
export interface RangeFields {
  from: Instant;
  to?: Instant | null | undefined;
  /** All unless said. */
  events?: readonly string[] | null | undefined;
  undelivered_only?: boolean | undefined;
}

/** To all endpoints, or one. */
export interface ReplayFields {
  endpoint_id?: string | null | undefined;
}

/** Every one narrows. */
export interface DeliveryFilters extends Created {
  endpoint_id?: string | undefined;
  event_id?: string | undefined;
  status?: DeliveryStatus | undefined;
}

/** `reevit.webhooks.endpoints`: several addresses, each with its own events and secret. */
export class Endpoints extends Resource {
  /** An address to be told. Its `signing_secret` is in the answer. */
  async create(fields: EndpointFields, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'POST', path: endpointPath(), body: fieldsOf(fields) }, options);
  }

  /** Endpoints, newest first. */
  list(paging?: Paging, options?: ReadOptions): Pages<Endpoint> {
    return this.pages(() => ({ path: endpointPath(), key: 'endpoints', query: fieldsOf(paging) }), options);
  }

  /** Raises NotFoundError. */
  async get(endpointId: string, options?: ReadOptions): Promise<Endpoint> {
    return this.one({ method: 'GET', path: endpointPath(endpointId) }, options);
  }

  /** Changes what is given. */
  async update(endpointId: string, changes: EndpointChanges, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'PATCH', path: endpointPath(endpointId), body: fieldsOf(changes) }, options);
  }

  /** It is told no more. */
  async delete(endpointId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: endpointPath(endpointId) }, options);
  }

  /** A new secret; the old one signs along for a day. */
  async rotateSecret(endpointId: string, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'POST', path: endpointPath(endpointId, 'rotate-secret'), body: {} }, options);
  }

  /** Events are kept for it until it is resumed. */
  async pause(endpointId: string, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'POST', path: endpointPath(endpointId, 'pause'), body: {} }, options);
  }

  /** It is told what was kept, and what comes. */
  async resume(endpointId: string, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'POST', path: endpointPath(endpointId, 'resume'), body: {} }, options);
  }

  /** Sends it a test event at once. */
  async sendTest(endpointId: string, options?: WriteOptions): Promise<Delivery> {
    return this.one({ method: 'POST', path: endpointPath(endpointId, 'test'), body: {} }, options);
  }

  /** Tells it again of a range of time: of some types or all, of all or the undelivered only. */
  async replay(endpointId: string, range: RangeFields, options?: WriteOptions): Promise<RangeReplayed> {
    const path = endpointPath(endpointId, 'replay');
    return this.one({ method: 'POST', path, body: fieldsOf(range) }, options);
  }
}

/** `reevit.webhooks`: the one endpoint of the config, and `endpoints` for more. */
export class Webhooks extends Resource {
  readonly endpoints: Endpoints;

  /** @internal */
  constructor(sender: Sender) {
    super(sender);
    this.endpoints = new Endpoints(sender);
  }

  /** The event of a delivery that is genuine and fresh. Raises WebhookVerificationError; answer 400 then. */
  constructEvent(
    rawBody: RawBody,
    headers: DeliveryHeaders,
    secret: string,
    verification?: Verification | null,
  ): Event {
    return constructEvent(rawBody, headers, secret, verification);
  }

  /** The one endpoint of `upsertConfig`. Raises NotFoundError when there is none. */
  async getConfig(options?: ReadOptions): Promise<Endpoint> {
    return this.one({ method: 'GET', path: pathOf('webhooks', 'config') }, options);
  }

  /** Makes or changes the one endpoint of a merchant who needs no more. */
  async upsertConfig(fields: ConfigFields, options?: WriteOptions): Promise<Endpoint> {
    return this.one({ method: 'POST', path: pathOf('webhooks', 'config'), body: fieldsOf(fields) }, options);
  }

  /** It is told no more. */
  async deleteConfig(options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: pathOf('webhooks', 'config') }, options);
  }

  /** Sends the config's endpoint a test event at once. */
  async sendTest(options?: WriteOptions): Promise<Delivery> {
    return this.one({ method: 'POST', path: pathOf('webhooks', 'test'), body: {} }, options);
  }

  /** `reevit.events.list`, by its older name. */
  listEvents(filters?: EventFilters, options?: ReadOptions): Pages<Event> {
    const path = pathOf('webhooks', 'events');
    return this.pages(() => ({ path, key: 'events', query: fieldsOf(filters) }), options);
  }

  /** `reevit.events.get`, by its older name. */
  async getEvent(eventId: string, options?: ReadOptions): Promise<Event> {
    return this.one({ method: 'GET', path: pathOf('webhooks', 'events', eventId) }, options);
  }

  /** Tells all endpoints, or one, of this event again, with the same webhook-id. */
  async replayEvent(eventId: string, fields?: ReplayFields, options?: WriteOptions): Promise<Replayed> {
    const path = pathOf('webhooks', 'events', eventId, 'replay');
    return this.one({ method: 'POST', path, body: withoutNulls(fields) }, options);
  }

  /** Deliveries, newest first. */
  listOutbound(filters?: DeliveryFilters, options?: ReadOptions): Pages<Delivery> {
    const path = pathOf('webhooks', 'outbound');
    return this.pages(() => ({ path, key: 'outbound', query: fieldsOf(filters) }), options);
  }

  /** One delivery with every attempt. Raises NotFoundError. */
  async getOutbound(outboundId: string, options?: ReadOptions): Promise<Delivery> {
    return this.one({ method: 'GET', path: pathOf('webhooks', 'outbound', outboundId) }, options);
  }
}

function endpointPath(...parts: string[]): string {
  return pathOf('webhooks', 'endpoints', ...parts);
}
