/** A program as a user writes it: `tsc --strict` has nothing to say. It is checked, and not run. */

import type { IncomingMessage } from 'node:http';

import {
  type Amount,
  type Attempt,
  ConflictError,
  constructEvent,
  type Customer,
  type CustomerFields,
  type Event,
  type ExecutionWithActions,
  type ListedMessage,
  type Message,
  type Page,
  type Payment,
  type Preview,
  Reevit,
  ReevitAbortError,
  ReevitAPIError,
  ReevitConnectionError,
  type Rule,
  type RuleFields,
  signWebhookPayload,
  type Simulation,
  type Template,
  type TemplateChanges,
  WebhookVerificationError,
} from '@reevit/node';

const told: Attempt[] = [];
const reevit = new Reevit({
  apiKey: process.env.REEVIT_API_KEY,
  baseUrl: process.env.REEVIT_BASE_URL,
  timeout: 10_000,
  maxRetries: 3,
  fetch,
  onAttempt: (attempt) => told.push(attempt),
});
export const others: Reevit[] = [new Reevit(), new Reevit('pfk_test_…'), new Reevit('pfk_test_…', 'org_1', 'http://x')];

export async function theSeed(): Promise<void> {
  const customer = await reevit.customers.create({
    external_id: 'usr_1234',
    email: 'ada@example.com',
    name: 'Ada Lovelace',
    phone: '+233501234567',
    tags: ['premium', 'early-adopter'],
    metadata: { plan: 'pro', signup_source: 'referral' },
  });
  await reevit.payments.create({ amount: 15000, currency: 'GHS', customer_id: customer.id });
  const history: Payment[] = await reevit.customers.getPaymentHistory('cus_xyz123');
  const topCustomers = await reevit.customers.getTopCustomers({ limit: 10 });
  for (const { rank, name, amount } of topCustomers) console.log(rank, name, amount, topCustomers.currency);
  console.log(history.map(({ id }) => id.length));
}

export async function customers(): Promise<string> {
  const ada = await reevit.customers.get({ external_id: 'usr_1234' }, { signal: AbortSignal.timeout(1000) });
  const fields: CustomerFields = { name: ada.name, tags: ada.tags, metadata: ada.metadata, email: undefined };
  const upserted: Customer = await reevit.customers.upsert('usr_1234', fields, { idempotencyKey: 'signup-1234' });
  await reevit.customers.update(ada.id, { email: null, metadata: { seats: 5, share: 0.5, big: 2n ** 60n } });
  const spent: bigint = BigInt(upserted.total_spent);
  const value: Amount | undefined = upserted.totals[0]?.lifetime_value;
  if (ada.subscription_status === 'past_due' || ada.subscription_status === 'something newer') return `${spent}`;
  const none: void = await reevit.customers.delete(ada.id);
  return `${value} ${none}`;
}

export async function lists(): Promise<(Payment | undefined)[]> {
  const filters = { status: 'succeeded', created_after: new Date(0), customer_id: 'cus_1' } as const;
  for await (const payment of reevit.payments.list(filters)) console.log(payment.amount - payment.amount_refunded);
  const page: Page<Payment> = await reevit.payments.list({ limit: 5, include_total: true });
  const next: Page<Payment> | null = await page.nextPage();
  const total: number | null = page.total;
  const ids: string[] = page.filter(({ status }) => status === 'failed').map(({ id }) => id);
  const [first] = await Promise.all([reevit.payments.list(), reevit.events.list({ type: 'payment.*' })]);
  console.log(total, ids, page.hasMore, page.nextCursor, page.extra.totals, page.data.length);
  return [first[0], next?.[0]];
}

