"""The records of the server, and how they may change: pure functions of values."""
