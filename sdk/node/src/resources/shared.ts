/** What several resources speak of. */

/** What a later version of the server may say: the known values are there for an editor to offer. */
export type Other = string & {};

/** A sum of money in minor units: a BigInt where it is past 2^53, where numbers are no longer exact. */
export type Amount = number | bigint;

/** What metadata may hold. */
export type MetadataValue = string | number | bigint | boolean;

/** Up to 50 keys of up to 40 characters; strings up to 500. In an update, an empty string removes its key. */
export type Metadata = Record<string, MetadataValue>;

/** A Date, or RFC 3339 text. */
export type Instant = Date | string;

/** Which data a key sees: test and live never meet. */
export type Mode = 'test' | 'live';

/** A page at a time. */
export interface Paging {
  /** Rows a page, 1 to 100; 20 unless said. */
  limit?: number | undefined;
  /** Starts after a page seen before: its `nextCursor`. */
  cursor?: string | undefined;
  /** Asks for one page by its place, as old clients do. */
  offset?: number | undefined;
  /** Counts them all, for the page's `total`. */
  include_total?: boolean | undefined;
}

/** Those created at or after the one, before the other. */
export interface Created extends Paging {
  created_after?: Instant | undefined;
  created_before?: Instant | undefined;
}

/** Those of one customer, by Reevit's id or by yours. */
export interface OfCustomer extends Created {
  customer_id?: string | undefined;
  external_customer_id?: string | undefined;
}
