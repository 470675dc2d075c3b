# What a workload is lent beside CPUs, through the real agent on a real kernel: whole NVMe drives that nobody else opens, the
# queues of a network interface beside its CPUs, and waits that the kernel tells by itself.
# The guest has CPUs 0-3 on two NUMA nodes, two NVMe drives and an interface with several queues.
#: modules nvme vmxnet3
#: qemu -blockdev driver=null-co,node-name=d0,size=67108864,read-zeroes=on -device nvme,id=nv0,serial=SN-0,drive=d0
#: qemu -drive if=none,id=d1,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1
#: qemu -netdev hubport,hubid=1,id=n1 -device vmxnet3,netdev=n1
. /words

export BUSBAR_AGENT=/run/agent.sock
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial)")")n1"; } # the kernel numbers them as they come
says() { # NAME WHAT: whether the last output has it
    grep -q -- "$2" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tr '\n' ' ' </tmp/out)"
}
wait_for namespace SN-0; wait_for namespace SN-1
zero=$(namespace SN-0); one=$(namespace SN-1)
wait_for test -b "/dev/$zero"; wait_for test -b "/dev/$one"
nic=$(ls /sys/class/net | grep -v '^lo$' | head -1)
ip link set "$nic" up
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
agent=$!
shown() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = 4 ] && get /v1/facts | grep -q SN-1; }
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
wait_for shown || echo "CHECK FAIL topology and drives arrive"

# --- a drive for one workload
busbar run --cpus 1 --name plain -- sleep 300 >/dev/null 2>&1 &
plain() { get /v1/workloads | grep -q '"id":"plain"'; }
wait_for plain
busbar run --cpus 1 --exclusive --drives SN-0 --name db -- sh -c "dd if=/dev/$zero of=/dev/null bs=4k count=1 2>&1; dd if=/dev/$one of=/dev/null bs=4k count=1 2>&1; sleep 300" >/tmp/db 2>&1 & ran=$!
wait_for grep -q 'records out' /tmp/db
grep -q '1+0 records out' /tmp/db && echo "CHECK ok the drive that was lent opens, by its serial number" || echo "CHECK FAIL it opens: $(cat /tmp/db)"
wait_for grep -q 'not permitted' /tmp/db && echo "CHECK ok another drive gives EPERM" || echo "CHECK FAIL another drive: $(cat /tmp/db)"
group=$(get /v1/workloads | tr '",' '\n\n' | grep '^/sys/fs/cgroup.*/plain$' | head -1)
(echo 0 >"$group/cgroup.procs"; exec dd "if=/dev/$zero" of=/dev/null bs=4k count=1) >/tmp/out 2>&1
says "and another workload does not open the one that was lent" "not permitted"
holds "the host opens it" dd "if=/dev/$zero" of=/dev/null bs=4k count=1
busbar run --cpus 1 --drives "$zero" -- true >/tmp/out 2>&1; check "it is lent once" 3 $?
says "and who has it is said" "held by db"
busbar run --cpus 1 --drives nvme7n1 -- true >/tmp/out 2>&1; check "a drive that is not here is refused" 3 $?
mkswap "/dev/$one" >/dev/null 2>&1; swapon "/dev/$one"
busbar run --cpus 1 --drives "$one" -- true >/tmp/out 2>&1; check "a drive that the kernel swaps to is refused" 3 $?
says "and so is said" "swaps to /dev/$one"
swapoff "/dev/$one"
busbar stop db >/dev/null 2>&1; wait $ran 2>/dev/null
holds "after the end it is free for the next" busbar run --cpus 1 --drives "$zero" -- true

# --- queues
irqs=$(ls "/sys/class/net/$nic/device/msi_irqs" 2>/dev/null | sort -n)
queues=$(ls -d "/sys/class/net/$nic/queues/tx-"* | wc -l)
echo "MEASURED $nic has $(echo $irqs | wc -w) interrupts and $queues queues to send by"
# Packets are steered to every CPU, and of the second queue to none (Documentation/networking/scaling.rst).
rps() { cat "/sys/class/net/$nic/queues/rx-$1/rps_cpus" 2>/dev/null; }
receivers=$(ls -d "/sys/class/net/$nic/queues/rx-"* | wc -l)
echo f >"/sys/class/net/$nic/queues/rx-0/rps_cpus"
[ "$receivers" -gt 1 ] && echo 0 >"/sys/class/net/$nic/queues/rx-1/rps_cpus"
masks() { cat /sys/class/net/$nic/queues/*/?ps_cpus 2>/dev/null; for irq in $irqs; do cat /proc/irq/$irq/smp_affinity_list; done; }
before=$(masks)
busbar run --cpus 2 --exclusive --near "nic:$nic" --name net -- sleep 300 >/tmp/out 2>&1 & ran=$!
running() { get /v1/workloads | grep -q '"id":"net"'; }
wait_for running || echo "CHECK FAIL a workload near an interface starts: $(cat /tmp/out)"
own=$(get /v1/workloads | tr '{' '\n' | grep '"id":"net"' | sed 's/.*"cpus":"\([^"]*\)".*/\1/')
many=0; for irq in $irqs; do case $(cat /proc/irq/$irq/smp_affinity_list) in *[-,]*) many=$((many + 1));; esac; done
check "each interrupt of it goes to one CPU" 0 $many
strays=0; for irq in $irqs; do for cpu in $(echo "$own" | tr ',-' '  '); do [ "$(cat /proc/irq/$irq/smp_affinity_list)" = "$cpu" ] && strays=$((strays + 1)); done; done
check "and none to a CPU of the workload" 0 $strays
if [ "$queues" -gt 1 ]; then
    first=$(cat "/sys/class/net/$nic/queues/tx-0/xps_cpus"); [ $((0x$first)) -gt 0 ] && echo "CHECK ok its CPUs send by queues of their own ($first)" || echo "CHECK FAIL xps_cpus: $first"
