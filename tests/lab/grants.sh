# What `busbar run` asks for beyond CPUs and memory, and acts on what runs, through the real agent on a real kernel: huge pages,
# shares of caches, freeze and thaw, a cap of power; a host that cannot do it says what would give it.
# The guest has CPUs 0-3 on two NUMA nodes.
. /words

export BUSBAR_AGENT=/run/agent.sock
shown() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = 4 ]; }
start_agent() {
    printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; return 1; }
    wait_for shown || echo "CHECK FAIL the topology arrives"
}
says() { # NAME WHAT: whether the last output has it
    grep -q -- "$2" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tr '\n' ' ' </tmp/out)"
}

echo 32 >/proc/sys/vm/nr_hugepages
pages=$(cat /proc/sys/vm/nr_hugepages)
start_agent || exit

# --- huge pages, from the ask to the kernel's file, and what the kernel makes of it
if [ "$pages" = 32 ]; then
    mkdir -p /tmp/huge; mount -t hugetlbfs none /tmp/huge
    busbar run --cpus 1 --exclusive --hugepages 2MiB=8MiB --name huge -- sh -c '
        g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
        echo limit $(cat $g/hugetlb.2MB.max)
        fallocate -l 8388608 /tmp/huge/four && echo four can be had
        fallocate -l 10485760 /tmp/huge/five || echo a fifth one cannot' >/tmp/out 2>&1
    says "busbar run --hugepages becomes a limit" "limit 8388608"
    says "as many pages as were asked for can be had" "four can be had"
    says "one more cannot" "a fifth one cannot"
    rm -f /tmp/huge/*; umount /tmp/huge
    busbar run --cpus 1 --exclusive --hugepages 2MiB=1GiB -- true >/tmp/out 2>&1; check "more than the pools have is refused" 3 $?
    says "the refusal says how to enlarge them" nr_hugepages
else
    echo "CHECK SKIP busbar run --hugepages becomes a limit: the guest's kernel gave $pages huge pages of 32"
fi

# --- a share of a cache
if mount -t resctrl resctrl /sys/fs/resctrl 2>/dev/null; then
    holds "a share of the cache is given" busbar run --cpus 1 --exclusive --l3 25% --name cached -- sh -c 'grep -q "^$$\$" /sys/fs/resctrl/busbar-cached/tasks'
else
    echo "CHECK SKIP a share of the cache is given: this processor has no RDT, and resctrl cannot be mounted"
    before=$(find /sys/fs/cgroup -type d | sort)
    busbar run --cpus 1 --exclusive --l3 25% -- true >/tmp/out 2>&1; check "without resctrl a share is refused" 3 $?
    says "the refusal says what would give it" "mount -t resctrl"
    check "nothing was begun" "$before" "$(find /sys/fs/cgroup -type d | sort)"
    busbar run --cpus 1 --exclusive --l3 25% --dry-run -- true >/tmp/out 2>&1; check "it can still be placed" 0 $?
    says "the offer says it too" "mount -t resctrl"
fi

# --- freeze and thaw
busbar run --cpus 1 --exclusive --name ice -- sh -c 'n=0; while :; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.05; done' >/dev/null 2>&1 & ran=$!
wait_for test -s /tmp/count
holds "busbar freeze" busbar freeze ice
before=$(cat /tmp/count); sleep 1; check "nothing moves" "$before" "$(cat /tmp/count)"
get /v1/workloads >/tmp/out; says "the agent shows it" '"frozen":true'
kill -9 $agent; wait $agent 2>/dev/null; start_agent
check "it stands still while another agent starts" "$before" "$(cat /tmp/count)"
busbar freeze ice >/tmp/out 2>&1; says "once is enough" "so it was before"
holds "busbar thaw" busbar thaw ice
moves() { [ "$(cat /tmp/count)" != "$before" ]; }
wait_for moves && echo "CHECK ok it goes on" || echo "CHECK FAIL it stands still"
busbar freeze nobody >/tmp/out 2>&1; check "nobody cannot be frozen" 2 $?

# --- a drained node takes nothing new, ends nothing, and forgets it neither
holds "busbar drain" busbar drain --reason "new memory"
kill -9 $agent; wait $agent 2>/dev/null; start_agent
busbar run --cpus 1 -- true >/tmp/out 2>&1; check "a drained node refuses what is new" 3 $?
says "the refusal says why, and what takes it back" "(new memory); busbar undrain"
wait_for moves && echo "CHECK ok what runs goes on" || echo "CHECK FAIL what ran was ended"
holds "busbar undrain" busbar undrain
holds "it takes workloads again" busbar run --cpus 1 -- true

# --- a cap of power
if ls -d /sys/class/powercap/intel-rapl:0 >/dev/null 2>&1; then
    holds "busbar cap" busbar cap --watts 10
else
    echo "CHECK SKIP busbar cap: an emulated processor has no RAPL"
    busbar cap --watts 10 >/tmp/out 2>&1; check "without RAPL a cap is refused" 3 $?
    says "the refusal says what would give it" intel_rapl_msr
    busbar cap --release >/tmp/out 2>&1; check "its release has nothing to do" 0 $?
fi

# --- leave takes a frozen workload out too, and it runs on
holds "it is frozen again" busbar freeze ice
before=$(cat /tmp/count)
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
check "nothing is left" "" "$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -name 'busbar*')"
wait_for moves && echo "CHECK ok who was frozen runs on" || echo "CHECK FAIL who was frozen stands still for ever"
kill $ran 2>/dev/null
