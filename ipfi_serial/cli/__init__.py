"""The command ipfi."""
