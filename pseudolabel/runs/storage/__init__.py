"""The run folder, on a disk or in an object store: read, written, waited for, gone on with."""
