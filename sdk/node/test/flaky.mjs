/** A server on loopback that takes payments, each once by its Idempotency-Key, and answers badly as it is told to. */

import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * One request, and the means to answer it in part.
 *
 * @typedef {{ socket: import('node:net').Socket, execute: () => string }} Exchange
 * @typedef {(exchange: Exchange) => void} Trouble
 */

/** Opens one that has these troubles, a request each, and then none. @param {...Trouble} troubles */
export async function shop(...troubles) {
  /** @type {Map<string, object>} */
  const payments = new Map();
  /** @type {import('node:http').IncomingMessage[]} */
  const requests = [];
  /** @type {Set<import('node:net').Socket>} */
  const connections = new Set();
  const server = createServer(async (request) => {
    requests.push(request);
    request.setEncoding('utf8');
    let body = '';
    for await (const chunk of request) body += chunk;
    const key = String(request.headers['idempotency-key']);
    const execute = () => {
      if (!payments.has(key)) payments.set(key, { id: `pay_${payments.size + 1}`, ...JSON.parse(body) });
      return worded('201 Created', payments.get(key));
    };
    (troubles.shift() ?? well)({ socket: request.socket, execute });
  });
  server.on('connection', (socket) => connections.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => {
    for (const socket of connections) socket.destroy();
    server.close();
  };
  return { baseUrl: `http://127.0.0.1:${port}`, payments, requests, connections, close };
}

/** An answer as it is on the wire. @param {string} status @param {unknown} told @param {...string} headers */
export function worded(status, told, ...headers) {
  const content = typeof told === 'string' ? told : JSON.stringify(told);
  const head = [`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(content)}`, ...headers];
  return `${head.join('\r\n')}\r\n\r\n${content}`;
}

/** @type {Trouble} */
export function well({ socket, execute }) {
  socket.write(execute());
}

/** Before anything is done. @type {Trouble} */
export function refusesTheConnection({ socket }) {
  socket.destroy();
}

/** @type {Trouble} */
export function saysNothing({ socket, execute }) {
  execute();
  socket.end();
}

/** @type {Trouble} */
export function resets({ socket, execute }) {
  execute();
  socket.resetAndDestroy();
}

/** @type {Trouble} */
export function breaksInTheHeaders({ socket, execute }) {
  socket.end(execute().slice(0, 30));
}

/** @type {Trouble} */
export function breaksBeforeTheBody({ socket, execute }) {
  socket.end(`${execute().split('\r\n\r\n')[0]}\r\n\r\n`);
}

/** @type {Trouble} */
export function breaksInTheBody({ socket, execute }) {
  socket.end(execute().slice(0, -10));
}

/** All of it came, but who knows? @type {Trouble} */
export function breaksBetweenChunks({ socket, execute }) {
  const content = String(execute().split('\r\n\r\n')[1]);
  const size = content.length.toString(16);
  socket.end(`HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${content}\r\n`);
}

/** @type {Trouble} */
export function talksNonsense({ socket, execute }) {
  execute();
  socket.end('\x00\x01 this is no HTTP\r\n\r\n');
}

/** @type {Trouble} */
export function isBusy({ socket }) {
  socket.write(worded('503 Service Unavailable', { code: 'unavailable', message: 'Ask again.' }, 'Retry-After: 0'));
}

/** @type {Trouble} */
export function isStillAtIt({ socket }) {
  socket.write(worded('409 Conflict', { code: 'idempotency_key_in_use', message: 'Wait.' }, 'Retry-After: 0'));
}

/** @type {Trouble} */
export function isBehindAProxyThatGivesUp({ socket, execute }) {
  execute();
  socket.write(worded('502 Bad Gateway', '<html>Bad gateway</html>'));
}

/** Without saying so: the next request goes into a connection that is dead. @type {Trouble} */
export function closesAfterItsAnswer({ socket, execute }) {
  socket.end(execute());
}

/** Half of it, and then nothing. @type {Trouble} */
export function stalls({ socket, execute }) {
  socket.write(execute().slice(0, -10));
}

/** Half of it, and then a blank for as long as somebody listens: it is never silent, and never done. @type {Trouble} */
export function drips({ socket, execute }) {
  socket.write(execute().replace(/Content-Length: \d+/, 'Content-Length: 100000').slice(0, -10));
  const timer = setInterval(() => socket.write(' '), 5);
  socket.once('close', () => clearInterval(timer));
}

/** @type {Trouble} */
export function neverAnswers({ execute }) {
  execute();
}
