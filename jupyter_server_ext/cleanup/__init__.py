"""What is of no use any more on the disk: found, measured and removed."""
