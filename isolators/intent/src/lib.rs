//! What shall be: isolations and caps under one generation.
