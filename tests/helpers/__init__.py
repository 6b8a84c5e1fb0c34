"""What several test modules use: small tasks and models, servers, drivers of killed processes."""
