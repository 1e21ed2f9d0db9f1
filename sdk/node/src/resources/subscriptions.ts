/** Subscriptions, and what happens when a renewal cannot be charged. */

import { fieldsOf, pathOf, type ReadOptions, withoutNulls, type WriteOptions } from '../call.js';
import type { JsonObject } from '../json.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Amount, Instant, Metadata, Mode, OfCustomer, Other, Paging } from './shared.js';

export type Interval = 'daily' | 'weekly' | 'monthly' | 'yearly';
export type SubscriptionStatus = 'trialing' | 'active' | 'past_due' | 'paused' | 'canceled';

/** What becomes of a subscription after the last failure. */
export type OnExhausted = 'past_due' | 'pause' | 'cancel';

/** A customer's recurring payment: `amount`, in minor units, every `interval_count` intervals. */
export interface Subscription {
  id: string;
  org_id: string;
  mode: Mode | Other;
  customer_id: string;
  external_customer_id: string | null;
  plan_id: string | null;
  amount: number;
  currency: string;
  method: string | null;
  interval: Interval | Other;
  interval_count: number;
  status: SubscriptionStatus | Other;
  start_at: string;
  trial_end_at: string | null;
  current_period_start: string;
  current_period_end: string;
  next_renewal_at: string | null;
  cancel_at_period_end: boolean;
  pending_changes: JsonObject | null;
  latest_invoice_id: string | null;
  metadata: Metadata;
  paused_at: string | null;
  canceled_at: string | null;
  created_at: string;
  updated_at: string;
}

/** When a failed renewal is charged again, and what then. A plan may have its own; the rest share one. */
export interface RetryPolicy {
  plan_id: string | null;
  delays: string[];
  max_retries: number;
  on_exhausted: OnExhausted | Other;
  created_at: string;
  updated_at: string;
}

/** A customer is needed: `customer_id` or `external_customer_id`. */
export interface SubscriptionFields {
  customer_id?: string | null | undefined;
  external_customer_id?: string | null | undefined;
  plan_id?: string | null | undefined;
  amount: Amount;
  currency: string;
  method?: string | null | undefined;
  interval: Interval;
  interval_count?: number | undefined;
  trial_days?: number | undefined;
  /** May lie in the future. */
  start_at?: Instant | null | undefined;
  metadata?: Metadata | null | undefined;
}

/** They hold from the next period; `metadata` is merged at once. */
export interface SubscriptionChanges {
  plan_id?: string | null | undefined;
  amount?: Amount | undefined;
  interval?: Interval | undefined;
  interval_count?: number | undefined;
  method?: string | null | undefined;
  metadata?: Metadata | null | undefined;
}

/** Every one narrows. */
export interface SubscriptionFilters extends OfCustomer {
  status?: SubscriptionStatus | undefined;
  plan_id?: string | undefined;
}

export interface Cancellation {
  /** With the period that is paid, instead of now. */
  at_period_end?: boolean | undefined;
}

/** Without `plan_id` it is the organization's. */
export interface RetryPolicyFields {
  plan_id?: string | null | undefined;
  /** `['15m', '1h', '24h']` */
  delays: readonly string[];
  max_retries?: number | null | undefined;
  on_exhausted?: OnExhausted | undefined;
}

/** `reevit.subscriptions`. */
export class Subscriptions extends Resource {
  /** Subscribes a customer. The first period is charged at once, unless there is a trial or a later start. */
  async create(fields: SubscriptionFields, options?: WriteOptions): Promise<Subscription> {
    return this.one({ method: 'POST', path: pathOf('subscriptions'), body: fieldsOf(fields) }, options);
  }

  /** Subscriptions, newest first. */
  list(filters?: SubscriptionFilters, options?: ReadOptions): Pages<Subscription> {
    const call = () => ({ path: pathOf('subscriptions'), key: 'subscriptions', query: fieldsOf(filters) });
    return this.pages(call, options);
  }

  /** Raises NotFoundError. */
  async get(subscriptionId: string, options?: ReadOptions): Promise<Subscription> {
    return this.one({ method: 'GET', path: pathOf('subscriptions', subscriptionId) }, options);
  }

  /** Changes what is given, from the next period. */
  async update(
    subscriptionId: string,
    changes: SubscriptionChanges,
    options?: WriteOptions,
  ): Promise<Subscription> {
    const path = pathOf('subscriptions', subscriptionId);
    return this.one({ method: 'PATCH', path, body: fieldsOf(changes) }, options);
  }

  /** Ends it now, or with the period that is paid. */
  async cancel(
    subscriptionId: string,
    cancellation?: Cancellation,
    options?: WriteOptions,
  ): Promise<Subscription> {
    const path = pathOf('subscriptions', subscriptionId, 'cancel');
    return this.one({ method: 'POST', path, body: withoutNulls(cancellation) }, options);
  }

  /** No renewals until it is resumed. */
  async pause(subscriptionId: string, options?: WriteOptions): Promise<Subscription> {
    return this.one({ method: 'POST', path: pathOf('subscriptions', subscriptionId, 'pause'), body: {} }, options);
  }

  /** Goes on after a pause, or calls off a cancellation at the period's end. */
  async resume(subscriptionId: string, options?: WriteOptions): Promise<Subscription> {
    return this.one({ method: 'POST', path: pathOf('subscriptions', subscriptionId, 'resume'), body: {} }, options);
  }
}

/** `reevit.retryPolicies`. */
export class RetryPolicies extends Resource {
  /** The policy of a plan, or of the organization; replaces the one before. */
  async set(fields: RetryPolicyFields, options?: WriteOptions): Promise<RetryPolicy> {
    return this.one({ method: 'POST', path: pathOf('policies', 'retry'), body: fieldsOf(fields) }, options);
  }

  /** The organization's policy and its plans'. */
  list(paging?: Paging, options?: ReadOptions): Pages<RetryPolicy> {
    const call = () => ({ path: pathOf('policies', 'retry'), key: 'policies', query: fieldsOf(paging) });
    return this.pages(call, options);
  }

  /** A plan's; without `plan` the organization's: the default holds again, after 15 minutes, an hour and a day. */
  async delete(plan?: string | { plan_id?: string | null | undefined }, options?: WriteOptions): Promise<void> {
    const query = typeof plan === 'string' ? { plan_id: plan } : fieldsOf(plan);
    return this.none({ method: 'DELETE', path: pathOf('policies', 'retry'), query }, options);
  }
}
