/** Messages: what was written to whom, how it went, and who is not written to any more. */

import { fieldsOf, pathOf, type ReadOptions, type Sender, type WriteOptions } from '../call.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Mode, OfCustomer, Other, Paging } from './shared.js';

/** By what a message leaves. */
export type MessageChannel = 'email' | 'sms' | 'notification' | 'webhook';

export type MessageStatus = 'scheduled' | 'queued' | 'sending' | 'sent' | 'outbox' | 'suppressed' | 'failed';

/** What is not sent any more. */
export type Covers = 'marketing' | 'everything';

/** One attempt to send a message. */
export interface MessageAttempt {
  number: number;
  integration_id: string;
  provider: string;
  /** Null while it is under way; after `later` it may yet get through, after `never` it will not. */
  outcome: 'sent' | 'later' | 'never' | 'interrupted' | Other | null;
  code: string | null;
  message: string | null;
  latency_ms: number | null;
  started_at: string;
  ended_at: string | null;
}

/** A message without its text. */
export interface ListedMessage {
  id: string;
  org_id: string;
  mode: Mode | Other;
  channel: MessageChannel | Other;
  purpose: 'transactional' | 'marketing' | 'test' | Other;
  status: MessageStatus | Other;
  /** Why it is in the outbox, suppressed or failed. */
  reason: string | null;
  reason_message: string | null;
  /** Null where the integration says to whom, and where its person was erased. */
  to: string | null;
  subject: string | null;
  integration_id: string | null;
  customer_id: string | null;
  event_id: string | null;
  execution_id: string | null;
  /** The payment whose receipt goes along, as a PDF. */
  receipt_of: string | null;
  attempt_count: number;
  next_attempt_at: string | null;
  provider_ref: string | null;
  created_at: string;
  sent_at: string | null;
}

/** What was written to somebody, or is to be, and every attempt to send it. */
export interface Message extends ListedMessage {
  text: string | null;
  html: string | null;
  attempts: MessageAttempt[];
}

/** An address that is not written to. */
export interface Suppression {
  id: string;
  org_id: string;
  mode: Mode | Other;
  channel: 'email' | 'sms' | Other;
  /** All that is kept of the address: `a***@example.com`. */
  hint: string;
  covers: Covers | Other;
  reason: 'unsubscribed' | 'opted_out' | 'bounced' | 'manual' | Other;
  created_at: string;
}

/** Every one narrows. */
export interface MessageFilters extends OfCustomer {
  channel?: MessageChannel | undefined;
  status?: MessageStatus | undefined;
  execution_id?: string | undefined;
}

export interface SuppressionFields {
  channel: 'email' | 'sms';
  address: string;
  /** Everything unless said. */
  covers?: Covers | undefined;
}

/** Those of one channel; `address` asks whether one is there. */
export interface SuppressionFilters extends Paging {
  channel?: 'email' | 'sms' | undefined;
  address?: string | undefined;
}

/** `reevit.messages.suppressions`: who is not written to any more. */
export class Suppressions extends Resource {
  /** Writes no more to an address, or no more marketing. Again, it is the same one. */
  async create(fields: SuppressionFields, options?: WriteOptions): Promise<Suppression> {
    return this.one({ method: 'POST', path: suppressionPath(), body: fieldsOf(fields) }, options);
  }

  /** Suppressions, newest first. */
  list(filters?: SuppressionFilters, options?: ReadOptions): Pages<Suppression> {
    return this.pages(() => ({ path: suppressionPath(), key: 'suppressions', query: fieldsOf(filters) }), options);
  }

  /** Writes to that address again. */
  async delete(suppressionId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: suppressionPath(suppressionId) }, options);
  }
}

/** `reevit.messages`, kept as long as events. */
export class Messages extends Resource {
  readonly suppressions: Suppressions;

  /** @internal */
  constructor(sender: Sender) {
    super(sender);
    this.suppressions = new Suppressions(sender);
  }

  /** Messages, newest first, without their texts. */
  list(filters?: MessageFilters, options?: ReadOptions): Pages<ListedMessage> {
    return this.pages(() => ({ path: pathOf('messages'), key: 'messages', query: fieldsOf(filters) }), options);
  }

  /** A message with its text and every attempt. Raises NotFoundError. */
  async get(messageId: string, options?: ReadOptions): Promise<Message> {
    return this.one({ method: 'GET', path: pathOf('messages', messageId) }, options);
  }

  /** Sends again what failed or stayed in the outbox. Raises ConflictError for anything else. */
  async resend(messageId: string, options?: WriteOptions): Promise<Message> {
    return this.one({ method: 'POST', path: pathOf('messages', messageId, 'resend'), body: {} }, options);
  }
}

function suppressionPath(...parts: string[]): string {
  return pathOf('messages', 'suppressions', ...parts);
}
