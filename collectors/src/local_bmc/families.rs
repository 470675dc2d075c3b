//! What the node's own BMC counts beside its sensors, whose values, limits and states stand in the families of every sensor.

facts::families! {
    BMC_INFO Info "busbar_bmc_info" ["device", "firmware", "ipmi_version", "manufacturer", "product"]
        "The node's own BMC: its firmware, and its maker and product by their numbers." from "IPMI Get Device ID";
    BMC_REQUESTS Counter "busbar_bmc_requests_total" []
        "Requests to the node's own BMC over the kernel's device, in this run of the agent." from "the agent itself";
    HOST_POWER Gauge "busbar_host_power_watts" ["source"]
        "Power of the whole host by each meter that sees all of it; never to be added to the power of its parts." from "DCMI, Redfish, ACPI";
    SUPPLY_PRESENT Gauge "busbar_power_supply_present" ["supply"]
        "Whether a power supply is in its bay: 1 or 0; absent where the BMC does not tell." from "IPMI, Redfish";
    SUPPLY_HEALTH Gauge "busbar_power_supply_health" ["supply"]
        "How a power supply that is present is: 0 delivers, 1 has no input or is off, 2 is faulted." from "IPMI, Redfish";
    SUPPLY_INPUT Gauge "busbar_power_supply_input_watts" ["supply"]
        "Power that a power supply draws." from "IPMI, Redfish";
    SUPPLY_CAPACITY Gauge "busbar_power_supply_capacity_watts" ["supply"]
        "Power that a power supply can deliver." from "its FRU inventory, Redfish";
    CHASSIS_FAULT Gauge "busbar_chassis_fault" ["fault"]
        "Whether the chassis has this fault: 1 or 0." from "IPMI Get Chassis Status";
    SEL_ENTRIES Gauge "busbar_sel_entries" []
        "Entries of the BMC's event log." from "IPMI Get SEL Info";
    SEL_FREE Gauge "busbar_sel_free_bytes" []
        "Free space of the BMC's event log; 65535 means that much or more." from "IPMI Get SEL Info";
    SEL_LAST Gauge "busbar_sel_last_event_timestamp_seconds" []
        "When the last entry of the event log was written, by the BMC's clock; absent where that was never set." from "IPMI Get SEL Entry";
}
