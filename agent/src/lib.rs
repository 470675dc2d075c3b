//! busbar-agent: one node.
