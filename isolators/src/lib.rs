//! Intents into steps, steps into a host: one hand that writes.
