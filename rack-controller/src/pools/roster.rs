//! The pooled kinds, one line each.

use super::Pool;
use super::power::PowerPool;

/// Every pooled kind.
pub fn roster() -> [&'static dyn Pool; 1] {
    [&PowerPool]
}
