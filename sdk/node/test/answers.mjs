/** A client whose network is a list of answers, and what it was asked. Nobody waits: the pauses are written down. */

import { Reevit } from '@reevit/node';

export const KEY = 'pfk_test_abc.def';

/**
 * Answers in turn: an object is JSON with status 200, a Response is itself, an Error is a network that broke.
 *
 * @param {...any} answers
 */
export function answering(...answers) {
  /** @type {{ method: string, url: URL, path: string, headers: Headers, body: string | null }[]} */
  const requests = [];
  /** @type {number[]} */
  const waits = [];
  /** @type {import('@reevit/node').Fetch} */
  const fetch = async (url, { method, headers, body }) => {
    const parsed = new URL(url);
    const named = new Headers(/** @type {Record<string, string>} */ (headers));
    requests.push({
      method: String(method),
      url: parsed,
      path: url.slice(parsed.origin.length),
      headers: named,
      body: /** @type {string | null} */ (body),
    });
    const answer = answers.shift();
    if (answer === undefined) throw new Error('there is no answer left');
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : new Response(JSON.stringify(answer));
  };
  const pause = async (/** @type {number} */ milliseconds) => void waits.push(milliseconds);
  /** @param {import('@reevit/node').ReevitOptions} [options] */
  const client = (options) => new Reevit({ apiKey: KEY, fetch, ...{ pause }, ...options });
  return { requests, waits, fetch, client, reevit: client() };
}

/** A network that broke, as Node's fetch tells it. @param {string} code @param {string} [message] */
export function broken(code, message = '') {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) });
}

/** A refusal of the API. @param {number} status @param {string} code @param {Record<string, string>} [headers] */
export function refused(status, code, headers) {
  const said = { error: 'some', code, message: 'No.', details: {}, request_id: 'req_1' };
  return new Response(JSON.stringify(said), { status, headers: { 'X-Request-Id': 'req_1', ...headers } });
}

/**
 * What a promise is rejected with. It fails when it is not.
 *
 * @param {PromiseLike<unknown>} promise
 * @returns {Promise<any>}
 */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was answered, where an error was expected');
}
