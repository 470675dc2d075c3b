//! The families of the network's sheet.

facts::families! {
    BYTES Counter "busbar_network_bytes_total" ["device", "direction"]
        "Bytes through an interface with hardware behind it." from "/proc/net/dev";
    PACKETS Counter "busbar_network_packets_total" ["device", "direction"]
        "Packets through an interface with hardware behind it." from "/proc/net/dev";
    ERRORS Counter "busbar_network_errors_total" ["device", "direction"]
        "Packets that an interface could not take or send for an error." from "/proc/net/dev";
    DROPS Counter "busbar_network_drops_total" ["device", "direction"]
        "Packets that were dropped, those among them that an interface missed for want of room." from "/proc/net/dev";
}