else
    echo "CHECK SKIP its CPUs send by queues of their own: $nic has one queue"
fi
bits() { n=0; for cpu in $(get /v1/workloads | tr '{' '\n' | grep '"exclusive":true' | sed 's/.*"cpus":"\([^"]*\)".*/\1/' | tr ',' ' '); do
    first=${cpu%-*}; last=${cpu#*-}; while [ $first -le $last ]; do n=$((n | 1 << first)); first=$((first + 1)); done; done; echo $n; }
apart() { [ $((0x$(rps 0) & $(bits))) = 0 ] && [ $((0x$(rps 0) | $(bits))) = 15 ]; }
if [ "$(rps 0)" != "" ]; then
    wait_for apart && echo "CHECK ok received packets are steered to no exclusive CPU ($(rps 0))" || echo "CHECK FAIL rps_cpus: $(rps 0), exclusive $(bits)"
    [ "$receivers" -gt 1 ] && check "a queue that steered nobody steers nobody" 0 $((0x$(rps 1)))
    # Another workload's CPUs are left out too, and what somebody else writes is put right.
    busbar run --cpus 1 --exclusive --name alone -- sleep 300 >/tmp/alone 2>&1 & other=$!
    alone() { get /v1/workloads | grep -q '"id":"alone"'; }
    wait_for alone || echo "CHECK FAIL another workload starts: $(cat /tmp/alone)"
    wait_for apart && echo "CHECK ok nor to those of another workload ($(rps 0))" || echo "CHECK FAIL rps_cpus: $(rps 0), exclusive $(bits)"
    echo f >"/sys/class/net/$nic/queues/rx-0/rps_cpus"
    wait_for apart && echo "CHECK ok what somebody else writes is put right" || echo "CHECK FAIL rps_cpus: $(rps 0)"
    kill -9 $agent; wait $agent 2>/dev/null
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err & agent=$!
    wait_for grep -q '^ready' /run/agent.out; wait_for alone
    apart && echo "CHECK ok and stays so through kill -9 of the agent" || echo "CHECK FAIL after kill -9: $(rps 0)"
    busbar stop alone >/dev/null 2>&1; wait $other 2>/dev/null
    wait_for apart && echo "CHECK ok a CPU that is given back is steered to again ($(rps 0))" || echo "CHECK FAIL rps_cpus: $(rps 0), exclusive $(bits)"
else
    echo "CHECK SKIP received packets are steered to no exclusive CPU: this kernel has no rps_cpus"
fi
busbar stop net >/dev/null 2>&1; wait $ran 2>/dev/null
again() { [ "$(masks)" = "$before" ]; }
wait_for again && echo "CHECK ok afterwards all is as it was" || echo "CHECK FAIL afterwards: $(masks | tr '\n' ' ') and not $(echo "$before" | tr '\n' ' ')"

# --- waits
waits() { get /metrics | sed -n "s/^busbar_workload_waits_total{workload=\"$1\",resource=\"$2\"} //p"; }
if [ -f /sys/fs/cgroup/cpu.pressure ] || ls /sys/fs/cgroup/busbar*/cpu.pressure >/dev/null 2>&1; then
    check "a workload that waits for nothing is watched" 0 "$(waits plain memory)"
    busbar run --cpus 1 --name busy -- sh -c 'for n in 1 2 3 4 5 6; do (while :; do :; done) & done; sleep 300' >/dev/null 2>&1 & ran=$!
    told() { [ "$(waits busy cpu)" -gt 0 ] 2>/dev/null; }
    wait_for told && echo "CHECK ok the kernel tells that it waits for CPUs" || echo "CHECK FAIL waits of busy: $(get /metrics | grep waits | tr '\n' ' ')"
    grep -q 'workload busy waits for cpu' /run/agent.err && echo "CHECK ok and an event says so" || echo "CHECK FAIL no event: $(tail -3 /run/agent.err)"
    busbar stop busy >/dev/null 2>&1; wait $ran 2>/dev/null
    gone() { [ -z "$(waits busy cpu)" ]; }
    wait_for gone && echo "CHECK ok its series end with it" || echo "CHECK FAIL still there: $(waits busy cpu)"
else
    check "without pressure files nothing is watched" "" "$(get /metrics | grep '^busbar_workload_waits_total')"
fi
busbar stop plain >/dev/null 2>&1
kill $agent; wait $agent 2>/dev/null
busbar-agent leave --state-dir /run/agent >/tmp/out 2>&1; says "leave leaves nothing" "nothing left"
check "no cgroup is left" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"
