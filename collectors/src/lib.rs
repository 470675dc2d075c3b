//! Reads a server: one folder a source.
