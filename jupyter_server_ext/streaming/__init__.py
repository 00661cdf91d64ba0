"""Bytes between files and connections, both ways, without holding up the event loop."""
