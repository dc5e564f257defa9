"""The clauses of [MS-IPHTTPS] for client and server, and of [MS-SSTP] for the server, with their tests.

python -m tests.conformance           runs the tests and prints a verdict for each clause
python -m tests.conformance document  prints docs/conformance.md
"""
