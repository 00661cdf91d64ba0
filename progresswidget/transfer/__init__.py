"""From an address to a file and back: downloads and uploads that go on where they were cut.

This package knows nothing of Jupyter, but for `job`, which shows a transfer with the bar of an
export. The rest runs through once, in the calling thread and in as many as there are connections::

    download = Download("https://example.org/flights.parquet", "flights.parquet")
    received = download.run(Progress())

The modules: `address` and `target` for from where to where, `wire` and `session` for requests,
`token` for who asks, `retry` and `persistence` for how often, `answers` for what is said,
`representation` for which version, `pieces` and `journal` for what is there already, `fetched`,
`asking`, `joining`, `incoming`, `connection`, `arrivals`, `receiving`, `fetching` and `download`
for the one direction, `tus`, `sender`, `remembered` and `upload` for the other.
"""
