"""Linear regression, where the chain of model fits has closed forms (Section 3 of the paper)."""
