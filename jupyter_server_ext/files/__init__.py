"""Files of the server's root: opened and checked, found, and given a name."""
