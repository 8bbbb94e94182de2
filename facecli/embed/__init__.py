"""Step 2: analyse the features. Landmarks align the face, quality is judged, a CNN makes the vector."""
