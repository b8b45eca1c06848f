"""The command `tfviz`."""
