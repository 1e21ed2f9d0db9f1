/** Integrations: who sends what is written, with the merchant's own account. */

import { fieldsOf, pathOf, type ReadOptions, withoutNulls, type WriteOptions } from '../call.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Message, MessageChannel } from './messages.js';
import type { Mode, Other, Paging } from './shared.js';

/** Who can send: e-mail (`smtp`, `resend`, `sendgrid`), SMS (`twilio`, `africas_talking`, `hubtel`), and the rest. */
export type IntegrationProvider =
  | 'smtp'
  | 'resend'
  | 'sendgrid'
  | 'twilio'
  | 'africas_talking'
  | 'hubtel'
  | 'chat'
  | 'webhook';

/** What the provider needs to know you: `{ host: …, username: …, password: … }` of a mail server. */
export type Credentials = Readonly<Record<string, string | number | null>>;

/** Who sends. Its credentials are sealed, and in no answer. */
export interface Integration {
  id: string;
  org_id: string;
  mode: Mode | Other;
  name: string;
  channel: MessageChannel | Other;
  provider: string;
  from_address: string | null;
  from_name: string | null;
  reply_to: string | null;
  enabled: boolean;
  created_at: string;
  updated_at: string;
}

export interface IntegrationFields {
  name: string;
  provider: IntegrationProvider;
  credentials: Credentials;
  /** Whom an e-mail is from: needed for e-mail, and only there. */
  from_address?: string | null | undefined;
  /** Your organization's name unless said. */
  from_name?: string | null | undefined;
  /** Where an answer goes; `from_address` unless said. */
  reply_to?: string | null | undefined;
  enabled?: boolean | undefined;
}

/** What is left out stays. */
export interface IntegrationChanges {
  name?: string | undefined;
  /** They are replaced as a whole. */
  credentials?: Credentials | undefined;
  from_address?: string | undefined;
  from_name?: string | null | undefined;
  reply_to?: string | null | undefined;
  enabled?: boolean | undefined;
}

/** Those of one channel. */
export interface IntegrationFilters extends Paging {
  channel?: MessageChannel | undefined;
}

export interface TestFields {
  /** An e-mail address or a phone number; nobody for a chat and a webhook. */
  to?: string | null | undefined;
}

/** `reevit.workflows.integrations`. Without any, messages stay in the outbox: `reevit.messages`. */
export class Integrations extends Resource {
  /** Names who sends from now on. Raises ConflictError for a name that is taken. */
  async create(fields: IntegrationFields, options?: WriteOptions): Promise<Integration> {
    return this.one({ method: 'POST', path: integrationPath(), body: fieldsOf(fields) }, options);
  }

  /** Integrations, newest first. */
  list(filters?: IntegrationFilters, options?: ReadOptions): Pages<Integration> {
    return this.pages(() => ({ path: integrationPath(), key: 'integrations', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(integrationId: string, options?: ReadOptions): Promise<Integration> {
    return this.one({ method: 'GET', path: integrationPath(integrationId) }, options);
  }

  /** Changes what is given. What waits while it is off is sent when it is on again. */
  async update(integrationId: string, changes: IntegrationChanges, options?: WriteOptions): Promise<Integration> {
    return this.one({ method: 'PATCH', path: integrationPath(integrationId), body: fieldsOf(changes) }, options);
  }

  /** Forgets its credentials. What it was still to send stays in the outbox. */
  async delete(integrationId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: integrationPath(integrationId) }, options);
  }

  /** Sends a short message. `reevit.messages.get` says how it went. */
  async test(integrationId: string, fields?: TestFields, options?: WriteOptions): Promise<Message> {
    const path = integrationPath(integrationId, 'test');
    return this.one({ method: 'POST', path, body: withoutNulls(fields) }, options);
  }
}

function integrationPath(...parts: string[]): string {
  return pathOf('workflows', 'integrations', ...parts);
}
