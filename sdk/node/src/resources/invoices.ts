/** Invoices: what each period of a subscription costs, and whether it is paid. */

import { fieldsOf, pathOf, type ReadOptions, type WriteOptions } from '../call.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Metadata, Mode, OfCustomer, Other } from './shared.js';

export type InvoiceStatus = 'draft' | 'due' | 'paid' | 'failed' | 'canceled';

/** One period of a subscription; `amount` in minor units, `number` without gaps in the organization. */
export interface Invoice {
  id: string;
  org_id: string;
  mode: Mode | Other;
  number: string;
  customer_id: string;
  external_customer_id: string | null;
  subscription_id: string;
  plan_id: string | null;
  description: string;
  amount: number;
  currency: string;
  method: string | null;
  status: InvoiceStatus | Other;
  period_start: string;
  period_end: string;
  due_at: string;
  payment_id: string | null;
  attempt_count: number;
  retry_count: number;
  next_retry_at: string | null;
  failure_code: string | null;
  failure_message: string | null;
  metadata: Metadata;
  paid_at: string | null;
  canceled_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface InvoiceChanges {
  /** It is merged. */
  metadata?: Metadata | null | undefined;
}

/** Every one narrows. */
export interface InvoiceFilters extends OfCustomer {
  status?: InvoiceStatus | undefined;
  subscription_id?: string | undefined;
}

/** `reevit.invoices`. */
export class Invoices extends Resource {
  /** Invoices, newest first. */
  list(filters?: InvoiceFilters, options?: ReadOptions): Pages<Invoice> {
    return this.pages(() => ({ path: pathOf('invoices'), key: 'invoices', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(invoiceId: string, options?: ReadOptions): Promise<Invoice> {
    return this.one({ method: 'GET', path: pathOf('invoices', invoiceId) }, options);
  }

  /** Changes its metadata; nothing else of an invoice changes by hand. */
  async update(invoiceId: string, changes: InvoiceChanges, options?: WriteOptions): Promise<Invoice> {
    return this.one({ method: 'PATCH', path: pathOf('invoices', invoiceId), body: fieldsOf(changes) }, options);
  }

  /** Lets the customer off an invoice that is not paid. */
  async cancel(invoiceId: string, options?: WriteOptions): Promise<Invoice> {
    return this.one({ method: 'POST', path: pathOf('invoices', invoiceId, 'cancel'), body: {} }, options);
  }

  /** Charges an unpaid invoice now. */
  async retry(invoiceId: string, options?: WriteOptions): Promise<Invoice> {
    return this.one({ method: 'POST', path: pathOf('invoices', invoiceId, 'retry'), body: {} }, options);
  }

  /** The invoice on paper: the bytes of a PDF. */
  async pdf(invoiceId: string, options?: ReadOptions): Promise<Uint8Array> {
    const path = pathOf('invoices', invoiceId, 'pdf');
    return this.other({ method: 'GET', path, options, bytes: true, read: (content) => content as Uint8Array });
  }

  /** The invoice as a page. */
  async html(invoiceId: string, options?: ReadOptions): Promise<string> {
    const path = pathOf('invoices', invoiceId, 'html');
    const read = (content: unknown) => new TextDecoder().decode(content as Uint8Array);
    return this.other({ method: 'GET', path, options, bytes: true, read });
  }
}
