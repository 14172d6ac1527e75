"""A deterministic world behind every port: logs, streams, an authority and a network in virtual time, from one seed."""
