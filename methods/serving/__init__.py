"""Serving: caching, dynamic batching, load balancing and automatic scaling."""
