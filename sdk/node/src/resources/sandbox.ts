/** The sandbox: a clock to move, and the customer's part to play. Test keys only. */

import { pathOf, type ReadOptions, withoutNulls, type WriteOptions } from '../call.js';
import { Resource } from '../resource.js';
import type { Payment } from './payments.js';
import type { Instant } from './shared.js';

/** Where the organization's test time stands. Until it is advanced for the first time, it is the world's. */
export interface Clock {
  now: string;
  stands_still: boolean;
}

/** What happened on the way. */
export interface ClockAdvanced extends Clock {
  renewals: number;
  collections: number;
  reconciliations: number;
}

/** `to` an instant, or `by` a span (`31d`). */
export type ClockAdvance = { to: Instant; by?: undefined } | { by: string; to?: undefined };

/** `reevit.sandbox`. */
export class Sandbox extends Resource {
  /** What time it is in test mode. */
  async clock(options?: ReadOptions): Promise<Clock> {
    return this.one({ method: 'GET', path: pathOf('sandbox', 'clock') }, options);
  }

  /**
   * Moves test time forward, `to` an instant or `by` a span.
   *
   * All that is due by then happens, in order, before it returns. Years of many subscriptions take a while: give
   * `withOptions({ timeout: 300_000 })`.
   */
  async advance(advance: ClockAdvance, options?: WriteOptions): Promise<ClockAdvanced> {
    const path = pathOf('sandbox', 'clock', 'advance');
    return this.one({ method: 'POST', path, body: withoutNulls(advance) }, options);
  }

  /** Plays the customer's part: `succeed`, `fail:insufficient_funds` … */
  async completePayment(paymentId: string, outcome: string, options?: WriteOptions): Promise<Payment> {
    const path = pathOf('sandbox', 'payments', paymentId, 'complete');
    return this.one({ method: 'POST', path, body: { outcome } }, options);
  }
}
