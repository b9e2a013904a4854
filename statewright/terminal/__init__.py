"""Terminal output: plans, graphs, causes, schedules, results."""
