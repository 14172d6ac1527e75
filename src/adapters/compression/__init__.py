"""The formats in which a route's records can be compressed, each as `domain.compression.Compression`."""
