"""Explanations on TensorBoard while a network is trained."""
