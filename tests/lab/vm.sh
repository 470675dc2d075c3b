# A QEMU within the guest (its virtual CPUs at a stand after one instruction): each has a CPU of its own, one that is plugged in too,
# drift is put right, and neither the agent's death nor the machine's end leaves anything.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.
#: programs qemu-system-x86_64 /usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so
. /words
export QEMU_MODULE_DIR=/bin # Debian's QEMU loads its emulation from there

CG=/sys/fs/cgroup
export BUSBAR_AGENT=/run/agent.sock
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
start_agent() {
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
    wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
}
workloads() { get /v1/workloads | tail -1 >/tmp/workloads; }
threads() { # of the virtual CPUs, by number
    workloads; grep -o '"index":[0-9]*,"thread":[0-9]*' /tmp/workloads | sed 's/.*://'
}
so_many() { [ "$(threads | wc -l)" = "$1" ]; }
on() { # THREAD: where the kernel lets it run
    sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/task/$1/status"
}
each() { for thread in $(threads); do on "$thread"; done | tr '\n' ' '; }
is_on() { [ "$(on "$1")" = "$2" ]; }

# Firmware of one instruction: hlt, for good.
dd if=/dev/zero of=/tmp/firmware bs=65536 count=1 2>/dev/null
printf '\364\353\375' | dd of=/tmp/firmware bs=1 seek=65520 conv=notrunc 2>/dev/null
machine="-M q35 -accel tcg,thread=multi,tb-size=16 -cpu qemu64 -m 16 -nodefaults -no-user-config -display none -bios /tmp/firmware"
start_agent

# --- two virtual CPUs of three that there may be, on three CPUs
# shellcheck disable=SC2086
busbar run --cpus 3 --exclusive --name db --vm -- qemu-system-x86_64 $machine -smp 2,maxcpus=3,sockets=3 \
    -qmp tcp:127.0.0.1:4444,server=on,wait=off >/tmp/said 2>/tmp/told & run=$!
wait_for grep -q 'the emulator on' /tmp/told || { echo "CHECK FAIL a machine runs: $(tail -5 /tmp/told /run/agent.err | tr '\n' '|')"; exit; }
wait_for so_many 2 || { echo "CHECK FAIL a machine runs: $(tail -5 /tmp/told)"; exit; }
pid=$(sed -n 's/.*"vm":{[^}]*"pid":\([0-9]*\).*/\1/p' /tmp/workloads)
check "its workload is a partition" root "$(cat $CG/busbar/db/cpuset.cpus.partition)"
check "each virtual CPU has a CPU" "1 2 " "$(each)"
check "the emulator has the third" 3 "$(on "$pid")"
check "and that is told" 1 "$(grep -c 'virtual CPU 0 on 1, 1 on 2; the emulator on 3' /tmp/told)"
busbar verify db --for 500ms >/tmp/proof 2>&1
check "the proof reads both back" 2 "$(grep -c 'Cpus_allowed_list . (virtual CPU' /tmp/proof)"

# --- somebody unpins one
first=$(threads | head -1)
taskset -p 8 "$first" >/dev/null
check "it was unpinned" 3 "$(on "$first")"
holds "and is put right" wait_for is_on "$first" 1

# --- the agent dies, and its next run goes on asking
kill -9 $agent; wait $agent 2>/dev/null
check "the machine runs on, pinned" "1 2" "$(on "$first") $(on "$(sed -n 's/.*"index":1,"thread":\([0-9]*\).*/\1/p' /tmp/workloads)")"
start_agent
holds "the next agent knows it" wait_for so_many 2
taskset -p 8 "$first" >/dev/null
holds "and puts right what it finds" wait_for is_on "$first" 1

# --- a third virtual CPU is plugged in
(printf '{"execute":"qmp_capabilities"}\n'; sleep 1
 printf '{"execute":"device_add","arguments":{"driver":"qemu64-x86_64-cpu","id":"c2","socket-id":2,"core-id":0,"thread-id":0}}\n'; sleep 2) |
    nc 127.0.0.1 4444 >/tmp/plugged 2>&1
if grep -q '"error"' /tmp/plugged; then
    echo "CHECK SKIP this emulator plugs CPUs in: $(grep '"error"' /tmp/plugged)"
else
    holds "it is seen" wait_for so_many 3
    third=$(threads | tail -1)
    holds "and has the CPU that was left" wait_for is_on "$third" 3
    holds "the emulator moves to the first one's" wait_for is_on "$pid" 1
fi

# --- what cannot be pinned does not begin; and the end
# shellcheck disable=SC2086
busbar run --cpus 1 --name two --vm -- qemu-system-x86_64 $machine >/tmp/said 2>/tmp/refused; check "shared CPUs are refused" 2 $?
busbar stop db --grace 1s >/tmp/stopped 2>&1; check "it is stopped" 0 $?
check "its guest heard no power button" 1 "$(grep -c 'QEMU was ended' /tmp/stopped)"
wait $run; check "busbar ends as QEMU does" 0 $?
check "no cgroup is left" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
check "the CPUs are back" "0-3" "$(cat $CG/cpuset.cpus.effective)"
check "no monitor is left" "" "$(ls /run/vm)"
# shellcheck disable=SC2086
busbar run --cpus 1 --exclusive --name two --vm -- qemu-system-x86_64 $machine -smp 2 >/tmp/said 2>/tmp/refused
check "more virtual CPUs than CPUs are refused" 3 $?
check "with what would fit" 1 "$(grep -c 'start QEMU with -smp 1, or ask for 2 with --cpus' /tmp/refused)"
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
