/** Executions: what workflows did because of an event, and what became of it. */

import { fieldsOf, pathOf, type ReadOptions } from '../call.js';
import type { JsonObject } from '../json.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { EventType } from './events.js';
import type { ListedMessage } from './messages.js';
import type { Created, Mode, Other } from './shared.js';

export type ExecutionStatus = 'queued' | 'done' | 'failed' | 'skipped';

/** One action of an execution. */
export interface ExecutedAction {
  position: number;
  type: string;
  /** As the rule had it when the event happened. */
  action: JsonObject;
  status: ExecutionStatus | Other;
  reason: string | null;
  reason_message: string | null;
  /** What it wrote, with what has become of that since. */
  message: ListedMessage | null;
  finished_at: string | null;
}

/** What a workflow did because of an event. */
export interface Execution {
  id: string;
  org_id: string;
  mode: Mode | Other;
  /** A rule's id, or the name of a notice, such as `receipt_email`. */
  workflow_id: string;
  workflow_name: string;
  event_id: string;
  event_type: EventType | Other;
  customer_id: string | null;
  status: ExecutionStatus | Other;
  reason: string | null;
  reason_message: string | null;
  created_at: string;
  finished_at: string | null;
}

/** The same with its actions, in order. */
export interface ExecutionWithActions extends Execution {
  actions: ExecutedAction[];
}

/** Every one narrows. */
export interface ExecutionFilters extends Created {
  workflow_id?: string | undefined;
  status?: ExecutionStatus | undefined;
  event_id?: string | undefined;
  customer_id?: string | undefined;
}

/** `reevit.workflows.executions`, kept as long as their events. */
export class Executions extends Resource {
  /** Executions, newest first. */
  list(filters?: ExecutionFilters, options?: ReadOptions): Pages<Execution> {
    return this.pages(() => ({ path: executionPath(), key: 'executions', query: fieldsOf(filters) }), options);
  }

  /** An execution with its actions: what was sent, what failed and why. Raises NotFoundError. */
  async get(executionId: string, options?: ReadOptions): Promise<ExecutionWithActions> {
    return this.one({ method: 'GET', path: executionPath(executionId) }, options);
  }

  /** All its actions, in order; there are never more than one page. */
  actions(executionId: string, options?: ReadOptions): Pages<ExecutedAction> {
    return this.pages(() => ({ path: executionPath(executionId, 'actions'), key: 'actions', query: {} }), options);
  }
}

function executionPath(...parts: string[]): string {
  return pathOf('workflows', 'executions', ...parts);
}
