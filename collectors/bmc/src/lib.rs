//! The wire to baseboard management controllers: Redfish and IPMI.
