"""Lasagne 0.1's own tests, run against the facade: ``python -m tests.lasagne_suite``.

The tests are in Lasagne's source distribution, and stay there: the command
downloads it, and runs its test files, unchanged, out of a temporary folder.
"""
