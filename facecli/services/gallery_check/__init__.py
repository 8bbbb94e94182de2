"""What is wrong with a gallery, or could be better: its file, and the faces in it. Nothing is changed."""
