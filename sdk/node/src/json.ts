/**
 * JSON whose integers are exact. Sums of money may pass 2^53, where `JSON.parse` begins to round: such an integer is a
 * BigInt here, and a BigInt is written as an integer. All other JSON is what `JSON.parse` makes of it.
 */

import { inspect } from 'node:util';

/** An object whose fields depend on what it is of. */
export type JsonObject = Record<string, any>;

/** Whether it is what JSON calls an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Below this many digits in a row, every integer is safe as a number. */
const MAYBE_UNSAFE = /\d{16}/;

/** A string, whole, or a number: in valid JSON, digits outside strings are nothing else. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

const INTEGER = /^-?\d+$/;

/** Deeper than this is nobody's data: whatever walks it, JSON.stringify for one, would run out of stack. */
const DEEPEST = 1000;

/** Raises SyntaxError for what is not JSON, or is nested so deep that nothing could be done with it. */
export function parse(text: string): unknown {
  if (text.length > 2 * DEEPEST) refuseDeep(text);
  return MAYBE_UNSAFE.test(text) ? parseExactly(text) : JSON.parse(text);
}

function refuseDeep(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === ']' || character === '}') depth -= 1;
    else if ((character === '[' || character === '{') && ++depth > DEEPEST) {
      throw new SyntaxError(`It is nested more than ${DEEPEST} deep.`);
    }
  }
}

/** The place of the quote that ends the string which begins at `start`; past the text when none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

/**
 * Unsafe integers travel through `JSON.parse` as strings that begin with a mark. The mark is one `#` longer than what
 * any string of the text begins with, so that no text can be taken for a number, whoever wrote it.
 */
function parseExactly(text: string): unknown {
  let mark = '#';
  const plain: unknown = JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'string' && value.startsWith(mark)) mark = '#'.repeat(hashesAt(value) + 1);
    return value;
  });
  let found = false;
  const marked = text.replace(STRING_OR_NUMBER, (token) => {
    if (!INTEGER.test(token) || Number.isSafeInteger(Number(token))) return token;
    found = true;
    return `"${mark}${token}"`;
  });
  if (!found) return plain;
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

function hashesAt(text: string): number {
  let count = 0;
  while (text[count] === '#') count += 1;
  return count;
}

/**
 * The JSON of what is sent. Dates become RFC 3339; undefined fields are left out, null is sent. Raises TypeError, with
 * the place, for what JSON has no word for, where `JSON.stringify` would write null or `{}`: NaN, a Map, a function.
 */
export function encode(value: unknown): string {
  return encoded(value, '', []);
}

function encoded(value: unknown, place: string, within: readonly object[]): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'bigint':
      return value.toString();
    case 'number':
      if (Number.isFinite(value)) return JSON.stringify(value);
      break;
    case 'object':
      return value === null ? 'null' : encodedObject(value, place, within);
  }
  throw unsayable(value, place);
}

function encodedObject(value: object, place: string, within: readonly object[]): string {
  if (within.includes(value)) throw new TypeError(`${named(place)} holds itself, which JSON cannot say.`);
  const outer = [...within, value];
  if (value instanceof Date) return JSON.stringify(instant(value, place));
  if (Array.isArray(value)) {
    return `[${Array.from(value, (each, index) => encoded(each, `${place}[${index}]`, outer)).join(',')}]`;
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return encoded(value.toJSON(''), place, outer);
  if (value instanceof Map || value instanceof Set) throw unsayable(value, place);
  const fields: string[] = [];
  for (const [name, each] of Object.entries(value)) {
    if (each === undefined) continue;
    fields.push(`${JSON.stringify(name)}:${encoded(each, place ? `${place}.${name}` : name, outer)}`);
  }
  return `{${fields.join(',')}}`;
}

/** RFC 3339. Raises TypeError for an invalid Date. */
export function instant(value: Date, place: string): string {
  if (Number.isNaN(value.getTime())) throw new TypeError(`${named(place)} is an invalid Date.`);
  return value.toISOString();
}

function unsayable(value: unknown, place: string): TypeError {
  return new TypeError(`${named(place)} is ${inspect(value, { depth: 0 })}, which cannot be sent as JSON.`);
}

function named(place: string): string {
  return place ? `\`${place}\`` : 'The body';
}
