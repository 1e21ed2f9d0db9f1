"""Workflows: the right message to the right customer. They listen to events; nobody imports them."""
