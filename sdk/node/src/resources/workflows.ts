/** Workflows: what is written to customers, when and by whom. */

import { fieldsOf, pathOf, type ReadOptions, type Sender, type WriteOptions } from '../call.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import { Executions } from './executions.js';
import { Integrations } from './integrations.js';
import { Notices } from './notices.js';
import { Rules } from './rules.js';
import type { Mode, Other, Paging } from './shared.js';

/** By what a customer is written to. */
export type Channel = 'email' | 'sms' | 'notification';

/** What is written to customers, in Liquid: `Hi {{ customer.name }}`. */
export interface Template {
  id: string;
  org_id: string;
  mode: Mode | Other;
  name: string;
  channel: Channel | Other;
  subject: string | null;
  text: string | null;
  html: string | null;
  created_at: string;
  updated_at: string;
}

/** What would be sent. Nothing was. */
export interface Preview {
  /** The customer's e-mail or phone; null when there is none. */
  to: string | null;
  subject: string | null;
  text: string | null;
  html: string | null;
  /** Of an SMS: how long it is. */
  characters: number | null;
  /** Of an SMS: as how many messages it is paid. */
  segments: number | null;
}

/** An e-mail has a `subject`, and `text` or `html` or both; an SMS and a notification have `text`. */
export interface TemplateFields {
  name: string;
  channel: Channel;
  /** One line of Liquid. */
  subject?: string | null | undefined;
  text?: string | null | undefined;
  html?: string | null | undefined;
}

/** What is left out stays; null takes `text` or `html` away, if the other is there. */
export interface TemplateChanges {
  name?: string | undefined;
  subject?: string | undefined;
  text?: string | null | undefined;
  html?: string | null | undefined;
}

/** Those of one channel. */
export interface TemplateFilters extends Paging {
  channel?: Channel | undefined;
}

/** `reevit.workflows.templates`. */
export class Templates extends Resource {
  /** It is read when it is saved: what it cannot say is refused, with the place. */
  async create(fields: TemplateFields, options?: WriteOptions): Promise<Template> {
    return this.one({ method: 'POST', path: templatePath(), body: fieldsOf(fields) }, options);
  }

  /** Templates, newest first. */
  list(filters?: TemplateFilters, options?: ReadOptions): Pages<Template> {
    return this.pages(() => ({ path: templatePath(), key: 'templates', query: fieldsOf(filters) }), options);
  }

  /** Raises NotFoundError. */
  async get(templateId: string, options?: ReadOptions): Promise<Template> {
    return this.one({ method: 'GET', path: templatePath(templateId) }, options);
  }

  /** Changes what is given. What is sent from then on says what it says then. */
  async update(templateId: string, changes: TemplateChanges, options?: WriteOptions): Promise<Template> {
    return this.one({ method: 'PATCH', path: templatePath(templateId), body: fieldsOf(changes) }, options);
  }

  /** Raises NotFoundError. */
  async delete(templateId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: templatePath(templateId) }, options);
  }

  /** What it says of an event that happened. Nothing is sent. */
  async preview(templateId: string, eventId: string, options?: WriteOptions): Promise<Preview> {
    const path = templatePath(templateId, 'preview');
    return this.one({ method: 'POST', path, body: { event_id: eventId } }, options);
  }
}

/** `reevit.workflows`. */
export class Workflows extends Resource {
  readonly rules: Rules;
  readonly templates: Templates;
  readonly integrations: Integrations;
  readonly executions: Executions;
  readonly notices: Notices;

  /** @internal */
  constructor(sender: Sender) {
    super(sender);
    this.rules = new Rules(sender);
    this.templates = new Templates(sender);
    this.integrations = new Integrations(sender);
    this.executions = new Executions(sender);
    this.notices = new Notices(sender);
  }
}

function templatePath(...parts: string[]): string {
  return pathOf('workflows', 'templates', ...parts);
}
