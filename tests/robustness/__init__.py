"""Load, faults, bad input and files from strangers.

The default run is a sample of a minute. ``python -m tests.robustness --minutes 10``
goes on with new seeds for as long as it is told to.
"""
