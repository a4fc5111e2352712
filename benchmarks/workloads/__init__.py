"""The rows of the benchmark, one file for each subject.

A new file here is found by itself. It registers its rows with the decorators of harness.rows and
may say with POSITION where they stand in the table.
"""
