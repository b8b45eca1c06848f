"""The logits behind a softmax or sigmoid, probabilities made of several, scores that the user gives."""
