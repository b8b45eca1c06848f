"""A model as tfviz sees it, and how it is run, copied, pickled and told from another."""
