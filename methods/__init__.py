"""The mathematics: arrays in, arrays out; no file, no flow, no record."""
