"""Where leases come from: AWS STS through role chains, or the ambient credential chain."""
