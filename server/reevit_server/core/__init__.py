"""What every noun stands on and no noun is known to: database, http, errors, money, ids, time."""
