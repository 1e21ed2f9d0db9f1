/** The package as its users have it: packed, and installed alone in an empty folder. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const HERE = fileURLToPath(new URL('..', import.meta.url));
export const PACKAGE = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
export const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];

const STRICT = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext'];
const TSC = [join(HERE, 'node_modules/typescript/bin/tsc'), ...STRICT];

/** The output of a command that must succeed. @param {string} cwd @param {string} command @param {string[]} args */
export function run(cwd, command, args) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout + done.stderr);
  return done.stdout;
}

/** Makes the folder; `remove` it in the end. */
export function installed() {
  const folder = mkdtempSync(join(tmpdir(), 'reevit-node-'));
  /** @param {string} name @param {string} text */
  const write = (name, text) => {
    writeFileSync(join(folder, name), text);
    return name;
  };
  run(HERE, 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder, ...QUIET]);
  write('package.json', '{"private": true}');
  run(folder, 'npm', ['install', '--offline', ...QUIET, `./reevit-node-${PACKAGE.version}.tgz`]);
  return {
    folder,
    write,
    /** @param {string} command @param {...string} args */
    run: (command, ...args) => run(folder, command, args),
    /** What the compiler says of it. @param {...string} args */
    tsc: (...args) => run(folder, process.execPath, [...TSC, ...args]),
    /** What a user of TypeScript has installed as well. */
    lendTypes: () => {
      for (const name of ['@types/node', 'undici-types']) {
        cpSync(join(HERE, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
