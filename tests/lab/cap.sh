# A cap of power that falls and rises, through the real agent on a real kernel: who gives CPU time, who stands still, what is shown of it,
# `kill -9` of the agent in the middle, a stop of one that stands still, and leave with a squeeze in force.
# An emulated processor has no RAPL: plain files stand at /sys/class/powercap in its place, a zone a package. All else is the kernel's:
# CPU time, the freezer, signals. The guest has CPUs 0-3 in two packages of 100 W each here; all workloads share all of them.
#: lasts 600
. /words

export BUSBAR_AGENT=/run/agent.sock
zones=/sys/class/powercap
says() { # NAME WHAT: whether the last output has it
    grep -q -- "$2" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tr '\n' ' ' </tmp/out)"
}
mount -t tmpfs zones $zones || { echo "CHECK SKIP a cap is followed: this kernel has no /sys/class/powercap"; exit; }
for package in 0 1; do
    mkdir $zones/intel-rapl:$package
    echo "package-$package" >$zones/intel-rapl:$package/name
    echo long_term >$zones/intel-rapl:$package/constraint_0_name
    echo 100000000 >$zones/intel-rapl:$package/constraint_0_power_limit_uw
    echo 1000000 >$zones/intel-rapl:$package/energy_uj
done
limits() { cat $zones/*/constraint_0_power_limit_uw | grep . | tr '\n' ' '; }
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
shown() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = 4 ]; }
start_agent() {
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; return 1; }
    wait_for shown || echo "CHECK FAIL the topology arrives"
}
start_agent || exit
group() { echo "/sys/fs/cgroup/busbar-shared/$1"; }
is() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
stays() { # NAME: whether batch stands still
    before=$(cat /tmp/count); sleep 1; check "$1" "$before" "$(cat /tmp/count)"
}
moves() { [ "$(cat /tmp/count)" != "$before" ]; }

# web was promised 100 W of both packages; batch is revocable; other is kept least of the rest.
busbar run --cpus 2 --watts 100 --priority 1 --name web -- sleep 3000 >/tmp/web 2>&1 &
busbar run --cpus 1 --priority 9 --name other -- sleep 3000 >/tmp/other 2>&1 &
cat >/tmp/batch.sh <<'B'
trap 'echo heard >/tmp/heard; exit 0' TERM
n=0; while :; do n=$((n + 1)); echo $n >/tmp/count; sleep 0.05; done
B
busbar run --cpus 1 --revocable --priority 2 --name batch -- sh /tmp/batch.sh >/tmp/batch 2>&1 & ran=$!
all() { [ "$(get /v1/workloads | grep -o '"id":"[a-z]*"' | wc -l)" = 3 ] && test -s /tmp/count; }
wait_for all || echo "CHECK FAIL three workloads start: $(cat /tmp/web /tmp/other /tmp/batch)"
if [ ! -d "$(group batch)" ]; then dir=$(get /v1/workloads | tr '",' '\n\n' | grep '^/sys/fs/cgroup.*/batch$' | head -1); else dir=$(group batch); fi
above=$(dirname "$dir"); group() { echo "$above/$1"; }
check "nobody gives anything before a cap" "100000 100000" "$(cat "$(group batch)/cpu.max")"

# --- it falls
holds "busbar cap" busbar cap --watts 160
check "each package is limited" "80000000 80000000 " "$(limits)"
check "the revocable one gives of its CPU time" "20000 100000" "$(cat "$(group batch)/cpu.max")"
check "and nobody else" "100000 100000 200000 100000" "$(cat "$(group other)/cpu.max" "$(group web)/cpu.max" | tr '\n' ' ' | sed 's/ $//')"
used() { sed -n 's/^usage_usec //p' "$(group batch)/cpu.stat"; }
busbar why --workload batch >/tmp/out 2>&1; says "busbar why says for which cap" "the cap of 160 W"
busbar cap --watts 140 >/tmp/out 2>&1
check "it falls further: the revocable one stands still" 1 "$(cat "$(group batch)/cgroup.freeze")"
stays "and nothing of it moves"
check "the lowest priority gives a part" "80000 100000" "$(cat "$(group other)/cpu.max")"
get /metrics >/tmp/out; says "the page shows the cap" '^busbar_power_cap_watts 140'
says "and who stands still" '^busbar_workload_squeezed{workload="batch",state="still"} 1'
grep -q 'workload batch stands still: the cap of 140 W' /run/agent.err && echo "CHECK ok an event says for whom" || echo "CHECK FAIL no event: $(tail -3 /run/agent.err)"

# --- kill -9 in the middle, and somebody raises a limit meanwhile
kill -9 $agent; wait $agent 2>/dev/null
echo 100000000 >$zones/intel-rapl:0/constraint_0_power_limit_uw
stays "it stands still while no agent runs"
start_agent
again() { [ "$(limits)" = "70000000 70000000 " ]; }
wait_for again && echo "CHECK ok the next agent keeps the cap" || echo "CHECK FAIL limits: $(limits)"
stays "and it stands still still"
check "who gives a part gives it still" "80000 100000" "$(cat "$(group other)/cpu.max")"

# --- stopped while it stands still: it hears SIGTERM
busbar stop --grace 60s batch >/tmp/out 2>&1; check "busbar stop of one that stands still" 0 $?
wait $ran; check "it ended by itself, as it wished" 0 $?
check "it heard SIGTERM" heard "$(cat /tmp/heard 2>/dev/null)"
check "the cap held meanwhile" "70000000 70000000 " "$(limits)"
# One that does not listen goes on with the least CPU time until its grace is over.
sed -i 's/^trap.*/trap "" TERM/' /tmp/batch.sh; rm /tmp/count
busbar run --cpus 1 --revocable --priority 2 --name batch -- sh /tmp/batch.sh >/tmp/batch 2>&1 & ran=$!
wait_for is "$(group batch)/cgroup.freeze" 1 || echo "CHECK FAIL batch stands still again"
busbar stop --grace 8s batch >/tmp/stopped 2>&1 & stopping=$!
wait_for is "$(group batch)/cpu.max" "5000 100000" && echo "CHECK ok one that does not listen goes on with the least CPU time" || echo "CHECK FAIL cpu.max: $(cat "$(group batch)/cpu.max")"
check "and does not stand still again" 0 "$(cat "$(group batch)/cgroup.freeze")"
wait $stopping; wait $ran; check "it is killed after its grace" 137 $?

# --- it rises
busbar run --cpus 1 --revocable --priority 2 --name batch -- sh /tmp/batch.sh >/tmp/batch 2>&1 & ran=$!
wait_for is "$(group batch)/cgroup.freeze" 1 || echo "CHECK FAIL batch stands still a third time"
wait_for test -s /tmp/count; before=$(cat /tmp/count)
holds "the cap rises" busbar cap --watts 200
wait_for moves && echo "CHECK ok it goes on" || echo "CHECK FAIL it stands still"
check "everybody has again what was taken" "100000 100000 100000 100000" "$(cat "$(group batch)/cpu.max" "$(group other)/cpu.max" | tr '\n' ' ' | sed 's/ $//')"
get /metrics >/tmp/out; check "the page shows nobody" 0 "$(grep -c '^busbar_workload_squeezed{' /tmp/out)"

# --- leave with a squeeze in force
busbar cap --watts 140 >/tmp/out 2>&1
stays "squeezed again"
kill $agent; wait $agent 2>/dev/null
stays "an orderly end of the agent lets nobody go"
busbar-agent leave --state-dir /run/agent >/tmp/out 2>&1; says "leave leaves nothing" "nothing left"
check "and the limits that were found" "100000000 100000000 " "$(limits)"
wait_for moves && echo "CHECK ok who stood still runs on" || echo "CHECK FAIL who stood still stands for ever"
kill -9 $ran 2>/dev/null
