/** Customers: who they are, what they paid, and what they are worth. */

import {
  type ByExternalId,
  customerPath,
  fieldsOf,
  object,
  pathOf,
  type ReadOptions,
  type WriteOptions,
} from '../call.js';
import type { JsonObject } from '../json.js';
import { type Pages, Rows } from '../pages.js';
import { Resource } from '../resource.js';
import type { Invoice, InvoiceStatus } from './invoices.js';
import type { Payment, PaymentStatus } from './payments.js';
import type { Amount, Instant, Metadata, Mode, Other, Paging } from './shared.js';
import type { Subscription, SubscriptionStatus } from './subscriptions.js';

/** What a customer paid in one currency, in its minor units. Currencies are never added together. */
export interface Totals {
  currency: string;
  total_spent: Amount;
  total_refunded: Amount;
  lifetime_value: Amount;
  payment_count: number;
  first_payment_at: string;
  last_payment_at: string;
}

/** One customer. The figures at the top are in `preferred_currency`; `totals` has each currency's. */
export interface Customer {
  id: string;
  org_id: string;
  mode: Mode | Other;
  external_id: string | null;
  email: string | null;
  phone: string | null;
  name: string | null;
  tags: string[];
  metadata: Metadata;
  preferred_currency: string | null;
  preferred_method: string | null;
  /** All that was paid. */
  total_spent: Amount;
  total_refunded: Amount;
  /** What is left of it after refunds. */
  lifetime_value: Amount;
  payment_count: number;
  first_payment_at: string | null;
  last_payment_at: string | null;
  totals: Totals[];
  subscription_status: 'none' | 'active' | 'past_due' | 'paused' | 'canceled' | Other;
  active_subscriptions: number;
  created_at: string;
  updated_at: string;
}

/** A customer with its `rank`, from 1, and the `amount` that it is ranked by. */
export interface RankedCustomer extends Customer {
  rank: number;
  amount: Amount;
}

/** What a ranking may rank by. */
export type TopMetric = 'lifetime_value' | 'total_spent' | 'payment_count';

/** The window of a ranking. */
export type TopPeriod = 'all' | '7d' | '30d' | '90d' | '365d';

/** A ranking, best first, and what it ranks by: `metric` in `currency` over `period`, or `from` then `to` then. */
export class TopCustomers extends Rows<RankedCustomer> {
  readonly #answer: JsonObject;

  /** @internal */
  constructor(answer: JsonObject) {
    super(answer.customers);
    this.#answer = answer;
  }

  get currency(): string | null {
    return this.#answer.currency ?? null;
  }

  get metric(): TopMetric | Other | null {
    return this.#answer.metric ?? null;
  }

  get period(): TopPeriod | Other | null {
    return this.#answer.period ?? null;
  }

  get from(): string | null {
    return this.#answer.from ?? null;
  }

  get to(): string | null {
    return this.#answer.to ?? null;
  }
}

/** What a customer is worth, per currency; `as_of` an instant, or now when null. */
export interface Value {
  customer_id: string;
  external_customer_id: string | null;
  as_of: string | null;
  totals: Totals[];
}

/** A payment or a refund that is part of the value; a refund's `amount` is negative. */
export interface ValueEntry {
  type: 'payment' | 'refund' | Other;
  id: string;
  payment_id: string;
  at: string;
  amount: number;
  currency: string;
  reference: string | null;
}

/** Something that happened to a customer: `data` is the payment, refund, subscription or invoice. */
export interface HistoryEntry {
  type: 'payment' | 'refund' | 'subscription' | 'invoice' | Other;
  id: string;
  at: string;
  summary: string;
  data: JsonObject;
}

/** How the customer last paid. */
export interface PaymentMethod {
  method: string;
  currency: string;
  last_used_at: string;
}

/** The whole picture of a customer in one call. */
export interface CustomerState {
  customer: Customer;
  active_subscriptions: Subscription[];
  open_invoices: Invoice[];
  recent_payments: Payment[];
  default_payment_method: PaymentMethod | null;
}

