"""The work behind each command: what is explained, printed and written."""
