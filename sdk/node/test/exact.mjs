/**
 * Reads JSON with its integers exact, a character at a time and by none of the package's own code: what the tests
 * compare with. Integers that are safe are numbers, the others BigInts.
 */

/** @param {string} text @returns {any} */
export function exact(text) {
  let at = 0;

  function value() {
    space();
    if (text[at] === '{') return object();
    if (text[at] === '[') return array();
    if (text[at] === '"') return string();
    return word();
  }

  function object() {
    /** @type {Record<string, any>} */
    const found = {};
    at += 1;
    for (space(); text[at] !== '}'; comma()) {
      space();
      const name = string();
      space();
      at += 1; // :
      Object.defineProperty(found, name, { value: value(), enumerable: true, writable: true, configurable: true });
    }
    at += 1;
    return found;
  }

  function array() {
    /** @type {any[]} */
    const found = [];
    at += 1;
    for (space(); text[at] !== ']'; comma()) found.push(value());
    at += 1;
    return found;
  }

  function string() {
    const start = at;
    at += 1;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    at += 1;
    return JSON.parse(text.slice(start, at));
  }

  function word() {
    const start = at;
    while (at < text.length && !' \t\r\n,]}'.includes(/** @type {string} */ (text[at]))) at += 1;
    const found = text.slice(start, at);
    const safe = JSON.parse(found);
    return /^-?\d+$/.test(found) && !Number.isSafeInteger(safe) ? BigInt(found) : safe;
  }

  function comma() {
    space();
    if (text[at] === ',') at += 1;
    space();
  }

  function space() {
    while (at < text.length && ' \t\r\n'.includes(/** @type {string} */ (text[at]))) at += 1;
  }

  return value();
}
