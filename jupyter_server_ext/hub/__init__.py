"""The live channel's state: topics, and what each subscriber is told next. Pure."""
