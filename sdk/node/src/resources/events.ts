/** Events: what happened, one for each change. */

import { fieldsOf, pathOf, type ReadOptions } from '../call.js';
import type { JsonObject } from '../json.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Mode, OfCustomer, Other } from './shared.js';

/** Types may be added: ignore those that you do not know. */
export type EventType =
  | `customer.${'created' | 'updated' | 'deleted'}`
  | `payment.${'created' | 'updated' | 'requires_action' | 'processing' | 'succeeded' | 'failed'}`
  | `payment.${'canceled' | 'refunded'}`
  | `subscription.${'created' | 'updated' | 'canceled' | 'paused' | 'resumed' | 'past_due' | 'renewed'}`
  | 'subscription.renewal_upcoming'
  | `invoice.${'created' | 'updated' | 'paid' | 'failed' | 'canceled'}`
  | 'checkout.completed'
  | 'webhook_endpoint.disabled'
  | 'webhook.test';

/** Whom an event concerns: find your own user by `external_id`. */
export interface EventCustomer {
  id: string;
  external_id: string | null;
  email: string | null;
  name: string | null;
  phone: string | null;
  tags: string[];
}

/** The object that an event is of, as it was then; an update has `previous_attributes`. */
export type EventData = JsonObject & { customer?: EventCustomer | null };

/** Something that happened. */
export interface Event {
  id: string;
  org_id: string;
  mode: Mode | Other;
  type: EventType | Other;
  subject_id?: string | null;
  data: EventData;
  created_at: string;
  /** Who did it, and why; of those that `reevit.events` lists. */
  actor_id?: string | null;
  reason?: string | null;
  /** These four are of a delivered one, from `constructEvent`. */
  delivery_id?: string | null;
  attempt?: number | null;
  api_version?: string | null;
  signature_timestamp?: string | null;
}

/** Every one narrows. */
export interface EventFilters extends OfCustomer {
  /** Whole (`payment.succeeded`) or a family (`payment.*`). */
  type?: string | undefined;
}

/** `reevit.events`, kept for 30 days unless the operator says otherwise. */
export class Events extends Resource {
  /** Events, newest first. */
  list(filters?: EventFilters, options?: ReadOptions): Pages<Event> {
    return this.pages(() => ({ path: pathOf('events'), key: 'events', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(eventId: string, options?: ReadOptions): Promise<Event> {
    return this.one({ method: 'GET', path: pathOf('events', eventId) }, options);
  }
}
