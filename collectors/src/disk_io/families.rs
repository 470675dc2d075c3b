//! The families of the drives' traffic. What a drive itself counts of its life is in the sheet of its health.

facts::families! {
    BYTES Counter "busbar_disk_io_bytes_total" ["device", "direction"]
        "Bytes that the kernel read from a drive or wrote to it since it booted." from "/proc/diskstats";
    OPERATIONS Counter "busbar_disk_io_operations_total" ["device", "direction"]
        "Requests that a drive completed." from "/proc/diskstats";
    WAIT Counter "busbar_disk_io_wait_seconds_total" ["device", "direction"]
        "Time that requests took, summed over all that were under way at once." from "/proc/diskstats";
    BUSY Counter "busbar_disk_io_busy_seconds_total" ["device"]
        "Time in which a drive had any request under way." from "/proc/diskstats";
}