/** What is known of a customer. */
export interface Profile {
  email?: string | null | undefined;
  /** E.164: `+233501234567` */
  phone?: string | null | undefined;
  name?: string | null | undefined;
  /** At most 50. */
  tags?: readonly string[] | null | undefined;
  metadata?: Metadata | null | undefined;
}

/** All are optional, but one of `external_id`, `email`, `phone` and `name` must be there. */
export interface CustomerFields extends Profile {
  /** Your own id of the customer, unique in your organization and mode. */
  external_id?: string | null | undefined;
}

/** What is left out stays, null clears. `metadata` is merged, `tags` are replaced. */
export interface CustomerChanges extends CustomerFields {
  /** Changes an `external_id` that is set. */
  rekey?: boolean | undefined;
}

/** Every one narrows. */
export interface CustomerFilters extends Paging {
  external_id?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  /** May be several; all must be there. */
  tag?: string | readonly string[] | undefined;
  metadata?: Metadata | undefined;
  /** The beginnings of words of name, e-mail, phone and external_id. */
  search?: string | undefined;
  created_after?: Instant | undefined;
  created_before?: Instant | undefined;
  /** In `currency`, as sorting by money is. */
  min_spent?: Amount | undefined;
  currency?: string | undefined;
  sort_by?: 'created_at' | 'total_spent' | 'lifetime_value' | 'payment_count' | 'last_payment_at' | undefined;
  sort_order?: 'asc' | 'desc' | undefined;
}

/** By `metric` in `currency`, over `period`, or from `from` to `to`. */
export interface TopFilters {
  /** Up to 100; 10 unless said. */
  limit?: number | undefined;
  metric?: TopMetric | undefined;
  currency?: string | undefined;
  period?: TopPeriod | undefined;
  from?: Instant | undefined;
  to?: Instant | undefined;
  tag?: string | readonly string[] | undefined;
}

/** Those with this status. */
export interface OfStatus<Status extends string> extends Paging {
  status?: Status | undefined;
}

/** One `currency` only; `as_of` an instant. */
export interface Moment {
  currency?: string | undefined;
  as_of?: Instant | undefined;
}

export interface PagedMoment extends Paging, Moment {}

/** A customer's id, or `{ external_id: 'usr_1234' }`: your own. */
export type CustomerId = string | ByExternalId;

/** `reevit.customers`. Where a customer is named, `'cus_…'` and `{ external_id: 'usr_1234' }` both do. */
export class Customers extends Resource {
  /** Creates a customer. Raises ConflictError `external_id_taken`, with `details.customer_id`. */
  async create(fields: CustomerFields, options?: WriteOptions): Promise<Customer> {
    return this.one({ method: 'POST', path: pathOf('customers'), body: fieldsOf(fields) }, options);
  }

  /** The customer with your own id: created, or changed. What is left out stays, null clears. */
  async upsert(externalId: string, profile?: Profile, options?: WriteOptions): Promise<Customer> {
    const path = pathOf('customers', 'external', externalId);
    return this.one({ method: 'PUT', path, body: fieldsOf(profile) }, options);
  }

  /** Raises NotFoundError. */
  async get(customer: CustomerId, options?: ReadOptions): Promise<Customer> {
    return this.one({ method: 'GET', path: customerPath(customer) }, options);
  }

  /** The customer with your own id. Raises NotFoundError. */
  async lookup(externalId: string, options?: ReadOptions): Promise<Customer> {
    const query = { external_id: externalId };
    return this.one({ method: 'GET', path: pathOf('customers', 'lookup'), query }, options);
  }

  /** Customers, newest first unless sorted. */
  list(filters?: CustomerFilters, options?: ReadOptions): Pages<Customer> {
    return this.pages(() => ({ path: pathOf('customers'), key: 'customers', query: fieldsOf(filters) }), options);
  }

