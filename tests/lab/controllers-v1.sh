#: module null_blk nr_devices=2 memory_backed=1 gb=1
#: examples isolate
# The same intents with the controllers of cgroup v1 on a real kernel, as far as v1 can, and refusals of what it cannot.
# The guest has CPUs 0-3 on two NUMA nodes and two block devices in memory. The freezer shares cpuset's hierarchy.
. /words

cg=/sys/fs/cgroup
umount $cg; mount -t tmpfs cgroup $cg
for controllers in cpuset,freezer cpu memory blkio pids hugetlb devices; do
    mkdir "$cg/$controllers"
    mount -t cgroup -o $controllers cgroup "$cg/$controllers" 2>/tmp/out || { echo "CHECK SKIP cgroup v1: this kernel mounts no v1 hierarchy of $controllers: $(cat /tmp/out)"; exit; }
done
one() { # NAME "KEY":VALUE,... : an intent of one workload that shares CPUs 0-1
    printf '{"generation":1,"isolations":[{"workload":"%s","cpus":"0-1","numa_nodes":"0","exclusive":false,"memory_max":null,%s}]}' "$1" "$2" >/tmp/intent
}
none() { echo '{"generation":9,"isolations":[]}' >/tmp/none; isolate /tmp/none >/tmp/out 2>&1; }
ours() { find $cg -type d -name 'busbar*'; }
enter() { for dir in $cg/*/busbar/"$1"; do echo 0 >"$dir/cgroup.procs" || exit 99; done; shift; exec "$@"; } # this very process, so call it in ( )
inside() { (enter "$@"); }
refuses() { # NAME "KEY":VALUE WORDS
    one no "$2"; isolate /tmp/intent >/tmp/out 2>&1; came=$?
    [ $came = 3 ] && grep -q -- "$3" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $came, $(tail -1 /tmp/out)"
}

# --- limits
one web '"cpu_weight":250,"pids_max":4,"memory_low":8388608,"memory_max":67108864'
sed -i 's/"memory_max":null,//' /tmp/intent
holds "controllers converge" isolate /tmp/intent
check "a second look finds nothing to do" "" "$(isolate /tmp/intent plan)"
check "the weight is in force" 2560 "$(cat $cg/cpu/busbar/web/cpu.shares)"
check "the memory limit is in force" 67108864 "$(cat $cg/memory/busbar/web/memory.limit_in_bytes)"
check "the CPUs are" 0-1 "$(cat $cg/cpuset,freezer/busbar/web/cpuset.cpus)"
inside web sh -c 'for n in 1 2 3 4 5 6; do sleep 2 & done; wait' >/tmp/out 2>&1
grep -qi "can't fork" /tmp/out && echo "CHECK ok pids.max refuses the fifth process" || echo "CHECK FAIL pids.max: $(cat /tmp/out)"
holds "who is left in it is killed" isolate /tmp/intent kill web
none; check "nothing is left" "" "$(ours)"

# --- I/O
ms() { before=$(uptime_ms); "$@" >/dev/null 2>&1; echo $(($(uptime_ms) - before)); }
one io '"io":[{"device":"nullb0","read_bytes_per_second":1048576}]'
holds "a limit of I/O converges" isolate /tmp/intent
free=$(ms dd if=/dev/nullb0 of=/dev/null bs=256k count=16 iflag=direct)
slow=$(ms inside io dd if=/dev/nullb0 of=/dev/null bs=256k count=16 iflag=direct)
echo "MEASURED 4 MiB at 1 MiB/s: $slow ms, without a limit $free ms"
[ "$slow" -gt 2500 ] && [ "$free" -lt "$slow" ] && echo "CHECK ok it slows reads down" || echo "CHECK FAIL blkio.throttle: $slow ms, without $free ms"
none

# --- devices
one dev '"devices":[{"kind":"block","device":"nullb0"}]'
holds "a list of devices converges" isolate /tmp/intent
check "and is known again" "" "$(isolate /tmp/intent plan)"
holds "the device that was given opens" inside dev dd if=/dev/nullb0 of=/dev/null bs=4k count=1
holds "/dev/null opens" inside dev dd if=/dev/null of=/dev/null
holds "so does a terminal" inside dev sh -c 'echo >/dev/ttyS0'
inside dev dd if=/dev/nullb1 of=/dev/null bs=4k count=1 >/tmp/out 2>&1
grep -q 'not permitted' /tmp/out && echo "CHECK ok another block device gives EPERM" || echo "CHECK FAIL open of nullb1: $(cat /tmp/out)"
holds "outside of the workload it opens" dd if=/dev/nullb1 of=/dev/null bs=4k count=1
one dev '"devices":[{"kind":"block","device":"nullb1"}]'
holds "the list is changed" isolate /tmp/intent
holds "now the other one opens" inside dev dd if=/dev/nullb1 of=/dev/null bs=4k count=1
inside dev dd if=/dev/nullb0 of=/dev/null bs=4k count=1 >/tmp/out 2>&1
grep -q 'not permitted' /tmp/out && echo "CHECK ok and the first one does not" || echo "CHECK FAIL open of nullb0: $(cat /tmp/out)"
none

# --- huge pages
echo 8 >/proc/sys/vm/nr_hugepages
pages=$(cat /proc/sys/vm/nr_hugepages)
if [ "$pages" = 8 ]; then
    mkdir -p /tmp/huge; mount -t hugetlbfs none /tmp/huge
    one huge '"hugepages":[{"numa_node":0,"page_bytes":2097152,"bytes":4194304}]'
    holds "a limit of huge pages converges" isolate /tmp/intent
    check "and is known again as well" "" "$(isolate /tmp/intent plan)"
    check "it is in force" 4194304 "$(cat $cg/hugetlb/busbar/huge/hugetlb.2MB.limit_in_bytes)"
    holds "two pages can be had" inside huge fallocate -l 4194304 /tmp/huge/two
    inside huge fallocate -l 6291456 /tmp/huge/three >/tmp/out 2>&1 && echo "CHECK FAIL a third page was given" || echo "CHECK ok a third one is refused"
    rm -f /tmp/huge/*; umount /tmp/huge; echo 0 >/proc/sys/vm/nr_hugepages
    none
else
    echo "CHECK SKIP a limit of huge pages converges: the guest's kernel gave $pages huge pages of 8"
fi

# --- freezer, asked to end, killed
one ice '"pids_max":50'
isolate /tmp/intent >/dev/null
(enter ice sh -c 'trap "echo heard >/tmp/heard; exit 7" TERM; n=0; while :; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.05; done') & counter=$!
(enter ice sh -c 'trap "" TERM; echo >/tmp/deaf; while :; do sleep 0.1; done') & deaf=$!
wait_for test -s /tmp/count; wait_for test -f /tmp/deaf
holds "it freezes" isolate /tmp/intent freeze ice
before=$(cat /tmp/count); sleep 1; check "nothing moves" "$before" "$(cat /tmp/count)"
holds "it thaws" isolate /tmp/intent thaw ice
moves() { [ "$(cat /tmp/count)" != "$before" ]; }
wait_for moves && echo "CHECK ok it runs on" || echo "CHECK FAIL it stands still"
isolate /tmp/intent freeze ice >/dev/null
holds "it is asked to end while it stands still" isolate /tmp/intent term ice
wait $counter; check "who listens ends by itself" "7 heard" "$? $(cat /tmp/heard)"
isolate /tmp/intent freeze ice >/dev/null
holds "who stands still can be killed" isolate /tmp/intent kill ice
wait $deaf 2>/dev/null; check "by SIGKILL" 137 $?
none; check "nothing is left of all of them" "" "$(ours)"

# --- what v1 cannot
refuses "memory.high is refused" '"memory_high":33554432' 'cgroup v2'
refuses "an OOM group is refused" '"memory_oom_group":true' 'cgroup v2'
refuses "io.latency is refused" '"io":[{"device":"nullb0","latency_microseconds":100}]' 'cgroup v2'
check "nothing was begun" "" "$(ours)"
