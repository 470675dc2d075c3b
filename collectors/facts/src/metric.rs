//! Families of metrics: a name, its kind, its labels, and what it means; each source declares its own.

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the agent or the machine starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; what it tells is in its labels.
    Info,
    /// Counts of values in buckets; only the daemons' own.
    Histogram,
    /// Another program's name whose kind that program does not tell (`untyped`, `unknown` in OpenMetrics).
    Untyped,
}

/// One family.
#[derive(Debug)]
pub struct Family {
    /// Its name, with its base unit.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels; one that has no value is left out of a sample.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

impl PartialEq for Family {
    /// Names are unique in the whole table.
    fn eq(&self, other: &Family) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

/// Declares families as statics and, as `TABLE`, all of them in their order:
///
/// ```
/// facts::families! {
///     DISK_WEAR Gauge "busbar_disk_wear_ratio" ["device"]
///         "Share of the drive's rated life that is used." from "NVMe log 02h";
/// }
/// assert_eq!(TABLE[0].name, DISK_WEAR.name);
/// ```
#[macro_export]
macro_rules! families {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal from $source:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: $crate::metric::Family = $crate::metric::Family {
                name: $name,
                kind: $crate::metric::Kind::$kind,
                labels: &[$($label),*],
                help: $help,
                source: $source,
            };
        )*

        /// All of them, in the order of the page.
        pub static TABLE: &[&$crate::metric::Family] = &[$(&$id),*];
    };
}
