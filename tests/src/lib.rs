//! Whole-house tests: real daemons against the simulated rack.
