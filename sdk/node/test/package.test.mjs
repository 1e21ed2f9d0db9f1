/** The package as its users have it: packed, installed alone in an empty folder, and used in every way there is. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HERE, installed, PACKAGE, QUIET, run } from './packed.mjs';

/** @type {ReturnType<typeof installed>} */
let user;

before(() => {
  user = installed();
});

after(() => user.remove());

const USED = `
const reevit = new Reevit('pfk_test_abc.def');
const secret = 'whsec_c2VjcmV0';
const body = JSON.stringify({ id: 'evt_1', signature_timestamp: new Date().toISOString() });
const event = reevit.webhooks.constructEvent(body, signWebhookPayload(body, secret), secret);
console.log(reevit.mode, event.id, new NotFoundError({ statusCode: 404, message: 'No.' }).name);
`;
const NAMES = '{ NotFoundError, Reevit, signWebhookPayload }';

test('it can be imported', () => {
  const program = user.write('used.mjs', `import ${NAMES} from '@reevit/node';${USED}`);
  assert.equal(user.run(process.execPath, program), 'test evt_1 NotFoundError\n');
});

test('it can be required', () => {
  const program = user.write('used.cjs', `const ${NAMES} = require('@reevit/node');${USED}`);
  assert.equal(user.run(process.execPath, program), 'test evt_1 NotFoundError\n');
});

const TOLD = 'NotFoundError,ReevitAPIError,ReevitError\ntrue false true\nfalse\n';

test('an error of the one build is an instance of the class of the other, and of no other class', () => {
  const program = user.write('both.mjs', `
    import { createRequire } from 'node:module';
    import * as imported from '@reevit/node';
    const required = createRequire(import.meta.url)('@reevit/node');
    if (imported.ReevitError === required.ReevitError) throw new Error('there is but one build');
    async function raised({ Reevit }, status) {
      const fetch = async () => new Response('{"code": "x"}', { status });
      const reevit = new Reevit({ apiKey: 'pfk_test_abc.def', fetch, maxRetries: 0 });
      return reevit.customers.get('cus_1').catch((error) => error);
    }
    class Mine extends imported.NotFoundError {}
    class Hers extends required.NotFoundError {}
    const told = {};
    for (const [thrower, catcher] of [[imported, required], [required, imported], [imported, imported]]) {
      const error = await raised(thrower, 404);
      const kinds = Object.keys(catcher).filter((name) => /Error$|Answer$/.test(name));
      told[kinds.filter((name) => error instanceof catcher[name]).sort().join()] = true;
      if (error instanceof Mine || error instanceof Hers) throw new Error('it is of a class that was derived later');
    }
    console.log(Object.keys(told).join(' and '));
    const said = { statusCode: 404, message: 'No.' };
    const [mine, hers] = [new Mine(said), new Hers(said)];
    console.log(mine instanceof required.NotFoundError, mine instanceof Hers, hers instanceof Hers);
    const others = [new Error('a'), { name: 'NotFoundError' }, null, undefined, 5, Object.create(null)];
    console.log(others.some((other) => [imported, required].some(({ ReevitError }) => other instanceof ReevitError)));
  `);
  assert.equal(user.run(process.execPath, program), TOLD);
});

test('it depends on nothing', () => {
  assert.equal(PACKAGE.dependencies, undefined);
  assert.deepEqual(Object.keys(JSON.parse(user.run('npm', 'ls', '--all', '--json')).dependencies), ['@reevit/node']);
});

test('it exports the same, imported and required, and no more than what its index says', () => {
  const names = `const added = ['default', 'module.exports', '__esModule'];
    console.log(Object.keys(found).filter((name) => !added.includes(name)).sort().join());`;
  const asModule = user.write('names.mjs', `import * as found from '@reevit/node'; ${names}`);
  const asCommonJs = user.write('names.cjs', `const found = require('@reevit/node'); ${names}`);
  const imported = user.run(process.execPath, asModule);
  const required = user.run(process.execPath, asCommonJs);
  assert.equal(imported, required);
  assert.match(imported, /^AuthenticationError,.*,Reevit,.*,verifyWebhookSignature\n$/);
  const inner = "require('@reevit/node/dist/cjs/json.js')";
  assert.throws(() => user.run(process.execPath, '-e', inner), /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test('what is packed is the built code, its types, and how to use it', () => {
  const [packed] = JSON.parse(run(HERE, 'npm', ['pack', '--dry-run', '--json', '--ignore-scripts', ...QUIET]));
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
    const both = [user.write(`typed-${types}.mts`, program), user.write(`typed-${types}.cts`, program)];
    const from = types === 'node' ? ['--types', 'node', '--skipLibCheck'] : ['--lib', 'es2022,dom', '--types', ''];
    if (types === 'node') user.lendTypes();
    assert.equal(user.tsc('--exactOptionalPropertyTypes', ...from, ...both), '');
  });
}
