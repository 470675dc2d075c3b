//! busbar-rack: one rack.
