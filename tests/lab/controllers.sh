#: module null_blk nr_devices=2 memory_backed=1 gb=1
#: examples isolate
# Every controller of cgroup v2 on a real kernel: limits that bite, devices that are refused, a freezer, interrupts that leave.
# The guest has CPUs 0-3 on two NUMA nodes and two block devices in memory.
. /words

one() { # NAME "KEY":VALUE,... : an intent of one workload that shares CPUs 0-1
    printf '{"generation":1,"isolations":[{"workload":"%s","cpus":"0-1","numa_nodes":"0","exclusive":false,"memory_max":null,%s}]}' "$1" "$2" >/tmp/intent
}
none() { echo '{"generation":9,"isolations":[]}' >/tmp/none; isolate /tmp/none >/tmp/out 2>&1; }
group=/sys/fs/cgroup/busbar-shared
[ -f /sys/fs/cgroup/cpuset.cpus.isolated ] && group=/sys/fs/cgroup/busbar
enter() { echo 0 >"$group/$1/cgroup.procs" || exit 99; shift; exec "$@"; } # this very process, so call it in ( )
inside() { (enter "$@"); }

# --- weights, pids, memory: written and read back
one web '"cpu_weight":250,"pids_max":4,"memory_min":4194304,"memory_low":8388608,"memory_high":33554432,"memory_oom_group":true'
holds "controllers converge" isolate /tmp/intent
check "a second look finds nothing to do" "" "$(isolate /tmp/intent plan)"
check "the weight is in force" 250 "$(cat $group/web/cpu.weight)"
check "memory.high is in force" 33554432 "$(cat $group/web/memory.high)"
check "what is kept is kept above too" 4194304 "$(cat $group/memory.min)"
inside web sh -c 'for n in 1 2 3 4 5 6; do sleep 2 & done; wait' >/tmp/out 2>&1
grep -qi "can't fork" /tmp/out && echo "CHECK ok pids.max refuses the fifth process" || echo "CHECK FAIL pids.max: $(cat /tmp/out)"
echo max >$group/web/pids.max
check "drift is one step" 1 "$(isolate /tmp/intent plan | wc -l)"
holds "who is left in it is killed" isolate /tmp/intent kill web
none; check "nothing is left" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"

# --- the whole group ends where one hog does
one hog '"memory_oom_group":true'
sed 's/"memory_max":null/"memory_max":16777216/' /tmp/intent >/tmp/intent.2; mv /tmp/intent.2 /tmp/intent
holds "a limit with an OOM group converges" isolate /tmp/intent
(enter hog sleep 300) & sleeper=$!
wait_for grep -q $sleeper $group/hog/cgroup.procs
inside hog sh -c 'x=$(head -c 64000000 /dev/zero | tr "\0" x); echo $x | wc -c' >/dev/null 2>&1
wait $sleeper 2>/dev/null; check "its neighbour in the group ends with the hog" 137 $?
none

# --- I/O
ms() { before=$(uptime_ms); "$@" >/dev/null 2>&1; echo $(($(uptime_ms) - before)); }
one io '"io":[{"device":"nullb0","read_bytes_per_second":1048576}]'
holds "io.max converges" isolate /tmp/intent
free=$(ms dd if=/dev/nullb0 of=/dev/null bs=256k count=16 iflag=direct)
slow=$(ms inside io dd if=/dev/nullb0 of=/dev/null bs=256k count=16 iflag=direct)
echo "MEASURED 4 MiB at 1 MiB/s: $slow ms, without a limit $free ms"
[ "$slow" -gt 2500 ] && [ "$free" -lt "$slow" ] && echo "CHECK ok io.max slows reads down" || echo "CHECK FAIL io.max: $slow ms, without $free ms"
one io '"io":[]'; holds "it is lifted" isolate /tmp/intent
check "no limit is left in io.max" "" "$(cat $group/io/io.max)"
one io '"io":[{"device":"../../etc","reads_per_second":1}]'; isolate /tmp/intent >/tmp/out 2>&1; check "a hostile device is refused" 3 $?
one io '"io":[{"device":"nullb0","latency_microseconds":100}]'; isolate /tmp/intent >/tmp/out 2>&1; came=$?
if [ -f $group/io/io.latency ]; then check "io.latency converges" 0 $came
else check "io.latency is refused" 3 $came; grep -q CONFIG_BLK_CGROUP_IOLATENCY /tmp/out && echo "CHECK ok the refusal says what would give it" || echo "CHECK FAIL the refusal: $(cat /tmp/out)"; fi
none

