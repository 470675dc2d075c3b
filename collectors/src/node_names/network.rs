//! Names of node_exporter's `netdev` and `netclass`.

/// The interface that Debian's node_exporter leaves out.
pub(crate) const LEFT_OUT: &str = "lo";

facts::families! {
    RECEIVE_BYTES Counter "node_network_receive_bytes_total" ["device"]
        "Receive column bytes of an interface." from "/proc/net/dev";
    RECEIVE_PACKETS Counter "node_network_receive_packets_total" ["device"]
        "Receive column packets of an interface." from "/proc/net/dev";
    RECEIVE_ERRS Counter "node_network_receive_errs_total" ["device"]
        "Receive column errs of an interface." from "/proc/net/dev";
    RECEIVE_DROP Counter "node_network_receive_drop_total" ["device"]
        "Receive column drop of an interface." from "/proc/net/dev";
    RECEIVE_FIFO Counter "node_network_receive_fifo_total" ["device"]
        "Receive column fifo of an interface." from "/proc/net/dev";
    RECEIVE_FRAME Counter "node_network_receive_frame_total" ["device"]
        "Receive column frame of an interface." from "/proc/net/dev";
    RECEIVE_COMPRESSED Counter "node_network_receive_compressed_total" ["device"]
        "Receive column compressed of an interface." from "/proc/net/dev";
    RECEIVE_MULTICAST Counter "node_network_receive_multicast_total" ["device"]
        "Receive column multicast of an interface." from "/proc/net/dev";
    TRANSMIT_BYTES Counter "node_network_transmit_bytes_total" ["device"]
        "Transmit column bytes of an interface." from "/proc/net/dev";
    TRANSMIT_PACKETS Counter "node_network_transmit_packets_total" ["device"]
        "Transmit column packets of an interface." from "/proc/net/dev";
    TRANSMIT_ERRS Counter "node_network_transmit_errs_total" ["device"]
        "Transmit column errs of an interface." from "/proc/net/dev";
    TRANSMIT_DROP Counter "node_network_transmit_drop_total" ["device"]
        "Transmit column drop of an interface." from "/proc/net/dev";
    TRANSMIT_FIFO Counter "node_network_transmit_fifo_total" ["device"]
        "Transmit column fifo of an interface." from "/proc/net/dev";
    TRANSMIT_COLLS Counter "node_network_transmit_colls_total" ["device"]
        "Transmit column colls of an interface." from "/proc/net/dev";
    TRANSMIT_CARRIER Counter "node_network_transmit_carrier_total" ["device"]
        "Transmit column carrier of an interface." from "/proc/net/dev";
    TRANSMIT_COMPRESSED Counter "node_network_transmit_compressed_total" ["device"]
        "Transmit column compressed of an interface." from "/proc/net/dev";
}

pub(crate) use class::TABLE as MORE;

/// What sysfs tells of an interface.
pub(crate) mod class {
    facts::families! {
        INFO Info "node_network_info" ["address", "broadcast", "device", "duplex", "ifalias", "operstate"]
            "What an interface is; always 1." from "sysfs net";
        UP Gauge "node_network_up" ["device"]
            "Whether an interface's operstate is up: 1 or 0." from "sysfs net";
        SPEED Gauge "node_network_speed_bytes" ["device"]
            "Speed of the link, bytes in a second." from "sysfs net";
        NO_HANDLER Counter "node_network_receive_nohandler_total" ["device"]
            "Packets that nobody took." from "sysfs net";
        ADDRESS_ASSIGN_TYPE Gauge "node_network_address_assign_type" ["device"]
            "addr_assign_type of an interface." from "sysfs net";
        CARRIER Gauge "node_network_carrier" ["device"]
            "carrier of an interface." from "sysfs net";
        CARRIER_CHANGES_TOTAL Counter "node_network_carrier_changes_total" ["device"]
            "carrier_changes of an interface." from "sysfs net";
        CARRIER_UP_CHANGES_TOTAL Counter "node_network_carrier_up_changes_total" ["device"]
            "carrier_up_count of an interface." from "sysfs net";
        CARRIER_DOWN_CHANGES_TOTAL Counter "node_network_carrier_down_changes_total" ["device"]
            "carrier_down_count of an interface." from "sysfs net";
        DEVICE_ID Gauge "node_network_device_id" ["device"]
            "dev_id of an interface." from "sysfs net";
        DORMANT Gauge "node_network_dormant" ["device"]
            "dormant of an interface." from "sysfs net";
        FLAGS Gauge "node_network_flags" ["device"]
            "flags of an interface." from "sysfs net";
        IFACE_ID Gauge "node_network_iface_id" ["device"]
            "ifindex of an interface." from "sysfs net";
        IFACE_LINK Gauge "node_network_iface_link" ["device"]
            "iflink of an interface." from "sysfs net";
        IFACE_LINK_MODE Gauge "node_network_iface_link_mode" ["device"]
            "link_mode of an interface." from "sysfs net";
        MTU_BYTES Gauge "node_network_mtu_bytes" ["device"]
            "mtu of an interface." from "sysfs net";
        NAME_ASSIGN_TYPE Gauge "node_network_name_assign_type" ["device"]
            "name_assign_type of an interface." from "sysfs net";
        NET_DEV_GROUP Gauge "node_network_net_dev_group" ["device"]
            "netdev_group of an interface." from "sysfs net";
        TRANSMIT_QUEUE_LENGTH Gauge "node_network_transmit_queue_length" ["device"]
            "tx_queue_len of an interface." from "sysfs net";
        PROTOCOL_TYPE Gauge "node_network_protocol_type" ["device"]
            "type of an interface." from "sysfs net";
    }

    /// Numbers and their files.
    pub(crate) const NUMBERS: [(&facts::Family, &str); 17] = [
        (&ADDRESS_ASSIGN_TYPE, "addr_assign_type"),
        (&CARRIER, "carrier"),
        (&CARRIER_CHANGES_TOTAL, "carrier_changes"),
        (&CARRIER_UP_CHANGES_TOTAL, "carrier_up_count"),
        (&CARRIER_DOWN_CHANGES_TOTAL, "carrier_down_count"),
        (&DEVICE_ID, "dev_id"),
        (&DORMANT, "dormant"),
        (&FLAGS, "flags"),
        (&IFACE_ID, "ifindex"),
        (&IFACE_LINK, "iflink"),
        (&IFACE_LINK_MODE, "link_mode"),
        (&MTU_BYTES, "mtu"),
        (&NAME_ASSIGN_TYPE, "name_assign_type"),
        (&NET_DEV_GROUP, "netdev_group"),
        (&TRANSMIT_QUEUE_LENGTH, "tx_queue_len"),
        (&PROTOCOL_TYPE, "type"),
        (&NO_HANDLER, "statistics/rx_nohandler"),
    ];
}
