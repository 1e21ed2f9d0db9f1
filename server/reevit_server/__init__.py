"""Reevit Customers: one profile per customer, and what each of them is worth, exact per currency."""
