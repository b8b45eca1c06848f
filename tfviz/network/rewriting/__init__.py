"""Changes of a program before it is explained: the batch opened, channels last, randomness removed, files decoded."""
