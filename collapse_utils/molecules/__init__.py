"""The molecule section (paper 2.2): GeoDiff, a diffusion model of molecular conformations."""
