"""What has been let go and is on its way: ready, packed into requests, in flight, refused and due again."""
