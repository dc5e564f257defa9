"""The evaluation of the benchmarks' measurements; running them tests the measuring itself."""
