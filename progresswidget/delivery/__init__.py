"""A frame that is to be at another place: written, sent and published there, or nothing of it.

``saga`` says what is next, ``ledger`` remembers what was done, ``execution`` does it, and the
receivers (``server``, ``folder``) know how a place takes a file and how it forgets one. ``work`` is
the whole as a job has it.
"""
