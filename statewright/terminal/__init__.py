"""Everything that draws in a terminal: plans, graphs, causes, schedules, results."""
