"""Queues and their order: fair shares, active queue management, rates, and bounds in time and memory."""
