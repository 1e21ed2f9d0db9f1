"""The sandbox: where a developer plays the customer's part, and time."""
