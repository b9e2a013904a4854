"""Time series by artist and year, as several stages need them."""
