"""Random schemas, graphs and histories for the oracle (oracle.py)."""
