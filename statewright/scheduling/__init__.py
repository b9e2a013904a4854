"""When each stage starts: list scheduling, the exact answer, what a plan will take, and its chart."""
