/** API keys: who may do what. */

import { fieldsOf, pathOf, type ReadOptions, type WriteOptions } from '../call.js';
import type { Pages } from '../pages.js';
import { Resource } from '../resource.js';
import type { Mode, Other, Paging } from './shared.js';

/** A key without its secret. */
export interface ApiKey {
  id: string;
  org_id: string;
  mode: Mode | Other;
  name: string | null;
  scopes: string[];
  prefix: string;
  created_at: string;
  revoked_at: string | null;
  /** The key itself: there once, when it is created. */
  key?: string | null;
}

export interface ApiKeyFields {
  name?: string | null | undefined;
  /** `customers:read` and so on; all of the creating key's when left out. */
  scopes?: readonly string[] | null | undefined;
}

/** `reevit.apiKeys`. */
export class ApiKeys extends Resource {
  /** A new key of this organization and mode. Its `key` is shown here and never again. */
  async create(fields?: ApiKeyFields, options?: WriteOptions): Promise<ApiKey> {
    return this.one({ method: 'POST', path: pathOf('api-keys'), body: fieldsOf(fields) }, options);
  }

  /** Keys, newest first, revoked ones too. */
  list(paging?: Paging, options?: ReadOptions): Pages<ApiKey> {
    return this.pages(() => ({ path: pathOf('api-keys'), key: 'keys', query: fieldsOf(paging) }), options);
  }

  /** Stops a key within a second, for good. */
  async revoke(keyId: string, options?: WriteOptions): Promise<void> {
    return this.none({ method: 'DELETE', path: pathOf('api-keys', keyId) }, options);
  }
}
