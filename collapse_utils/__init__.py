"""Does a generative model collapse when it is trained on its own output?  The chain of model fits behind the book."""

__version__ = "0.1.0"
