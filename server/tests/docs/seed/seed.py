"""The lines of the page that this product was made from, in Python."""

import json
import os

from reevit import Reevit

reevit = Reevit(os.environ["REEVIT_API_KEY"], None, os.environ["REEVIT_BASE_URL"])

customer = reevit.customers.create(
    {
        "external_id": "usr_1234",  # Your internal user ID
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "phone": "+233501234567",
        "tags": ["premium", "early-adopter"],
        "metadata": {"plan": "pro", "signup_source": "referral"},
    }
)

reevit.payments.create(
    {
        "amount": 15000,
        "currency": "GHS",
        "customer_id": customer.id,  # Link to customer profile
        # ...
    }
)

history = reevit.customers.get_payment_history("cus_xyz123")
# [
# {"id": "pay_001", "amount": 5000, "status": "succeeded", "created_at": "..."},
# {"id": "pay_002", "amount": 10000, "status": "succeeded", "created_at": "..."}
# ]

top_customers = reevit.customers.get_top_customers(limit=10)

print(json.dumps({"customer": customer, "history": history, "topCustomers": top_customers}))  # noqa: T201 - for the test to read
