//! The families of `pci`.

facts::families! {
    SPEED Gauge "busbar_pci_link_speed_transfers_per_second" ["pci_bus_id"]
        "Speed of a lane of the link of a network, storage or accelerator function, as it is now." from "sysfs pci";
    MAX_SPEED Gauge "busbar_pci_link_speed_max_transfers_per_second" ["pci_bus_id"]
        "Speed of a lane that the function could have." from "sysfs pci";
    WIDTH Gauge "busbar_pci_link_width" ["pci_bus_id"]
        "Lanes in use; absent of a link that is down." from "sysfs pci";
    MAX_WIDTH Gauge "busbar_pci_link_width_max" ["pci_bus_id"]
        "Lanes that the function could use." from "sysfs pci";
}
