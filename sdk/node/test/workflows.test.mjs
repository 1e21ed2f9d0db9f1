/** `reevit.workflows`: what is sent, and what comes of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answering, rejection } from './answers.mjs';

const RECEIPT = { id: 'tpl_1', name: 'Receipt', channel: 'sms', text: 'Thank you!' };

test('a template is created, read, changed and deleted', async () => {
  const { reevit, requests } = answering(RECEIPT, RECEIPT, RECEIPT, new Response(null, { status: 204 }));
  const { templates } = reevit.workflows;
  assert.deepEqual(await templates.create({ name: 'Receipt', channel: 'sms', text: 'Thank you!' }), RECEIPT);
  assert.deepEqual(await templates.get('tpl_1'), RECEIPT);
  assert.deepEqual(await templates.update('tpl_1', { subject: undefined, html: null }), RECEIPT);
  assert.equal(await templates.delete('tpl_1', { idempotencyKey: 'a' }), undefined);
  assert.deepEqual(
    requests.map(({ method, path, body }) => [method, path, body]),
    [
      ['POST', '/v1/workflows/templates', '{"name":"Receipt","channel":"sms","text":"Thank you!"}'],
      ['GET', '/v1/workflows/templates/tpl_1', null],
      ['PATCH', '/v1/workflows/templates/tpl_1', '{"html":null}'],
      ['DELETE', '/v1/workflows/templates/tpl_1', null],
    ],
  );
  assert.equal(requests[3]?.headers.get('Idempotency-Key'), 'a');
});

test('templates are listed page by page, those of a channel alone if that is asked', async () => {
  const { reevit, requests } = answering(
    { templates: [RECEIPT], has_more: true, next_cursor: 'abc' },
    { templates: [{ ...RECEIPT, id: 'tpl_2' }], has_more: false, next_cursor: null },
  );
  const ids = [];
  for await (const { id } of reevit.workflows.templates.list({ channel: 'sms', limit: 1 })) ids.push(id);
  assert.deepEqual(ids, ['tpl_1', 'tpl_2']);
  assert.equal(requests[1]?.path, '/v1/workflows/templates?channel=sms&limit=1&cursor=abc');
});

test('a preview is asked for with an event', async () => {
  const shown = { to: '+233501234567', subject: null, text: 'Thank you!', html: null, characters: 10, segments: 1 };
  const { reevit, requests } = answering(shown);
  assert.deepEqual(await reevit.workflows.templates.preview('tpl_1', 'evt_1'), shown);
  const [request] = requests;
  assert.deepEqual([request?.method, request?.path], ['POST', '/v1/workflows/templates/tpl_1/preview']);
  assert.equal(request?.body, '{"event_id":"evt_1"}');
});

test('a template without an id is not the list of them', async () => {
  const { reevit, requests } = answering();
  assert.ok((await rejection(reevit.workflows.templates.get(''))) instanceof TypeError);
  assert.equal(requests.length, 0);
});
