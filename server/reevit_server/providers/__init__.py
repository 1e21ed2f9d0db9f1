"""The outside: payment providers, and those who send messages, each kind behind the same few words."""
