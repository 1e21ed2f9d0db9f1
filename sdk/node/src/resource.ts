/** What the nouns of the API have in common: by whom they send, and how an answer becomes an object. */

import { type Call, nothing, object, type ReadOptions, type Sender, type WriteOptions } from './call.js';
import { fetchPage, type ListCall, Pages } from './pages.js';

/** A request, before it is said how its answer is read. */
type Sent = Pick<Call<unknown>, 'method' | 'path' | 'query' | 'body'>;

/** What one noun of the API can do. */
export class Resource {
  readonly #sender: Sender;

  /** @internal */
  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Sends one request; its answer is an object. */
  protected one<T extends object>(sent: Sent, options: WriteOptions | undefined): Promise<T> {
    return this.#sender.send<T>({ ...sent, options, read: object });
  }

  /** Sends one request that is answered with nothing. */
  protected none(sent: Sent, options: WriteOptions | undefined): Promise<void> {
    return this.#sender.send({ ...sent, options, read: nothing });
  }

  /** Sends one request whose answer is read in a way of its own. */
  protected other<T>(call: Call<T>): Promise<T> {
    return this.#sender.send(call);
  }

  /** A list, asked for when it is awaited; what is wrong with the call comes out there too. */
  protected pages<T>(call: () => ListCall, options: ReadOptions | undefined): Pages<T> {
    return new Pages(async () => fetchPage<T>(call(), this.#sender, options));
  }
}
