"""Where networks run: devices, engines, and the weights with their manifests."""
