"""Progress of loops: `tqdm` with its whole signature, and `track`, the door with few options."""