  /** Changes what is given. Raises NotFoundError, ConflictError. */
  async update(customer: CustomerId, changes: CustomerChanges, options?: WriteOptions): Promise<Customer> {
    return this.one({ method: 'PATCH', path: customerPath(customer), body: fieldsOf(changes) }, options);
  }

  /** Erases the personal data; the payments stay. The external_id is free again. */
  async delete(customer: CustomerId, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: customerPath(customer) }, options);
  }

  /** Adds tags to those that are there. */
  async addTags(customer: CustomerId, tags: readonly string[], options?: WriteOptions): Promise<Customer> {
    return this.one({ method: 'POST', path: customerPath(customer, 'tags'), body: { tags } }, options);
  }

  /** Removes one tag, if it is there. */
  async removeTag(customer: CustomerId, tag: string, options?: WriteOptions): Promise<Customer> {
    return this.one({ method: 'DELETE', path: customerPath(customer, 'tags', tag) }, options);
  }

  /** The customer's payments, newest first. */
  getPaymentHistory(customer: CustomerId, filters?: OfStatus<PaymentStatus>, options?: ReadOptions): Pages<Payment> {
    return this.#below(customer, 'payments', filters, options);
  }

  /** `getPaymentHistory`, by the name it has in other SDKs. */
  paymentHistory(customer: CustomerId, filters?: OfStatus<PaymentStatus>, options?: ReadOptions): Pages<Payment> {
    return this.getPaymentHistory(customer, filters, options);
  }

  /** The customer's subscriptions, newest first. */
  subscriptions(
    customer: CustomerId,
    filters?: OfStatus<SubscriptionStatus>,
    options?: ReadOptions,
  ): Pages<Subscription> {
    return this.#below(customer, 'subscriptions', filters, options);
  }

  /** The customer's invoices, newest first. */
  invoices(customer: CustomerId, filters?: OfStatus<InvoiceStatus>, options?: ReadOptions): Pages<Invoice> {
    return this.#below(customer, 'invoices', filters, options);
  }

  /** Payments, refunds, subscriptions and invoices in one order of time, newest first. */
  history(customer: CustomerId, paging?: Paging, options?: ReadOptions): Pages<HistoryEntry> {
    return this.#below(customer, 'history', paging, options);
  }

  /** The whole picture: totals, active subscriptions, open invoices, last payments, payment method. */
  async state(customer: CustomerId, options?: ReadOptions): Promise<CustomerState> {
    return this.one({ method: 'GET', path: customerPath(customer, 'state') }, options);
  }

  /** What the customer is worth, per currency, now or `as_of` an instant. */
  async value(customer: CustomerId, moment?: Moment, options?: ReadOptions): Promise<Value> {
    return this.one({ method: 'GET', path: customerPath(customer, 'value'), query: fieldsOf(moment) }, options);
  }

  /** Every payment and refund that the value adds up from; the totals are in the page's `extra`. */
  explainValue(customer: CustomerId, moment?: PagedMoment, options?: ReadOptions): Pages<ValueEntry> {
    const query = () => ({ explain: true, ...fieldsOf(moment) });
    return this.pages(() => ({ path: customerPath(customer, 'value'), key: 'entries', query: query() }), options);
  }

  /** The customers who are worth most, or who paid most or most often, in one currency. */
  async getTopCustomers(filters?: TopFilters, options?: ReadOptions): Promise<TopCustomers> {
    const read = (answer: unknown) => new TopCustomers(object(answer));
    return this.other({ method: 'GET', path: pathOf('customers', 'top'), query: fieldsOf(filters), options, read });
  }

  /** `getTopCustomers`, by its shorter name. */
  async top(filters?: TopFilters, options?: ReadOptions): Promise<TopCustomers> {
    return this.getTopCustomers(filters, options);
  }

  #below<T>(
    customer: CustomerId,
    key: string,
    filters: object | undefined,
    options: ReadOptions | undefined,
  ): Pages<T> {
    return this.pages(() => ({ path: customerPath(customer, key), key, query: fieldsOf(filters) }), options);
  }
}
