"""The outside: payment providers, each behind the same few words."""
