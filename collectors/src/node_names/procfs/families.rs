//! Names of node_exporter's small collectors of procfs.

facts::families! {
    LOAD1 Gauge "node_load1" []
        "Load average of a minute." from "/proc/loadavg";
    LOAD5 Gauge "node_load5" []
        "Load average of five minutes." from "/proc/loadavg";
    LOAD15 Gauge "node_load15" []
        "Load average of fifteen minutes." from "/proc/loadavg";
    SOFTNET_PROCESSED Counter "node_softnet_processed_total" ["cpu"]
        "Packets that a CPU took in." from "/proc/net/softnet_stat";
    SOFTNET_DROPPED Counter "node_softnet_dropped_total" ["cpu"]
        "Packets that a CPU dropped." from "/proc/net/softnet_stat";
    SOFTNET_SQUEEZED Counter "node_softnet_times_squeezed_total" ["cpu"]
        "Times that a CPU ran out of quota while it took packets in." from "/proc/net/softnet_stat";
    SCHED_RUNNING Counter "node_schedstat_running_seconds_total" ["cpu"]
        "Time in which a CPU ran tasks." from "/proc/schedstat";
    SCHED_WAITING Counter "node_schedstat_waiting_seconds_total" ["cpu"]
        "Time that tasks waited for a CPU." from "/proc/schedstat";
    SCHED_TIMESLICES Counter "node_schedstat_timeslices_total" ["cpu"]
        "Turns of tasks on a CPU." from "/proc/schedstat";
    FILES_ALLOCATED Gauge "node_filefd_allocated" []
        "Open files." from "/proc/sys/fs/file-nr";
    FILES_MAXIMUM Gauge "node_filefd_maximum" []
        "The most files that may be open." from "/proc/sys/fs/file-nr";
    ENTROPY Gauge "node_entropy_available_bits" []
        "Entropy at hand." from "/proc/sys/kernel/random";
    ENTROPY_POOL Gauge "node_entropy_pool_size_bits" []
        "The most entropy that is kept." from "/proc/sys/kernel/random";
    CONNTRACK Gauge "node_nf_conntrack_entries" []
        "Connections that are tracked." from "/proc/sys/net/netfilter";
    CONNTRACK_LIMIT Gauge "node_nf_conntrack_entries_limit" []
        "The most connections that can be tracked." from "/proc/sys/net/netfilter";
    ARP Gauge "node_arp_entries" ["device"]
        "Neighbours in the ARP table." from "/proc/net/arp";
    UDP_QUEUES Gauge "node_udp_queues" ["queue", "ip"]
        "Bytes that wait in the queues of UDP sockets." from "/proc/net/udp, udp6";
    UNAME Info "node_uname_info" ["sysname", "release", "version", "machine", "nodename", "domainname"]
        "The kernel's names; always 1." from "/proc/sys/kernel";
    TIME Gauge "node_time_seconds" []
        "Time of the day since 1970." from "the clock";
    CLOCKSOURCES Info "node_time_clocksource_available_info" ["device", "clocksource"]
        "Clocks that the kernel could run by; always 1." from "sysfs clocksource";
    CLOCKSOURCE Info "node_time_clocksource_current_info" ["device", "clocksource"]
        "The clock that the kernel runs by; always 1." from "sysfs clocksource";
}
