"""Uploads that go on: tus 1.0.0, where the bytes are staged, and how a file gets its name."""
