"""How the server fares, for those who run it: health, and metrics for Prometheus."""
