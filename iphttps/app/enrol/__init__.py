"""Server setup and the enrolment of clients."""
