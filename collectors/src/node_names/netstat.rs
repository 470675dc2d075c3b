//! Names of node_exporter's `netstat`, `vmstat` and `sockstat`, as its defaults choose them.

facts::families! {
    NETSTAT_ICMP6_INERRORS Untyped "node_netstat_Icmp6_InErrors" []
        "InErrors of Icmp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_ICMP6_INMSGS Untyped "node_netstat_Icmp6_InMsgs" []
        "InMsgs of Icmp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_ICMP6_OUTMSGS Untyped "node_netstat_Icmp6_OutMsgs" []
        "OutMsgs of Icmp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_ICMP_INERRORS Untyped "node_netstat_Icmp_InErrors" []
        "InErrors of Icmp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_ICMP_INMSGS Untyped "node_netstat_Icmp_InMsgs" []
        "InMsgs of Icmp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_ICMP_OUTMSGS Untyped "node_netstat_Icmp_OutMsgs" []
        "OutMsgs of Icmp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_IP6_INOCTETS Untyped "node_netstat_Ip6_InOctets" []
        "InOctets of Ip6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_IP6_OUTOCTETS Untyped "node_netstat_Ip6_OutOctets" []
        "OutOctets of Ip6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_IPEXT_INOCTETS Untyped "node_netstat_IpExt_InOctets" []
        "InOctets of IpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_IPEXT_OUTOCTETS Untyped "node_netstat_IpExt_OutOctets" []
        "OutOctets of IpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_IP_FORWARDING Untyped "node_netstat_Ip_Forwarding" []
        "Forwarding of Ip." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_LISTENDROPS Untyped "node_netstat_TcpExt_ListenDrops" []
        "ListenDrops of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_LISTENOVERFLOWS Untyped "node_netstat_TcpExt_ListenOverflows" []
        "ListenOverflows of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_SYNCOOKIESFAILED Untyped "node_netstat_TcpExt_SyncookiesFailed" []
        "SyncookiesFailed of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_SYNCOOKIESRECV Untyped "node_netstat_TcpExt_SyncookiesRecv" []
        "SyncookiesRecv of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_SYNCOOKIESSENT Untyped "node_netstat_TcpExt_SyncookiesSent" []
        "SyncookiesSent of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_TCPSYNRETRANS Untyped "node_netstat_TcpExt_TCPSynRetrans" []
        "TCPSynRetrans of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCPEXT_TCPTIMEOUTS Untyped "node_netstat_TcpExt_TCPTimeouts" []
        "TCPTimeouts of TcpExt." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_ACTIVEOPENS Untyped "node_netstat_Tcp_ActiveOpens" []
        "ActiveOpens of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_CURRESTAB Untyped "node_netstat_Tcp_CurrEstab" []
        "CurrEstab of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_INERRS Untyped "node_netstat_Tcp_InErrs" []
        "InErrs of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_INSEGS Untyped "node_netstat_Tcp_InSegs" []
        "InSegs of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_OUTRSTS Untyped "node_netstat_Tcp_OutRsts" []
        "OutRsts of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_OUTSEGS Untyped "node_netstat_Tcp_OutSegs" []
        "OutSegs of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_PASSIVEOPENS Untyped "node_netstat_Tcp_PassiveOpens" []
        "PassiveOpens of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_TCP_RETRANSSEGS Untyped "node_netstat_Tcp_RetransSegs" []
        "RetransSegs of Tcp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_INDATAGRAMS Untyped "node_netstat_Udp6_InDatagrams" []
        "InDatagrams of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_INERRORS Untyped "node_netstat_Udp6_InErrors" []
        "InErrors of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_NOPORTS Untyped "node_netstat_Udp6_NoPorts" []
        "NoPorts of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_OUTDATAGRAMS Untyped "node_netstat_Udp6_OutDatagrams" []
        "OutDatagrams of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_RCVBUFERRORS Untyped "node_netstat_Udp6_RcvbufErrors" []
        "RcvbufErrors of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP6_SNDBUFERRORS Untyped "node_netstat_Udp6_SndbufErrors" []
        "SndbufErrors of Udp6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDPLITE6_INERRORS Untyped "node_netstat_UdpLite6_InErrors" []
        "InErrors of UdpLite6." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDPLITE_INERRORS Untyped "node_netstat_UdpLite_InErrors" []
        "InErrors of UdpLite." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_INDATAGRAMS Untyped "node_netstat_Udp_InDatagrams" []
        "InDatagrams of Udp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_INERRORS Untyped "node_netstat_Udp_InErrors" []
        "InErrors of Udp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_NOPORTS Untyped "node_netstat_Udp_NoPorts" []
        "NoPorts of Udp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_OUTDATAGRAMS Untyped "node_netstat_Udp_OutDatagrams" []
        "OutDatagrams of Udp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_RCVBUFERRORS Untyped "node_netstat_Udp_RcvbufErrors" []
        "RcvbufErrors of Udp." from "/proc/net/snmp, snmp6, netstat";
    NETSTAT_UDP_SNDBUFERRORS Untyped "node_netstat_Udp_SndbufErrors" []
        "SndbufErrors of Udp." from "/proc/net/snmp, snmp6, netstat";
    VMSTAT_OOM_KILL Untyped "node_vmstat_oom_kill" []
        "oom_kill of the kernel." from "/proc/vmstat";
    VMSTAT_PGFAULT Untyped "node_vmstat_pgfault" []
        "pgfault of the kernel." from "/proc/vmstat";
    VMSTAT_PGMAJFAULT Untyped "node_vmstat_pgmajfault" []
        "pgmajfault of the kernel." from "/proc/vmstat";
    VMSTAT_PGPGIN Untyped "node_vmstat_pgpgin" []
        "pgpgin of the kernel." from "/proc/vmstat";
    VMSTAT_PGPGOUT Untyped "node_vmstat_pgpgout" []
        "pgpgout of the kernel." from "/proc/vmstat";
    VMSTAT_PSWPIN Untyped "node_vmstat_pswpin" []
        "pswpin of the kernel." from "/proc/vmstat";
    VMSTAT_PSWPOUT Untyped "node_vmstat_pswpout" []
        "pswpout of the kernel." from "/proc/vmstat";
    SOCKSTAT_SOCKETS_USED Gauge "node_sockstat_sockets_used" []
        "sockets sockets: used." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_INUSE Gauge "node_sockstat_TCP_inuse" []
        "TCP sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_ORPHAN Gauge "node_sockstat_TCP_orphan" []
        "TCP sockets: orphan." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_TW Gauge "node_sockstat_TCP_tw" []
        "TCP sockets: tw." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_ALLOC Gauge "node_sockstat_TCP_alloc" []
        "TCP sockets: alloc." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_MEM Gauge "node_sockstat_TCP_mem" []
        "TCP sockets: mem." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP_MEM_BYTES Gauge "node_sockstat_TCP_mem_bytes" []
        "TCP sockets: mem in bytes." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDP_INUSE Gauge "node_sockstat_UDP_inuse" []
        "UDP sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDP_MEM Gauge "node_sockstat_UDP_mem" []
        "UDP sockets: mem." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDP_MEM_BYTES Gauge "node_sockstat_UDP_mem_bytes" []
        "UDP sockets: mem in bytes." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDPLITE_INUSE Gauge "node_sockstat_UDPLITE_inuse" []
        "UDPLITE sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_RAW_INUSE Gauge "node_sockstat_RAW_inuse" []
        "RAW sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_FRAG_INUSE Gauge "node_sockstat_FRAG_inuse" []
        "FRAG sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_FRAG_MEMORY Gauge "node_sockstat_FRAG_memory" []
        "FRAG sockets: memory." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_TCP6_INUSE Gauge "node_sockstat_TCP6_inuse" []
        "TCP6 sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDP6_INUSE Gauge "node_sockstat_UDP6_inuse" []
        "UDP6 sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_UDPLITE6_INUSE Gauge "node_sockstat_UDPLITE6_inuse" []
        "UDPLITE6 sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_RAW6_INUSE Gauge "node_sockstat_RAW6_inuse" []
        "RAW6 sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_FRAG6_INUSE Gauge "node_sockstat_FRAG6_inuse" []
        "FRAG6 sockets: inuse." from "/proc/net/sockstat, sockstat6";
    SOCKSTAT_FRAG6_MEMORY Gauge "node_sockstat_FRAG6_memory" []
        "FRAG6 sockets: memory." from "/proc/net/sockstat, sockstat6";
}
