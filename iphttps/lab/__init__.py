"""A lab of network namespaces in which both daemons run as processes.

The demo, the lab tests and the benchmarks use it. It drives the daemons by their command lines and logs, and imports
no other part of iphttps.
"""
