"""Mathematical methods: functions from arrays to arrays, with no side effects."""
