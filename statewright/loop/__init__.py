"""The closed loop: rounds of decide, transition, judge and revise."""
