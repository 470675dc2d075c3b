# Parts come and go on a real kernel: CPUs, memory, drives, NICs. Each is told on the event stream and seen in the scrape, and
# its series vanish with it. The guest has CPUs 0-3 on two NUMA nodes; the host plugs through QMP.
#: modules nvme virtio_pci virtio_blk virtio_net
#: qemu -m slots=2,maxmem=4G
#: qemu -device pcie-root-port,id=rp1,chassis=1,slot=1 -device pcie-root-port,id=rp2,chassis=2,slot=2
#: qemu -device pcie-root-port,id=rp3,chassis=3,slot=3
#: qemu -blockdev driver=null-co,node-name=d1,size=67108864,read-zeroes=on
#: qemu -blockdev driver=null-co,node-name=d2,size=67108864,read-zeroes=on
. /words

printf '[agent]\nname = "guest"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n' >/run/agent.toml
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
agent=$!
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
all_cpus() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = 4 ]; }
wait_for all_cpus || echo "CHECK FAIL the topology arrives"
get /metrics >/run/page
grep -q '^busbar_source_up{source="uevent"} 1' /run/page && echo "CHECK ok the kernel's events are heard" || echo "CHECK FAIL the kernel's events: $(grep uevent /run/page)"
# The stream, each line with the time at which it came; read by the shell alone, since a process for each line would be the slower.
(printf 'GET /v1/events HTTP/1.0\r\n\r\n'; sleep 600) | nc 127.0.0.1 9711 | while read -r line; do read -r up _ </proc/uptime; echo "${up%.*}${up#*.}0 $line"; done >/run/events &
wait_for grep -q '200 OK' /run/events

# The kernel's own word, each with the time at which it came: a drive stands in sysfs before the kernel has read its partitions
# and says that it is there (block/genhd.c, device_add_disk).
cat >/run/hear <<'HEAR'
#!/bin/sh
read -r up _ </proc/uptime
[ "$ACTION" = add ] && echo "${up%.*}${up#*.}0 $DEVPATH" >>/run/uevents
HEAR
chmod +x /run/hear; : >/run/uevents
uevent /run/hear &
said() { # PATTERN: when the kernel said it
    grep -m 1 -E "$1" /run/uevents | cut -d' ' -f1
}

told() { # NUMBER PATTERN: an event that is not among the first NUMBER lines
    tail -n "+$(($1 + 1))" /run/events | grep -m 1 -E "$2"
}
# A change is made at `began`; the event must come, and the scrape after it must show it. The kernel itself takes its time,
# and much of it in an emulated machine: what counts is the time from where sysfs shows it to the event.
kernel() { # COMMAND...: until the kernel shows it
    n=0; until "$@"; do n=$((n + 1)); [ $n -gt 1500 ] && break; sleep 0.02; done
    shown=$(uptime_ms)
}
noticed() { # WHAT EVENT SERIES there|gone [UEVENT]
    if ! wait_for told "$before" "$2"; then
        echo "CHECK FAIL $1 is told: $(tail -n "+$((before + 1))" /run/events | tr '\n' ' ' | head -c 600)"
        return
    fi
    came=$(told "$before" "$2" | cut -d' ' -f1)
    echo "CHECK ok $1 is told"
    echo "MEASURED $1: $((shown - began)) ms from the act to sysfs, $((came - shown)) ms from sysfs to the event"
    [ -z "${5:-}" ] || echo "MEASURED $1: $((came - $(said "$5"))) ms from the kernel's uevent to the event"
    get /metrics >/run/page
    if grep -qE "$3" /run/page; then is=there; else is=gone; fi
    check "$1: its series are $4 in the next scrape" "$4" "$is"
}
act() { before=$(wc -l </run/events); began=$(uptime_ms); }

act; echo 0 >/sys/devices/system/cpu/cpu3/online; kernel sh -c 'grep -q 0 /sys/devices/system/cpu/cpu3/online'
noticed "a CPU that goes" 'CPUs 3 vanished' '^busbar_cpu_topology_info\{cpu="3"' gone
act; echo 1 >/sys/devices/system/cpu/cpu3/online; kernel sh -c 'grep -q 1 /sys/devices/system/cpu/cpu3/online'
noticed "a CPU that comes" 'CPUs 3 appeared' '^busbar_cpu_topology_info\{cpu="3"' there

act; qmp device_add '{"driver":"nvme","id":"nv1","serial":"SN-7","bus":"rp1","drive":"d1"}'; kernel test -e /sys/block/nvme0n1
noticed "an NVMe drive that comes" 'drive nvme0n1.* appeared' 'device="nvme0n1"' there '/nvme0n1$'
told "$before" 'PCI function .* appeared' >/dev/null && echo "CHECK ok its PCI function is told" || { wait_for told "$before" 'PCI function .* appeared' && echo "CHECK ok its PCI function is told" || echo "CHECK FAIL its PCI function is told"; }
act; qmp device_del '{"id":"nv1"}'; kernel test ! -e /sys/block/nvme0n1
noticed "an NVMe drive that goes" 'drive nvme0n1.* vanished' 'device="nvme0n1"' gone

act; qmp device_add '{"driver":"virtio-blk-pci","id":"vb1","bus":"rp2","drive":"d2"}'; kernel test -e /sys/block/vda
noticed "a block device that comes" 'drive vda.* appeared' 'device="vda"' there '/block/vda$'
act; qmp device_del '{"id":"vb1"}'; kernel test ! -e /sys/block/vda
noticed "a block device that goes" 'drive vda.* vanished' 'device="vda"' gone

act; qmp device_add '{"driver":"virtio-net-pci","id":"net1","bus":"rp3","mac":"52:54:00:00:00:07"}'; kernel test -e /sys/class/net/eth0
noticed "a NIC that comes" 'NIC eth0.* appeared' 'device="eth0"' there
act; qmp device_del '{"id":"net1"}'; kernel test ! -e /sys/class/net/eth0
noticed "a NIC that goes" 'NIC eth0.* vanished' 'device="eth0"' gone

# Memory: a module is plugged into NUMA node 1, then switched off block by block as the kernel allows.
total() { sed -n 's/^Node 1 MemTotal: *\([0-9]*\) kB/\1/p' /sys/devices/system/node/node1/meminfo; }
small=$(total)
echo online_movable >/sys/devices/system/memory/auto_online_blocks
qmp object-add '{"qom-type":"memory-backend-ram","id":"more","size":134217728}'
larger() { [ "$(total)" -gt "$small" ]; }
as_before() { [ "$(total)" = "$small" ]; }
act; qmp device_add '{"driver":"pc-dimm","id":"dimm1","memdev":"more","node":1}'; kernel larger
noticed "memory that comes" 'NUMA node 1.* grew' "^busbar_numa_memory_bytes\{numa_node=\"1\",state=\"total\"\} $(($(total) * 1024))" there
act; qmp device_del '{"id":"dimm1"}'; kernel as_before
noticed "memory that goes" 'NUMA node 1.* shrank' "^busbar_numa_memory_bytes\{numa_node=\"1\",state=\"total\"\} $((small * 1024))" there

kill $agent; wait $agent; check "the agent stops in order" 0 $?
