"""Real servers, and the daemon itself, for the system tests."""
