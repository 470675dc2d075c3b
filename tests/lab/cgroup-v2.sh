# cgroup v2 on a real kernel: an exclusive CPU is a partition, read back; it survives its agent; observe writes nothing.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.

check() { # NAME EXPECTED CAME
    if [ "$2" = "$3" ]; then echo "CHECK ok $1"; else echo "CHECK FAIL $1: expected '$2', came '$3'"; fi
}
holds() { # NAME COMMAND...
    name=$1; shift
    if "$@" >/tmp/out 2>&1; then echo "CHECK ok $name"; else echo "CHECK FAIL $name: $(tail -3 /tmp/out | tr '\n' ' ')"; fi
}
wait_for() { # COMMAND..., at most 30 s
    n=0; while ! "$@" >/dev/null 2>&1; do n=$((n + 1)); [ $n -gt 300 ] && return 1; sleep 0.1; done
}
get() { (printf 'GET %s HTTP/1.0\r\n\r\n' "$1"; sleep 1) | nc -w 10 127.0.0.1 9711; } # a closed pipe too early reads as giving up
shown() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = "$1" ]; }  # CPUs in the scrape
start_agent() { # MODE
    printf '[agent]\nname = "guest"\nmode = "%s"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent-%s"\n[reserved]\ncpus = "0"\n' "$1" "$1" >/run/agent.toml
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts ($1): $(tail -3 /run/agent.err)"; return 1; }
    wait_for shown 4 || echo "CHECK FAIL the topology arrives"
}
sleepers() { grep -lx sleep /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3; } # the guest's busybox has no pgrep
two_sleep() { [ "$(sleepers | wc -l)" = 2 ]; }
own() { find /sys/fs/cgroup/busbar -mindepth 1 -type d 2>/dev/null; }
export BUSBAR_AGENT=/run/agent.sock

# --- observe writes nothing
before=$(find /sys/fs/cgroup -type d | sort; cat /sys/fs/cgroup/cgroup.subtree_control)
start_agent observe
busbar run --cpus 1 --exclusive -- true >/tmp/out 2>&1; check "observe refuses to run" 3 $?
check "observe writes no cgroup" "$before" "$(find /sys/fs/cgroup -type d | sort; cat /sys/fs/cgroup/cgroup.subtree_control)"
kill $agent; wait $agent; check "the agent stops in order" 0 $?

# --- facts
check "facts count the guest's CPUs" 4 "$(busbar-agent facts --output json | grep -c '"usable": true')"
check "facts count its NUMA nodes" 2 "$(busbar-agent facts --output json | sed -n '/"numa_nodes": \[/,/^  \]/p' | grep -c '"distances"')"

# --- a partition
start_agent enforce || { cat /run/agent.err; exit; }
busbar run --cpus 1 --exclusive --memory 64M --name alone -- sh -c '
    g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
    grep Cpus_allowed_list /proc/self/status; grep Mems_allowed_list /proc/self/status
    echo partition $(cat $g/cpuset.cpus.partition); echo memory $(cat $g/memory.max); echo root $(cat /sys/fs/cgroup/cpuset.cpus.effective); exit 7' >/tmp/alone 2>/tmp/alone.err
check "the exit status is passed on" 7 $?
cpu=$(awk '/Cpus_allowed_list/ {print $2}' /tmp/alone)
echo "$cpu" | grep -qE '^[1-3]$' && echo "CHECK ok one CPU, not the reserved one ($cpu)" || echo "CHECK FAIL one CPU: $(cat /tmp/alone /tmp/alone.err | tr '\n' ' ')"
check "the kernel says: partition root" "partition root" "$(grep partition /tmp/alone)"
check "the memory limit is in force" "memory 67108864" "$(grep '^memory' /tmp/alone)"
left=$(sed -n 's/^root //p' /tmp/alone)
case "$left" in *"$cpu"*) [ -n "$cpu" ] && echo "CHECK FAIL the CPU is taken from all others: root still has $left" ;; *) echo "CHECK ok the CPU is taken from all others (root has $left)" ;; esac
check "the memory is near the CPU" "$([ "$cpu" = 1 ] && echo 0 || echo 1)" "$(awk '/Mems_allowed_list/ {print $2}' /tmp/alone)"
check "everything is undone" "" "$(own)"
check "the CPUs are back" "0-3" "$(cat /sys/fs/cgroup/cpuset.cpus.effective)"

# --- limits
busbar run --cpus 1 --memory 16M --quiet -- sh -c 'x=$(head -c 64000000 /dev/zero | tr "\0" x); echo $x | wc -c' >/tmp/out 2>&1
check "a hog ends at its memory limit" 137 $?
busbar run --cpus 4 --exclusive -- true >/tmp/out 2>&1; check "an ask that does not fit is refused" 3 $?
grep -q 'asked' /tmp/out && echo "CHECK ok the refusal says what was asked" || echo "CHECK FAIL the refusal: $(cat /tmp/out)"

# --- two workloads, two CPUs
busbar run --cpus 1 --exclusive --name one -- sleep 300 2>/tmp/one.err & one=$!
wait_for test -d /sys/fs/cgroup/busbar/one
busbar run --cpus 1 --exclusive --name two -- sleep 300 2>/tmp/two.err & two=$!
wait_for test -d /sys/fs/cgroup/busbar/two; wait_for two_sleep || cat /tmp/one.err /tmp/two.err
cpus=$(for p in $(sleepers); do awk '/Cpus_allowed_list/ {print $2}' "/proc/$p/status"; done | sort -u | wc -l)
check "two workloads have two CPUs" 2 "$cpus"

# --- the agent dies, the workloads stay
kill -9 $agent; wait $agent 2>/dev/null
check "workloads live on without their agent" 2 "$(sleepers | wc -l)"
check "their partition stands" root "$(cat /sys/fs/cgroup/busbar/one/cpuset.cpus.partition)"
start_agent enforce
check "the new agent knows them" 2 "$(get /v1/workloads | grep -o '"id":' | wc -l)"
kill $two; wait $two 2>/dev/null
wait_for sh -c '! test -d /sys/fs/cgroup/busbar/two' && echo "CHECK ok it ends one in order" || echo "CHECK FAIL the ended workload's cgroup stays"
check "the other one keeps its partition" root "$(cat /sys/fs/cgroup/busbar/one/cpuset.cpus.partition)"

# --- a CPU goes
echo 0 >/sys/devices/system/cpu/cpu3/online
wait_for shown 3 && echo "CHECK ok a CPU that goes vanishes from the scrape" || echo "CHECK FAIL the CPU that went is still shown"
echo 1 >/sys/devices/system/cpu/cpu3/online
wait_for shown 4 && echo "CHECK ok it comes back" || echo "CHECK FAIL the CPU that came back is not shown"

# --- leave
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent-enforce
check "nothing is left" "" "$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -name 'busbar*')"
check "the workload still runs" 1 "$(sleepers | wc -l)"
kill $one 2>/dev/null
