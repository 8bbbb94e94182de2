"""Step 3: compare. The people enrolled, their templates, and nearest-neighbour search."""
