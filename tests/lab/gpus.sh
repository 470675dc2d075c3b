#: modules bochs
#: qemu -device bochs-display,addr=0x10 -device bochs-display,addr=0x11
#: examples isolate
# A GPU that one workload was given is kept from the others by programs on their cgroups; here two display devices of QEMU, by
# their PCI address and DRM nodes. The guest has CPUs 0-3 on two NUMA nodes.
. /words

one='{"workload":"one","cpus":"0-1","numa_nodes":"0","exclusive":false,"memory_max":null,"devices":[{"kind":"gpu","pci":"0000:00:10.0"}]}'
two='{"workload":"two","cpus":"0-1","numa_nodes":"0","exclusive":false,"memory_max":null}'
intent() { printf '{"generation":1,"isolations":[%s]}' "$1" >/tmp/intent; }
group=/sys/fs/cgroup/busbar-shared
[ -f /sys/fs/cgroup/cpuset.cpus.isolated ] && group=/sys/fs/cgroup/busbar
enter() { echo 0 >"$group/$1/cgroup.procs" || exit 99; shift; exec "$@"; } # this very process, so call it in ( )
inside() { (enter "$@"); }
refused() { # NAME WORKLOAD DEVICE
    inside "$2" sh -c "exec 3<$3" >/tmp/out 2>&1
    grep -q 'not permitted' /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(cat /tmp/out)"
}
node() { # PCI ADDRESS: its DRM node
    echo "/dev/dri/$(ls "/sys/bus/pci/devices/$1/drm" | grep card)"
}
wait_for test -e "$(node 0000:00:11.0)"
first=$(node 0000:00:10.0); second=$(node 0000:00:11.0)
check "there are two" 2 "$(ls /dev/dri | grep -c card)"

intent "$two"; holds "a workload without a GPU converges" isolate /tmp/intent
holds "it may open the first" inside two sh -c "exec 3<$first"
intent "$one,$two"; holds "another one is given the first" isolate /tmp/intent
check "and known again" "" "$(isolate /tmp/intent plan)"
holds "the holder opens it" inside one sh -c "exec 3<$first"
refused "the holder opens no other" one "$second"
refused "the one without a GPU does not open it any more" two "$first"
holds "the one that nobody was given it does" inside two sh -c "exec 3<$second"
holds "the host opens it" sh -c "exec 3<$first"
intent "$two"; holds "the holder ends" isolate /tmp/intent
holds "what it held is for all again" inside two sh -c "exec 3<$first"
intent ""; isolate /tmp/intent >/tmp/out 2>&1
check "nothing is left" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"
