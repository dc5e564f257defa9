"""The benchmark of the tunnel against other tunnels in one laboratory: `make bench`.

Each file of `bench/groups` measures some rows of the table, `bench/peers` has the tunnels, and what lies beside them
is how a single figure is found. Comparisons alternate within a run, because a machine's speed drifts.
"""
