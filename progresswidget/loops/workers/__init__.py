"""What processes that count for one bar leave for it, on this disk or by the notebook server."""
