/** Notices: what is written to customers without a rule. */

import { fieldsOf, pathOf, type ReadOptions, type WriteOptions } from '../call.js';
import { Resource } from '../resource.js';

/** Which notices are on. */
export interface NoticeSwitches {
  /** A receipt with a PDF, after a payment. */
  receipt_email: boolean;
  /** A receipt by SMS, where only a phone is known. */
  receipt_sms: boolean;
  /** That a payment failed. */
  payment_failed: boolean;
  /** That a subscription is charged in three days. */
  renewal_upcoming: boolean;
}

/** Switches that are left out stay. */
export interface NoticeChanges {
  receipt_email?: boolean | undefined;
  receipt_sms?: boolean | undefined;
  payment_failed?: boolean | undefined;
  renewal_upcoming?: boolean | undefined;
}

/** `reevit.workflows.notices`: all are off until they are turned on. */
export class Notices extends Resource {
  /** Which are on. */
  async get(options?: ReadOptions): Promise<NoticeSwitches> {
    return this.one({ method: 'GET', path: pathOf('workflows', 'notices') }, options);
  }

  /** Turns them on and off, for events from now on. */
  async update(changes: NoticeChanges, options?: WriteOptions): Promise<NoticeSwitches> {
    return this.one({ method: 'PATCH', path: pathOf('workflows', 'notices'), body: fieldsOf(changes) }, options);
  }
}
