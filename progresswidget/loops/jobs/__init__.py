"""A loop as a job on the notebook server: its card, and the lines of the loops within it."""
