"""Every transfer: how far it is, and its share of the bandwidth."""
