"""The folders of tfviz as the rooms of a house: who imports whom, where each lies, and what stands in it."""
