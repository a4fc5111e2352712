"""The machinery of the benchmarks: rows, loops, fresh processes, figures, tables and plots."""
