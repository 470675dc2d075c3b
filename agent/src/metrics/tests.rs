//! Tests of the page: the golden scrape, both formats, the lint, and the documentation that is made from the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
