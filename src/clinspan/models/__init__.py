"""The model registry: names, licences, checksums and where models can come from."""
