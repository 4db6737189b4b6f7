"""Which of several processes on one database leads, and what the others do."""
