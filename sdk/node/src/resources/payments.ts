/** Payments and their refunds. */

import { fieldsOf, pathOf, type ReadOptions, withoutNulls, type WriteOptions } from '../call.js';
import type { JsonObject } from '../json.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Amount, Instant, Metadata, Mode, OfCustomer, Other, Paging } from './shared.js';

export type PaymentStatus =
  | 'pending'
  | 'requires_action'
  | 'processing'
  | 'succeeded'
  | 'failed'
  | 'canceled'
  | 'partially_refunded'
  | 'refunded';

/** One payment. Amounts are in the currency's minor units. */
export interface Payment {
  id: string;
  org_id: string;
  mode: Mode | Other;
  customer_id: string | null;
  external_customer_id: string | null;
  amount: number;
  amount_refunded: number;
  currency: string;
  status: PaymentStatus | Other;
  method: string | null;
  country: string | null;
  reference: string | null;
  description: string | null;
  metadata: Metadata;
  provider: string;
  connection_id: string | null;
  provider_ref_id: string | null;
  fee_amount: number | null;
  /** What is left after refunds and fee. */
  net_amount: number | null;
  failure_code: string | null;
  failure_message: string | null;
  source: 'api' | 'checkout' | 'payment_link' | 'subscription' | 'import' | Other;
  source_id: string | null;
  /** Of intents only. */
  client_secret?: string | null;
  next_action: JsonObject | null;
  occurred_at: string;
  succeeded_at: string | null;
  created_at: string;
  updated_at: string;
}

/** Money that went back, in the payment's currency. */
export interface Refund {
  id: string;
  org_id: string;
  mode: Mode | Other;
  payment_id: string;
  customer_id: string | null;
  amount: number;
  currency: string;
  status: string;
  reason: string | null;
  provider_ref_id: string | null;
  occurred_at: string;
  created_at: string;
}

/** Payments of one currency. */
export interface CurrencyStats {
  currency: string;
  payment_count: number;
  succeeded_count: number;
  failed_count: number;
  by_status: Record<string, number>;
  total_spent: Amount;
  total_refunded: Amount;
  net_amount: Amount;
  success_rate: number | null;
}

/** One row a currency. */
export interface PaymentStats {
  stats: CurrencyStats[];
}

/** Who pays: found by `external_id`, or created with the payment. */
export interface PaymentCustomer {
  external_id?: string | null | undefined;
  email?: string | null | undefined;
  phone?: string | null | undefined;
  name?: string | null | undefined;
}

/** The customer is named by `customer_id`, `external_customer_id` or `customer`, or not at all. */
export interface IntentChanges {
  /** In the currency's minor units. */
  amount?: Amount | undefined;
  currency?: string | undefined;
  customer_id?: string | null | undefined;
  external_customer_id?: string | null | undefined;
  customer?: PaymentCustomer | null | undefined;
  method?: string | null | undefined;
  country?: string | null | undefined;
  reference?: string | null | undefined;
  description?: string | null | undefined;
  metadata?: Metadata | null | undefined;
}

export interface IntentFields extends IntentChanges {
  amount: Amount;
  currency: string;
  /** The sandbox, unless said. */
  provider?: string | null | undefined;
}

/** The last three record a payment made elsewhere, with `provider: 'external'`. */
export interface PaymentFields extends IntentFields {
  occurred_at?: Instant | null | undefined;
  provider_ref_id?: string | null | undefined;
  fee_amount?: Amount | null | undefined;
}

/** Every one narrows. */
export interface PaymentFilters extends OfCustomer {
  status?: PaymentStatus | undefined;
  currency?: string | undefined;
  reference?: string | undefined;
}

/** Every one narrows. */
export interface StatsFilters {
  currency?: string | undefined;
  created_after?: Instant | undefined;
  created_before?: Instant | undefined;
}

export interface RefundFields {
  /** All that is left of the payment, unless said. */
  amount?: Amount | null | undefined;
  reason?: string | null | undefined;
}

/** `reevit.payments`. */
export class Payments extends Resource {
  /** Creates a payment and confirms it, or records one made elsewhere. A declined one comes back `failed`. */
  async create(fields: PaymentFields, options?: WriteOptions): Promise<Payment> {
    return this.one({ method: 'POST', path: pathOf('payments'), body: fieldsOf(fields) }, options);
  }

