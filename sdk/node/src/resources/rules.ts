/** Rules: when something is done, and what. */

import { fieldsOf, pathOf, type ReadOptions, type WriteOptions } from '../call.js';
import type { JsonObject } from '../json.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { EventType } from './events.js';
import type { Metadata, Mode, Other, Paging } from './shared.js';

/** Marketing carries a link to unsubscribe, and does not reach who did. */
export type Purpose = 'transactional' | 'marketing';

/** When something is done, and what. */
export interface Rule {
  id: string;
  org_id: string;
  mode: Mode | Other;
  name: string;
  enabled: boolean;
  trigger: EventType | Other;
  conditions: JsonObject;
  actions: JsonObject[];
  priority: number;
  created_at: string;
  updated_at: string;
}

/** What an action would have done. */
export interface SimulatedAction {
  position: number;
  type: string;
  to: string | null;
  subject: string | null;
  text: string | null;
  html: string | null;
  /** Of an SMS: as how many messages it is paid. */
  segments: number | null;
  /** Who would have sent it; null is the outbox. */
  integration_id: string | null;
  /** Why it would have sent nothing; null if it would have. */
  not_sent: string | null;
}

/** A past event, and what would have followed. */
export interface SimulatedEvent {
  event_id: string;
  event_type: EventType | Other;
  created_at: string;
  customer_id: string | null;
  matches: boolean;
  /** Which condition is not met, and what there is instead. */
  reason: string | null;
  actions: SimulatedAction[];
}

/** What a rule would have done with past events: how many there were, and how many met its conditions. */
export interface Simulation {
  rule_id: string;
  events: number;
  matched: number;
  results: SimulatedEvent[];
}

/** What a customer has paid in a currency, less refunds. */
export interface LifetimeValue {
  amount: number | bigint;
  currency: string;
}

/** What must all be so. What an event does not say is not so. */
export interface Conditions {
  currencies?: readonly string[] | null | undefined;
  /** In minor units; needs one currency in `currencies`. */
  min_amount?: number | bigint | null | undefined;
  max_amount?: number | bigint | null | undefined;
  countries?: readonly string[] | null | undefined;
  methods?: readonly string[] | null | undefined;
  customer_tags_any?: readonly string[] | null | undefined;
  customer_tags_all?: readonly string[] | null | undefined;
  customer_tags_none?: readonly string[] | null | undefined;
  customer_tags_added?: readonly string[] | null | undefined;
  /** Reevit's ids or your own. */
  customer_ids?: readonly string[] | null | undefined;
  metadata_match?: Metadata | null | undefined;
  min_lifetime_value?: LifetimeValue | null | undefined;
}

/** A template, or a `subject` and `body` or `html` or both, in Liquid. */
export interface SendEmail {
  type: 'send_email';
  template_id?: string | null | undefined;
  subject?: string | null | undefined;
  body?: string | null | undefined;
  html?: string | null | undefined;
  /** The customer unless said. */
  to?: string | null | undefined;
  /** With the payment's receipt, as a PDF. */
  attach_receipt?: boolean | undefined;
  purpose?: Purpose | null | undefined;
  integration_id?: string | null | undefined;
}

/** A template, or a `body` in Liquid. */
export interface SendSms {
  type: 'send_sms';
  template_id?: string | null | undefined;
  body?: string | null | undefined;
  /** The customer unless said. */
  to?: string | null | undefined;
  purpose?: Purpose | null | undefined;
  integration_id?: string | null | undefined;
}

/** To a chat: a template, or a `body` in Liquid. */
export interface SendNotification {
  type: 'send_notification';
  template_id?: string | null | undefined;
  body?: string | null | undefined;
  integration_id?: string | null | undefined;
}

/** The event, signed, to the receiver of an integration. */
export interface CallWebhook {
  type: 'webhook';
  integration_id?: string | null | undefined;
}

export interface AddTag {
  type: 'add_tag';
  tag: string;
}

export interface RemoveTag {
  type: 'remove_tag';
  tag: string;
}

/** What a rule does. */
export type RuleAction = SendEmail | SendSms | SendNotification | CallWebhook | AddTag | RemoveTag;

export interface RuleFields {
  name: string;
  /** The type of event that it waits for. */
  trigger: EventType | Other;
  conditions?: Conditions | undefined;
  /** Done in this order, each by itself. */
  actions: readonly RuleAction[];
  /** Of several rules for an event, the highest comes first; 0 unless said. */
  priority?: number | undefined;
  enabled?: boolean | undefined;
}

/** What is left out stays; `conditions` and `actions` are replaced as a whole. */
export interface RuleChanges {
  name?: string | undefined;
  trigger?: EventType | Other | undefined;
  conditions?: Conditions | undefined;
  actions?: readonly RuleAction[] | undefined;
  priority?: number | undefined;
  enabled?: boolean | undefined;
}

/** Those that wait for one type of event; those that are on, or off. */
export interface RuleFilters extends Paging {
  trigger?: EventType | Other | undefined;
  enabled?: boolean | undefined;
}

export interface SimulateFields {
  /** With how many of the latest events, 1 to 200; 50 unless said. */
  last?: number | undefined;
}

/** `reevit.workflows.rules`. */
export class Rules extends Resource {
  /** A new rule, for events from now on. What could never be done is refused, with its place. */
  async create(fields: RuleFields, options?: WriteOptions): Promise<Rule> {
    return this.one({ method: 'POST', path: rulePath(), body: fieldsOf(fields) }, options);
  }

  /** Rules, newest first. */
  list(filters?: RuleFilters, options?: ReadOptions): Pages<Rule> {
    return this.pages(() => ({ path: rulePath(), key: 'rules', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(ruleId: string, options?: ReadOptions): Promise<Rule> {
    return this.one({ method: 'GET', path: rulePath(ruleId) }, options);
  }

  /** Changes what is given. Events that happened before are done as it was then. */
  async update(ruleId: string, changes: RuleChanges, options?: WriteOptions): Promise<Rule> {
    return this.one({ method: 'PATCH', path: rulePath(ruleId), body: fieldsOf(changes) }, options);
  }

  /** On, for events from now on. */
  async enable(ruleId: string, options?: WriteOptions): Promise<Rule> {
    return this.one({ method: 'POST', path: rulePath(ruleId, 'enable'), body: {} }, options);
  }

  /** Off. What it has begun is done to its end. */
  async disable(ruleId: string, options?: WriteOptions): Promise<Rule> {
    return this.one({ method: 'POST', path: rulePath(ruleId, 'disable'), body: {} }, options);
  }

  /** It is gone; what it has begun is done to its end, and its executions stay. */
  async delete(ruleId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: rulePath(ruleId) }, options);
  }

  /** What it would have done with past events: to whom, and why not to others. Nothing is sent. */
  async simulate(ruleId: string, fields?: SimulateFields, options?: WriteOptions): Promise<Simulation> {
    return this.one({ method: 'POST', path: rulePath(ruleId, 'simulate'), body: fieldsOf(fields) }, options);
  }
}

function rulePath(...parts: string[]): string {
  return pathOf('workflows', 'rules', ...parts);
}