# --- devices
numbers=$(cat /sys/class/block/nullb1/dev); major=${numbers%:*}; minor=${numbers#*:}
one dev '"devices":[{"kind":"block","device":"nullb0"}]'
holds "a device program is attached" isolate /tmp/intent
check "and known again" "" "$(isolate /tmp/intent plan)"
holds "the device that was given opens" inside dev dd if=/dev/nullb0 of=/dev/null bs=4k count=1
holds "/dev/null opens" inside dev dd if=/dev/null of=/dev/null
inside dev dd if=/dev/nullb1 of=/dev/null bs=4k count=1 >/tmp/out 2>&1
grep -q 'not permitted' /tmp/out && echo "CHECK ok another block device gives EPERM" || echo "CHECK FAIL open of nullb1: $(cat /tmp/out)"
inside dev mknod /tmp/node b "$major" "$minor" >/tmp/out 2>&1
grep -q 'not permitted' /tmp/out && echo "CHECK ok mknod of it gives EPERM" || echo "CHECK FAIL mknod: $(cat /tmp/out)"
holds "outside of the workload it opens" dd if=/dev/nullb1 of=/dev/null bs=4k count=1
one dev '"devices":[{"kind":"block","device":"nullb1"}]'
holds "the program is replaced" isolate /tmp/intent
holds "now the other one opens" inside dev dd if=/dev/nullb1 of=/dev/null bs=4k count=1
inside dev dd if=/dev/nullb0 of=/dev/null bs=4k count=1 >/tmp/out 2>&1
grep -q 'not permitted' /tmp/out && echo "CHECK ok and the first one does not" || echo "CHECK FAIL open of nullb0: $(cat /tmp/out)"
none

# --- freezer and kill
one ice '"pids_max":50'
isolate /tmp/intent >/dev/null
(enter ice sh -c 'n=0; while :; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.05; done') & counter=$!
wait_for test -s /tmp/count
holds "it freezes" isolate /tmp/intent freeze ice
before=$(cat /tmp/count); sleep 1; check "nothing moves" "$before" "$(cat /tmp/count)"
holds "it thaws" isolate /tmp/intent thaw ice
moves() { [ "$(cat /tmp/count)" != "$before" ]; }
wait_for moves && echo "CHECK ok it runs on" || echo "CHECK FAIL it stands still"
holds "it is killed" isolate /tmp/intent kill ice
wait $counter 2>/dev/null; check "by SIGKILL" 137 $?
none; check "nothing is left of all of them" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"

# --- asked to end, then ended: who does not listen is killed, who stands still is woken up to hear it
one deaf '"pids_max":50'
isolate /tmp/intent >/dev/null
(enter deaf sh -c 'trap "" TERM; echo >/tmp/deaf; while :; do sleep 0.1; done') & deaf=$!
(enter deaf sh -c 'trap "echo heard >/tmp/heard; exit 7" TERM; echo >/tmp/polite; while :; do sleep 0.1; done') & polite=$!
wait_for test -f /tmp/deaf; wait_for test -f /tmp/polite
isolate /tmp/intent freeze deaf >/dev/null
holds "the workload is asked to end" isolate /tmp/intent term deaf
wait $polite; check "who listens ends by itself" "7 heard" "$? $(cat /tmp/heard)"
kill -0 $deaf && echo "CHECK ok who does not listen is still there" || echo "CHECK FAIL the deaf one has ended"
holds "then it is killed" isolate /tmp/intent kill deaf
wait $deaf 2>/dev/null; check "and gone" 137 $?
none

# --- huge pages: as many as were promised, and not one more
echo 8 >/proc/sys/vm/nr_hugepages
pages=$(cat /proc/sys/vm/nr_hugepages)
if [ "$pages" = 8 ]; then
    mkdir -p /tmp/huge; mount -t hugetlbfs none /tmp/huge
    one huge '"hugepages":[{"numa_node":0,"page_bytes":2097152,"bytes":4194304}]'
    holds "a limit of huge pages converges" isolate /tmp/intent
    check "it is in force" 4194304 "$(cat $group/huge/hugetlb.2MB.max)"
    holds "two pages can be had" inside huge fallocate -l 4194304 /tmp/huge/two
    inside huge fallocate -l 6291456 /tmp/huge/three >/tmp/out 2>&1 && echo "CHECK FAIL a third page was given" || echo "CHECK ok a third one is refused"
    holds "outside of the workload it is not" fallocate -l 6291456 /tmp/huge/outside
    rm -f /tmp/huge/*; umount /tmp/huge; echo 0 >/proc/sys/vm/nr_hugepages
    none
else
    echo "CHECK SKIP a limit of huge pages converges: the guest's kernel gave $pages huge pages of 8"
fi

# --- interrupts and work queues leave an exclusive CPU
before=$(cat /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask)
printf '{"generation":1,"isolations":[{"workload":"alone","cpus":"3","numa_nodes":"1","exclusive":true,"memory_max":null}]}' >/tmp/intent
holds "an exclusive CPU converges" isolate /tmp/intent
check "it is a partition" root "$(cat /sys/fs/cgroup/busbar/alone/cpuset.cpus.partition)"
check "everybody else has the others" 0-2 "$(awk '/Cpus_allowed_list/ {print $2}' /proc/self/status)"
check "a process in it has it alone" 3 "$( (echo 0 >/sys/fs/cgroup/busbar/alone/cgroup.procs; exec awk '/Cpus_allowed_list/ {print $2}' /proc/self/status) )"
check "work queues are off it" 0 "$((0x$(cat /sys/devices/virtual/workqueue/cpumask) & 8))"
check "so are interrupts to come" 0 "$((0x$(cat /proc/irq/default_smp_affinity) & 8))"
isolate /tmp/intent around >/tmp/around
echo "MEASURED interrupts that refuse to leave: $(grep -c '^irq' /tmp/around), kernel threads that may run there: $(grep -c '^kernel thread' /tmp/around)"
check "each interrupt that stays says why" "$(grep -c '^irq' /tmp/around)" "$(grep -c '^irq.*the kernel refused' /tmp/around)"
check "no cgroup of the host may run there" 0 "$(grep -c '^cgroup' /tmp/around)"
grep -q 'kernel thread.*: bound' /tmp/around && echo "CHECK ok bound kernel threads are told" || echo "CHECK FAIL kernel threads: $(cat /tmp/around)"
none
check "everything is as it was" "$before" "$(cat /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask)"
check "no record is left" "" "$(ls /run/isolate 2>/dev/null)"
