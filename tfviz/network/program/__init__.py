"""A traced function as a list of steps, what it takes, and how functions are compiled."""
