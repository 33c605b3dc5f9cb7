"""The domain of Tunewright: what the website and the trainer both know, free of both stacks."""

__version__ = "0.1.0"
