"""What the benches make of what they measure; that they measure, a run of them shows."""