  /** Creates a payment to be confirmed later, with its `client_secret`. */
  async createIntent(fields: IntentFields, options?: WriteOptions): Promise<Payment> {
    return this.one({ method: 'POST', path: pathOf('payments', 'intents'), body: fieldsOf(fields) }, options);
  }

  /** Changes a payment that is not confirmed yet. */
  async updateIntent(paymentId: string, changes: IntentChanges, options?: WriteOptions): Promise<Payment> {
    const path = pathOf('payments', 'intents', paymentId);
    return this.one({ method: 'PATCH', path, body: fieldsOf(changes) }, options);
  }

  /** Payments, newest first. */
  list(filters?: PaymentFilters, options?: ReadOptions): Pages<Payment> {
    return this.pages(() => ({ path: pathOf('payments'), key: 'payments', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(paymentId: string, options?: ReadOptions): Promise<Payment> {
    return this.one({ method: 'GET', path: pathOf('payments', paymentId) }, options);
  }

  /** Charges a payment that was only created. */
  async confirm(paymentId: string, options?: WriteOptions): Promise<Payment> {
    return this.one({ method: 'POST', path: pathOf('payments', paymentId, 'confirm'), body: {} }, options);
  }

  /** The same, for whoever holds its `client_secret`. */
  async confirmIntent(paymentId: string, clientSecret: string, options?: WriteOptions): Promise<Payment> {
    const path = pathOf('payments', paymentId, 'confirm-intent');
    return this.one({ method: 'POST', path, query: { client_secret: clientSecret }, body: {} }, options);
  }

  /** Calls off a payment that is not paid. */
  async cancel(paymentId: string, options?: WriteOptions): Promise<Payment> {
    return this.one({ method: 'POST', path: pathOf('payments', paymentId, 'cancel'), body: {} }, options);
  }

  /** Charges a failed payment again. */
  async retry(paymentId: string, options?: WriteOptions): Promise<Payment> {
    return this.one({ method: 'POST', path: pathOf('payments', paymentId, 'retry'), body: {} }, options);
  }

  /** Gives back `amount`, or all that is left of the payment. Never more than was paid, whoever asks at once. */
  async refund(paymentId: string, fields?: RefundFields, options?: WriteOptions): Promise<Refund> {
    return this.one(refund(paymentId, fields), options);
  }

  /** The receipt on paper: the bytes of a PDF. Raises ConflictError for a payment that is not paid. */
  async receiptPdf(paymentId: string, options?: ReadOptions): Promise<Uint8Array> {
    const path = pathOf('payments', paymentId, 'receipt', 'pdf');
    return this.other({ method: 'GET', path, options, bytes: true, read: (content) => content as Uint8Array });
  }

  /** The same as a page. */
  async receiptHtml(paymentId: string, options?: ReadOptions): Promise<string> {
    const path = pathOf('payments', paymentId, 'receipt', 'html');
    const read = (content: unknown) => new TextDecoder().decode(content as Uint8Array);
    return this.other({ method: 'GET', path, options, bytes: true, read });
  }

  /** Counts and sums per currency. */
  async stats(filters?: StatsFilters, options?: ReadOptions): Promise<PaymentStats> {
    return this.one({ method: 'GET', path: pathOf('payments', 'stats'), query: fieldsOf(filters) }, options);
  }
}

/** `reevit.refunds`, of one payment. */
export class Refunds extends Resource {
  /** `reevit.payments.refund`. */
  async create(paymentId: string, fields?: RefundFields, options?: WriteOptions): Promise<Refund> {
    return this.one(refund(paymentId, fields), options);
  }

  /** The refunds of a payment, newest first. */
  list(paymentId: string, paging?: Paging, options?: ReadOptions): Pages<Refund> {
    const path = () => pathOf('payments', paymentId, 'refunds');
    return this.pages(() => ({ path: path(), key: 'refunds', query: fieldsOf(paging) }), options);
  }
}

function refund(paymentId: string, fields: RefundFields | undefined) {
  return { method: 'POST', path: pathOf('payments', paymentId, 'refund'), body: withoutNulls(fields) };
}
