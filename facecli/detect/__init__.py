"""Step 1: find the faces. An edge map gates the work, a CNN finds boxes and five landmarks."""
