"""A laboratory in network namespaces, where both daemons run as processes between real kernels.

The demo, the lab tests and the benches use it. It knows the daemons only by their command lines and their
logs, and imports nothing of the rest of iphttps.
"""