export async function theRest(): Promise<void> {
  const subscription = await reevit.subscriptions.create({
    external_customer_id: 'usr_1234',
    amount: 10000n,
    currency: 'GHS',
    interval: 'monthly',
    start_at: new Date(),
  });
  await reevit.subscriptions.cancel(subscription.id, { at_period_end: true }, { idempotencyKey: 'a' });
  await reevit.payments.refund('pay_1');
  await reevit.refunds.create('pay_1', { amount: 5000, reason: 'late' }, { idempotencyKey: 'refund-1' });
  const pdf: Uint8Array = await reevit.invoices.pdf('inv_1');
  const html: string = await reevit.invoices.html('inv_1');
  await reevit.retryPolicies.set({ delays: ['15m', '1h'], on_exhausted: 'pause' });
  await reevit.sandbox.advance({ by: '31d' });
  await reevit.sandbox.advance({ to: new Date() });
  const { signing_secret } = await reevit.webhooks.endpoints.create({ url: 'https://shop.example.com', events: ['*'] });
  await reevit.webhooks.endpoints.replay('whk_1', { from: new Date(0) });
  const template: Template = await reevit.workflows.templates.create({ name: 'Hi', channel: 'sms', text: 'Hi' });
  const preview: Preview = await reevit.workflows.templates.preview(template.id, 'evt_1');
  const changes: TemplateChanges = { text: preview.text, html: null };
  await reevit.workflows.templates.update(template.id, changes, { idempotencyKey: 'a' });
  const { key } = await reevit.apiKeys.create({ name: 'Reports', scopes: ['customers:read'] });
  const careful = reevit.withOptions({ timeout: 60_000, maxRetries: 0, actorId: 'ama', reason: 'asked by phone' });
  const anything = await careful.request<{ status: string }>('GET', '/v1/new', { query: { limit: 1 }, headers: {} });
  const mode: 'test' | 'live' | null = careful.mode;
  console.log(pdf.byteLength, html.length, signing_secret, key, anything.status, mode);
}

export async function workflows(): Promise<string | null | undefined> {
  const fields: RuleFields = {
    name: 'Thank the big ones',
    trigger: 'payment.succeeded',
    conditions: { currencies: ['GHS'], min_amount: 100000n, metadata_match: { plan: 'pro', seats: 3 } },
    actions: [
      { type: 'send_email', subject: 'Thank you', body: 'Dear {{ customer.name }}', to: null, attach_receipt: true },
      { type: 'add_tag', tag: 'vip' },
    ],
  };
  const { rules, executions, integrations, notices } = reevit.workflows;
  const rule: Rule = await rules.create(fields, { idempotencyKey: 'a' });
  await rules.update(rule.id, { actions: [{ type: 'send_sms', body: 'Thank you' }], priority: -1 });
  const simulation: Simulation = await rules.simulate(rule.id, { last: 200 });
  const credentials = { host: 'mail.example.com', port: 465 };
  const mail = await integrations.create({ name: 'Mail', provider: 'smtp', credentials, from_address: 'a@b.example' });
  const test: Message = await integrations.test(mail.id, { to: 'ada@example.com' });
  await notices.update({ receipt_email: true });
  for await (const { status, message } of executions.actions('exe_1')) console.log(status, message?.status);
  const execution: ExecutionWithActions = await executions.get('exe_1');
  const [listed]: ListedMessage[] = await reevit.messages.list({ status: 'outbox', customer_id: 'cus_1' });
  await reevit.messages.suppressions.create({ channel: 'email', address: 'ada@example.com', covers: 'marketing' });
  const pdf: Uint8Array = await reevit.payments.receiptPdf('pay_1');
  const html: string = await reevit.payments.receiptHtml('pay_1');
  console.log(pdf.byteLength, html.length, execution.actions[0]?.reason, listed?.to, test.attempts[0]?.outcome);
  return simulation.results[0]?.actions[0]?.not_sent;
}

export function receive(request: IncomingMessage & { body: Buffer }): Event | null {
  const secret = process.env.REEVIT_WEBHOOK_SECRET ?? '';
  try {
    const event = constructEvent(request.body, request.headers, secret, { toleranceSeconds: 60, now: new Date() });
    const externalId: string | null | undefined = event.data.customer?.external_id;
    if (event.type === 'payment.succeeded') console.log(externalId, event.data.amount);
    constructEvent('{}', request.rawHeaders, secret, null);
    constructEvent('{}', new Map([['x-reevit-signature', '']]), secret);
    constructEvent('{}', [['x-reevit-signature', '']], secret);
    return reevit.webhooks.constructEvent('{}', new Headers(), secret) ?? event;
  } catch (error) {
    if (error instanceof WebhookVerificationError && error.code === 'invalid_signature') return null;
    throw error;
  }
}

export function explain(error: unknown): string {
  if (error instanceof ConflictError && error.code === 'external_id_taken') return error.details.customer_id;
  if (error instanceof ReevitAbortError) return `${error.name} ${error.cause} ${error.idempotencyKey}`;
  if (error instanceof ReevitAPIError && error.idempotencyKey !== null) return error.idempotencyKey;
  if (error instanceof ReevitAPIError) return `${error.statusCode} ${error.requestId} ${error.fields[0]?.field}`;
  if (error instanceof ReevitConnectionError) return error.idempotencyKey ?? signWebhookPayload('{}', 'whsec_');
  throw error;
}
