"""Conversions of files on the server: what is offered, whose turn it is, and the workers."""
