// The lines of the page that this product was made from, as they stand there.
import { Reevit } from '@reevit/node';

const reevit = new Reevit(process.env.REEVIT_API_KEY, undefined, process.env.REEVIT_BASE_URL);

const customer = await reevit.customers.create({
  external_id: 'usr_1234', // Your internal user ID
  email: 'ada@example.com',
  name: 'Ada Lovelace',
  phone: '+233501234567',
  tags: ['premium', 'early-adopter'],
  metadata: { plan: 'pro', signup_source: 'referral' }
});

await reevit.payments.create({
  amount: 15000,
  currency: 'GHS',
  customer_id: customer.id, // Link to customer profile
  // ...
});

const history = await reevit.customers.getPaymentHistory('cus_xyz123');
// [
// { id: 'pay_001', amount: 5000, status: 'succeeded', created_at: '...' },
// { id: 'pay_002', amount: 10000, status: 'succeeded', created_at: '...' }
// ]

const topCustomers = await reevit.customers.getTopCustomers({ limit: 10 });

console.log(JSON.stringify({ customer, history, topCustomers }));
