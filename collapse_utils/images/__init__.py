"""Section 2.3: variational autoencoders on faces."""
