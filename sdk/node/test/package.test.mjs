/** The package as its users have it: packed, installed alone in an empty folder, and used in every way there is. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const PACKAGE = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
const STRICT = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext'];
const TSC = [join(HERE, 'node_modules/typescript/bin/tsc'), ...STRICT];
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];

/** @type {string} */
let folder;

/** @param {string} command @param {string[]} args */
function run(command, args, cwd = folder) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout + done.stderr);
  return done.stdout;
}

/** @param {string} name @param {string} text */
function write(name, text) {
  writeFileSync(join(folder, name), text);
  return name;
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'reevit-node-'));
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, ...QUIET], HERE);
  write('package.json', '{"private": true}');
  run('npm', ['install', '--offline', ...QUIET, `./reevit-node-${PACKAGE.version}.tgz`]);
});

after(() => rmSync(folder, { recursive: true, force: true }));

const USED = `
const reevit = new Reevit('pfk_test_abc.def');
const secret = 'whsec_c2VjcmV0';
const body = JSON.stringify({ id: 'evt_1', signature_timestamp: new Date().toISOString() });
const event = reevit.webhooks.constructEvent(body, signWebhookPayload(body, secret), secret);
console.log(reevit.mode, event.id, new NotFoundError({ statusCode: 404, message: 'No.' }).name);
`;
const NAMES = '{ NotFoundError, Reevit, signWebhookPayload }';

test('it can be imported', () => {
  const program = write('used.mjs', `import ${NAMES} from '@reevit/node';${USED}`);
  assert.equal(run(process.execPath, [program]), 'test evt_1 NotFoundError\n');
});

test('it can be required', () => {
  const program = write('used.cjs', `const ${NAMES} = require('@reevit/node');${USED}`);
  assert.equal(run(process.execPath, [program]), 'test evt_1 NotFoundError\n');
});

test('it depends on nothing', () => {
  assert.equal(PACKAGE.dependencies, undefined);
  assert.deepEqual(Object.keys(JSON.parse(run('npm', ['ls', '--all', '--json'])).dependencies), ['@reevit/node']);
});

test('it exports the same, imported and required, and no more than what its index says', () => {
  const names = `const added = ['default', 'module.exports', '__esModule'];
    console.log(Object.keys(found).filter((name) => !added.includes(name)).sort().join());`;
  const imported = run(process.execPath, [write('names.mjs', `import * as found from '@reevit/node'; ${names}`)]);
  const required = run(process.execPath, [write('names.cjs', `const found = require('@reevit/node'); ${names}`)]);
  assert.equal(imported, required);
  assert.match(imported, /^AuthenticationError,.*,Reevit,.*,verifyWebhookSignature\n$/);
  const inner = "require('@reevit/node/dist/cjs/json.js')";
  assert.throws(() => run(process.execPath, ['-e', inner]), /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test('what is packed is the built code, its types, and how to use it', () => {
  const [packed] = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', ...QUIET], HERE));
  const files = packed.files.map((/** @type {{ path: string }} */ { path }) => path);
  const others = files.filter((/** @type {string} */ path) => !/^dist\/(esm|cjs)\/.*\.(js|d\.ts)$/.test(path));
  const expected = ['LICENSE', 'README.md', 'dist/cjs/package.json', 'dist/esm/package.json', 'package.json'];
  assert.deepEqual(others.sort(), expected);
  assert.ok(files.includes('dist/esm/index.js') && files.includes('dist/cjs/resources/customers.d.ts'));
});

for (const types of ['node', 'dom']) {
  test(`its types are found and right, imported and required, where fetch is that of ${types}`, () => {
    const program = `import { type Customer, Reevit } from '@reevit/node';
      const ada: Promise<Customer> = new Reevit().customers.get('cus_1', { signal: new AbortController().signal });
      // @ts-expect-error a misspelt method
      ada.then(() => new Reevit().customers.gte('cus_1'));`;
    const both = [write(`typed-${types}.mts`, program), write(`typed-${types}.cts`, program)];
    const from = types === 'node' ? ['--types', 'node', '--skipLibCheck'] : ['--lib', 'es2022,dom', '--types', ''];
    if (types === 'node') lend('@types/node', 'undici-types');
    assert.equal(run(process.execPath, [...TSC, '--exactOptionalPropertyTypes', ...from, ...both]), '');
  });
}

test('the programs of the README are right', () => {
  const readme = readFileSync(join(HERE, 'README.md'), 'utf8');
  const programs = Array.from(readme.matchAll(/^```js\n(.*?)^```/gms), ([, program]) => program);
  assert.equal(programs.length, 6);
  write('express.d.ts', "declare module 'express' { const express: any; export default express; }");
  const program = write('readme.mts', programs.join('\n'));
  lend('@types/node', 'undici-types');
  const express = ['--noImplicitAny', 'false', 'express.d.ts']; // whose types are not installed here
  assert.equal(run(process.execPath, [...TSC, '--types', 'node', '--skipLibCheck', ...express, program]), '');
});

/** What a user of TypeScript has installed as well. @param {...string} packages */
function lend(...packages) {
  for (const name of packages) {
    cpSync(join(HERE, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  }
}
