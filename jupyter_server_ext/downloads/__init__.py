"""What is sent to users: whole folders, files that still grow, signed links, and digests."""
