"""What becomes of jobs and transfers, told outside: to observers, the log and the event log."""
