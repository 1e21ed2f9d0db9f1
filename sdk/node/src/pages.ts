/** Lists: pages that fetch the next one by themselves. */

import { inspect } from 'node:util';

import { type Call, object, type ReadOptions, type Sender } from './call.js';
import { isObject, type JsonObject } from './json.js';

/** A request for a page of a list; `key` is where the rows are in the answer. */
export interface ListCall {
  readonly path: string;
  readonly key: string;
  readonly query: JsonObject;
}

/** An array that knows more than its rows, and is shown, copied and written as JSON like any other. */
export class Rows<T> extends Array<T> {
  /** What `map`, `filter` and `slice` make of it is a plain array. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** Raises TypeError when they are no rows: an empty list would be an answer, and a wrong one. */
  constructor(rows: unknown) {
    super();
    if (!Array.isArray(rows) || !rows.every(isObject)) throw new TypeError('The answer has no such list.');
    for (const row of rows) this.push(row as T);
  }

  /** The rows, as a plain array. */
  get data(): T[] {
    return Array.from(this);
  }

  /** @internal */
  [inspect.custom](): T[] {
    return this.data;
  }
}

/**
 * One page of a list. As an array it is this page: `page[0]`, `page.length`, `for … of`. With `for await … of` it goes
 * on by itself through all the pages there are; `limit` is how many rows each of them has. A page that was asked for
 * with an `offset` does not go on.
 */
export class Page<T> extends Rows<T> {
  readonly #answer: JsonObject;
  readonly #next: (cursor: string) => Promise<Page<T>>;
  readonly #call: ListCall;

  /** @internal */
  constructor(call: ListCall, answer: JsonObject, next: (cursor: string) => Promise<Page<T>>) {
    super(answer[call.key]);
    this.#call = call;
    this.#answer = answer;
    this.#next = next;
  }

  /** Whether there are rows after these. */
  get hasMore(): boolean {
    return Boolean(this.#answer.has_more);
  }

  /** Where they begin; give it as `cursor`. */
  get nextCursor(): string | null {
    return this.#answer.next_cursor ?? null;
  }

  /** How many rows the whole list has, when it was asked for with `include_total`. */
  get total(): number | null {
    return this.#answer.total ?? null;
  }

  /** What else the answer said. */
  get extra(): JsonObject {
    const known = new Set([this.#call.key, 'has_more', 'next_cursor', 'total']);
    return Object.fromEntries(Object.entries(this.#answer).filter(([name]) => !known.has(name)));
  }

  /** The page after this one, or null: at the end, and after an `offset`, because who counts wants that one alone. */
  async nextPage(): Promise<Page<T> | null> {
    const { offset } = this.#call.query;
    const counted = offset !== undefined && offset !== null;
    return !this.hasMore || this.nextCursor === null || counted ? null : this.#next(this.nextCursor);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let page: Page<T> | null = this;
    while (page !== null) {
      for (const row of page) yield row;
      page = await page.nextPage();
    }
  }
}

/**
 * A list that can be asked for: `await` it for its first page, or go over all of it with `for await … of`. Nothing is
 * sent until then.
 */
export class Pages<T> implements Promise<Page<T>> {
  readonly #ask: () => Promise<Page<T>>;
  #first: Promise<Page<T>> | undefined;

  /** @internal */
  constructor(ask: () => Promise<Page<T>>) {
    this.#ask = ask;
  }

  get [Symbol.toStringTag](): string {
    return 'Pages';
  }

  then<A = Page<T>, B = never>(
    onPage?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    onError?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#page().then(onPage, onError);
  }

  catch<B = never>(onError?: ((reason: any) => B | PromiseLike<B>) | null): Promise<Page<T> | B> {
    return this.#page().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<Page<T>> {
    return this.#page().finally(onEnd);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    yield* await this.#page();
  }

  #page(): Promise<Page<T>> {
    this.#first ??= this.#ask();
    return this.#first;
  }
}

/** The page that `call` asks for. */
export function fetchPage<T>(call: ListCall, sender: Sender, options: ReadOptions | undefined): Promise<Page<T>> {
  const next = (cursor: string) => fetchPage<T>({ ...call, query: { ...call.query, cursor } }, sender, options);
  const asked: Call<Page<T>> = {
    method: 'GET',
    path: call.path,
    query: call.query,
    options,
    read: (answer) => new Page<T>(call, object(answer), next),
  };
  return sender.send(asked);
}
