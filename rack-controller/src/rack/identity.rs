//! Which machine somebody speaks of: SMBIOS UUIDs, as agents, BMCs and rack.toml write them.

/// Whether two SMBIOS UUIDs name one machine. Some BMCs write the first three fields in the other byte order, and IPMI gives all sixteen
/// bytes the other way round on some (IPMI 2.0 section 20.8 leaves the order to SMBIOS, makers do not agree).
pub fn same_machine(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (uuid::Uuid::parse_str(one), uuid::Uuid::parse_str(other)) else {
        return one.eq_ignore_ascii_case(other);
    };
    let mut turned = *one.as_bytes();
    turned.reverse();
    one == other
        || uuid::Uuid::from_bytes(one.to_bytes_le()) == other
        || uuid::Uuid::from_bytes(turned) == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_in_three_orders_of_bytes() {
        let here = "4c4c4544-0042-3510-8052-b4c04f564d32";
        for same in [
            "4C4C4544-0042-3510-8052-B4C04F564D32",
            "44454c4c-4200-1035-8052-b4c04f564d32",
            "324d564f-c0b4-5280-1035-420044454c4c",
        ] {
            assert!(same_machine(here, same), "{same}");
        }
        assert!(!same_machine(here, "4c4c4544-0042-3510-8052-b4c04f564d33"));
    }
}
