"""From a frame to a file: sources give Arrow batches, writers turn them into bytes.

This package knows nothing of Jupyter. It runs through once, in the calling thread::

    export = Export(frame, "flights.csv")  # refuses here whatever can be refused
    result = export.run(Progress())

The modules: `sources` and `writers` with one file per kind, `formats` as the table of what can be
written, `options` for their checks, `contents` for what is read, `units` for encoding side by side,
`sink` for bytes on their way to the disk, `destination` for where they may go, `parts` for the file
until it has its name, `running` for one try, with `comparison` for what is there and `draft` for
what is written, `writing` for as many tries as it takes, `progress` and `result` for those who wait
for it, and `pipeline`, which joins them.
"""
