/** Mistakes that must not pass: each marked line is one, and `tsc` complains of a mark that finds none. */

import { constructEvent, Reevit } from '@reevit/node';

const reevit = new Reevit();

export async function mistakes(): Promise<void> {
  // @ts-expect-error a misspelt field
  await reevit.customers.create({ nmae: 'Ada' });
  // @ts-expect-error a misspelt field within a field
  await reevit.payments.create({ amount: 1, currency: 'GHS', customer: { externalId: 'usr_1' } });
  // @ts-expect-error a field in the letters of JavaScript instead of the wire's
  await reevit.customers.create({ externalId: 'usr_1' });
  // @ts-expect-error a field that is missing
  await reevit.payments.create({ amount: 15000 });
  // @ts-expect-error money is an integer, not text
  await reevit.payments.create({ amount: '15000', currency: 'GHS' });
  // @ts-expect-error a value that there is not
  await reevit.subscriptions.create({ customer_id: 'cus_1', amount: 1, currency: 'GHS', interval: 'fortnightly' });
  // @ts-expect-error metadata is flat
  await reevit.customers.create({ metadata: { address: { city: 'Accra' } } });
  // @ts-expect-error a refund is given its fields by name
  await reevit.payments.refund('pay_1', 5000);
  // @ts-expect-error a filter that there is not
  reevit.payments.list({ state: 'succeeded' });
  // @ts-expect-error a status that there is not
  reevit.payments.list({ status: 'suceeded' });
  // @ts-expect-error a customer is not named by a number
  await reevit.customers.get(1234);
  // @ts-expect-error a customer is not named by the whole of it
  await reevit.customers.delete(await reevit.customers.get('cus_1'));
  // @ts-expect-error a channel that there is not
  await reevit.workflows.templates.create({ name: 'Hi', channel: 'fax', text: 'Hi' });
  // @ts-expect-error a name is not cleared
  await reevit.workflows.templates.update('tpl_1', { name: null });
  // @ts-expect-error a preview is of an event
  await reevit.workflows.templates.preview('tpl_1');
  // @ts-expect-error an action that there is not
  await reevit.workflows.rules.create({ name: 'Hi', trigger: 'payment.succeeded', actions: [{ type: 'send_fax' }] });
  // @ts-expect-error a tag that is missing
  await reevit.workflows.rules.update('wfr_1', { actions: [{ type: 'add_tag' }] });
  // @ts-expect-error a condition that is misspelt
  await reevit.workflows.rules.update('wfr_1', { conditions: { min_ammount: 1 } });
  // @ts-expect-error a provider that there is not
  await reevit.workflows.integrations.create({ name: 'Hi', provider: 'pigeon', credentials: {} });
  // @ts-expect-error a switch that is misspelt
  await reevit.workflows.notices.update({ receipt_mail: true });
  // @ts-expect-error a text that a list leaves out
  console.log((await reevit.messages.list())[0]?.text);
  // @ts-expect-error one or the other
  await reevit.sandbox.advance({ to: new Date(), by: '1d' });
  // @ts-expect-error a read has no key
  await reevit.customers.get('cus_1', { idempotencyKey: 'a' });
  // @ts-expect-error a misspelt option
  await reevit.customers.create({ name: 'Ada' }, { idempotency_key: 'a' });

  const ada = await reevit.customers.get('cus_1');
  // @ts-expect-error a misspelt property of a result
  console.log(ada.emial);
  // @ts-expect-error an e-mail address may be null
  console.log(ada.email.length);
  // @ts-expect-error a sum may be a BigInt, which is not divided by a number
  console.log(ada.total_spent / 100);
  // @ts-expect-error an instant is text
  console.log(ada.created_at.getTime());
  // @ts-expect-error a page has rows, not the object of the wire
  console.log((await reevit.payments.list()).payments);
  // @ts-expect-error a list that is not awaited has no rows yet
  console.log(reevit.payments.list()[0]);
  // @ts-expect-error a status is text
  console.log((await reevit.payments.get('pay_1')).status.toFixed());

  // @ts-expect-error a parsed body
  constructEvent({ id: 'evt_1' }, {}, 'whsec_');
  // @ts-expect-error no secret
  constructEvent('{}', {});
  // @ts-expect-error seconds as text
  new Reevit({ timeout: '30s' });
  // @ts-expect-error a misspelt setting
  reevit.withOptions({ retries: 3 });
}
