/** The programs of the README, with the package as its users have it: they pass the compiler, and they run. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { signWebhookPayload } from '@reevit/node';

import { KEY } from './answers.mjs';
import { HERE, installed } from './packed.mjs';

const README = readFileSync(join(HERE, 'README.md'), 'utf8');
const PROGRAMS = Array.from(README.matchAll(/^```js\n(.*?)^```/gms), ([, program]) => program);
const SECRET = 'whsec_c2VjcmV0';

/** As much of Express as the README needs, since it is not installed here; it says on which port it listens. */
const EXPRESS = `
import { createServer } from 'node:http';

export default function express() {
  const routes = new Map();
  const server = createServer(async (request, response) => {
    response.sendStatus = (status) => response.writeHead(status).end();
    for (const handler of routes.get(request.url)) await handler(request, response);
  });
  const post = (path, ...handlers) => routes.set(path, handlers);
  const listen = () => server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
  return { post, listen };
}

express.raw = () => async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  request.body = Buffer.concat(chunks);
};
`;

const PAYMENT = { id: 'pay_1', amount: 15000, currency: 'GHS' };
const SIMULATION = { events: 2, matched: 1, results: [{ matches: true, actions: [{ to: 'ada@example.com' }] }] };
const last = { has_more: false, next_cursor: null };
/** What the README asks, in its order, and what it is answered. @type {[string, number, object][]} */
const EXCHANGES = [
  ['PUT /v1/customers/external/usr_1234', 200, { id: 'cus_1', external_id: 'usr_1234' }],
  ['POST /v1/payments', 201, PAYMENT],
  ['POST /v1/payments/pay_1/refund', 201, { id: 'ref_1' }],
  ['GET /v1/customers/external/usr_1234/payments', 200, { payments: [PAYMENT], ...last }],
  ['GET /v1/customers/top?limit=10', 200, { customers: [] }],
  ['GET /v1/payments?status=succeeded&limit=50', 200, { payments: [PAYMENT], has_more: true, next_cursor: 'abc' }],
  ['GET /v1/payments?status=succeeded&limit=50&cursor=abc', 200, { payments: [PAYMENT], ...last }],
  ['GET /v1/payments?status=succeeded', 200, { payments: [PAYMENT], has_more: true, next_cursor: 'abc' }],
  ['GET /v1/payments?status=succeeded&cursor=abc', 200, { payments: [PAYMENT], ...last }],
  ['POST /v1/workflows/rules', 201, { id: 'wfr_1' }],
  ['POST /v1/workflows/rules/wfr_1/simulate', 200, SIMULATION],
  ['GET /v1/messages?status=outbox', 200, { messages: [{ to: 'ada@example.com', subject: 'Thank you!' }], ...last }],
  ['POST /v1/customers', 409, { code: 'external_id_taken', message: 'No.', details: { customer_id: 'cus_1' } }],
  ['POST /v1/payments', 201, PAYMENT],
];

/** What its programs about lists and workflows print. */
const LISTED = ['1 true abc', '15000 GHS', '15000 GHS'];
const WRITTEN = ['2 1 ada@example.com', 'ada@example.com Thank you!'];

/** @type {ReturnType<typeof installed>} */
let user;

before(() => {
  user = installed();
});

after(() => user.remove());

test('the programs pass the compiler', () => {
  assert.equal(PROGRAMS.length, 7);
  user.lendTypes();
  user.write('express.d.ts', "declare module 'express' { const express: any; export default express; }");
  const program = user.write('readme.mts', PROGRAMS.join('\n'));
  const express = ['--noImplicitAny', 'false', 'express.d.ts']; // whose types are not installed here
  assert.equal(user.tsc('--types', 'node', '--skipLibCheck', ...express, program), '');
});

test('the programs run: they ask, print and receive what the README says', async () => {
  const api = await answering();
  const { said, receiver, stop } = await started(api.baseUrl);
  try {
    assert.deepEqual(api.asked, EXCHANGES.map(([asked]) => asked));
    assert.deepEqual(said, [...LISTED, ...WRITTEN, 'It is cus_1']);
    const data = { amount: 15000, customer: { external_id: 'usr_1234' } };
    const body = JSON.stringify({ type: 'payment.succeeded', signature_timestamp: new Date().toISOString(), data });
    const deliver = async (/** @type {string} */ signature) => {
      const headers = { 'Content-Type': 'application/json', 'X-Reevit-Signature': signature };
      return (await fetch(`${receiver}/webhooks`, { method: 'POST', headers, body })).status;
    };
    assert.equal(await deliver('sha256=00'), 400);
    assert.equal(await deliver(signWebhookPayload(body, SECRET)), 204);
    assert.deepEqual((await stop()).slice(LISTED.length + WRITTEN.length + 1), ['usr_1234 has paid 15000']);
  } finally {
    await stop();
    api.close();
  }
});

/** An API on loopback that answers in turn. */
async function answering() {
  /** @type {string[]} */
  const asked = [];
  const server = createServer((request, response) => {
    const [, status, body] = EXCHANGES[asked.length] ?? ['', 418, {}];
    asked.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => response.writeHead(status).end(JSON.stringify(body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => void server.close().closeAllConnections();
  return { asked, baseUrl: `http://127.0.0.1:${port}`, close };
}

/** Runs all the programs as one, until it waits for deliveries; what it printed by then. @param {string} baseUrl */
async function started(baseUrl) {
  const express = join(user.folder, 'node_modules/express');
  mkdirSync(express, { recursive: true });
  user.write('node_modules/express/package.json', '{"name": "express", "type": "module", "exports": "./index.js"}');
  user.write('node_modules/express/index.js', EXPRESS);
  const program = user.write('readme.mjs', PROGRAMS.join('\n').replace('pfk_test_…', KEY));
  const set = { REEVIT_API_KEY: KEY, REEVIT_BASE_URL: baseUrl, REEVIT_WEBHOOK_SECRET: SECRET };
  const child = spawn(process.execPath, [program], { cwd: user.folder, env: { ...process.env, ...set } });
  let faults = '';
  child.stderr.on('data', (chunk) => (faults += chunk));
  const lines = createInterface(child.stdout);
  /** @type {string[]} */
  const said = [];
  lines.on('line', (line) => said.push(line));
  const ended = once(lines, 'close');
  const stop = async () => {
    child.kill();
    await ended;
    return said;
  };
  const isListening = () => said.find((line) => line.startsWith('port '));
  while (!isListening() && child.exitCode === null) await Promise.race([once(lines, 'line'), ended]);
  const port = isListening()?.slice('port '.length);
  assert.ok(port, faults);
  said.splice(said.indexOf(`port ${port}`), 1);
  return { said: [...said], receiver: `http://127.0.0.1:${port}`, stop };
}
