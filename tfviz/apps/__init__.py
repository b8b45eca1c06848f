"""The ways to run tfviz: the public `explain`, image files, the command line."""
