"""What [MS-IPHTTPS] says of client and server, and [MS-SSTP] of the server, by clause, and the tests that show it.

python -m tests.conformance           runs the tests and prints a verdict for each clause
python -m tests.conformance document  prints docs/conformance.md
"""
