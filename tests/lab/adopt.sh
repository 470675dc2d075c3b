# What somebody else started becomes a workload with a partition, moves to other CPUs and another NUMA node with its memory, and goes back;
# through kill -9 of the agent. Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. CPUs 0-3 on two NUMA nodes.
. /words

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
on() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }
nodes() { sed -n 's/^Mems_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }
in_group() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
start_agent

# --- a tree in a cgroup of its own, with an affinity
mkdir $CG/mine
sh -c 'echo $$ >/sys/fs/cgroup/mine/cgroup.procs; sleep 1000 & echo $! >/tmp/child; wait' & parent=$!
wait_for test -s /tmp/child; child=$(cat /tmp/child)
taskset -p 6 $parent >/dev/null
check "it has an affinity of its own" 1-2 "$(on $parent)"
busbar adopt --pid $parent --cpus 1 --exclusive --name db --dry-run >/tmp/would 2>&1; check "a dry run" 0 $?
check "changes nothing" "/mine" "$(in_group "$child")"
holds "it is adopted" busbar adopt --pid $parent --cpus 1 --exclusive --name db
check "with its child" "/busbar/db /busbar/db" "$(in_group $parent) $(in_group "$child")"
check "as a partition" root "$(cat $CG/busbar/db/cpuset.cpus.partition)"
cpu=$(cat $CG/busbar/db/cpuset.cpus)
check "the kernel says so" "$cpu $cpu" "$(on $parent) $(on "$child")"
busbar adopt --pid $parent --cpus 1 --exclusive --name again >/tmp/refused 2>&1; check "not twice" 3 $?
busbar adopt --pid 2 --cpus 1 >/tmp/refused 2>&1; check "no thread of the kernel" 3 $?
busbar adopt --pid 1 --cpus 1 >/tmp/refused 2>&1; check "not process 1" 3 $?

# --- it moves, and its memory with it
before=$(nodes "$child")
busbar migrate db --dry-run >/tmp/would 2>&1; check "a move is told before" 0 $?
check "and changes nothing" "$cpu" "$(cat $CG/busbar/db/cpuset.cpus)"
holds "it moves" busbar migrate db
new=$(cat $CG/busbar/db/cpuset.cpus)
check "to another CPU" "other" "$([ "$new" != "$cpu" ] && echo other)"
check "where the kernel lets it run" "$new" "$(on "$child")"
check "as a partition again" root "$(cat $CG/busbar/db/cpuset.cpus.partition)"
check "the CPU that it had is everybody's" "" "$(cat $CG/cpuset.cpus.effective | tr ',' '\n' | grep -x "$new")"
echo "memory of NUMA nodes $before, then $(nodes "$child")"
holds "and once more" busbar migrate db

# --- the agent dies
kill -9 $agent; wait $agent 2>/dev/null
check "it runs on where it is" "$(cat $CG/busbar/db/cpuset.cpus)" "$(on "$child")"
start_agent
holds "it goes back" busbar unadopt db
check "where it came from" "/mine /mine" "$(in_group $parent) $(in_group "$child")"
check "with its affinity" "1-2" "$(on $parent)"
check "and its child with none" "0-3" "$(on "$child")"
check "no cgroup is left" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
check "the CPUs are back" "0-3" "$(cat $CG/cpuset.cpus.effective)"

# --- what systemd rules stays its own
mkdir -p $CG/system.slice/web.service
echo "$child" >$CG/system.slice/web.service/cgroup.procs
busbar adopt --unit web.service --cpus 1 --exclusive >/tmp/refused 2>&1; check "a service is refused" 3 $?
check "with its owner's setting" 1 "$(grep -c 'systemctl set-property --runtime web.service AllowedCPUs=' /tmp/refused)"
kill $parent "$child"; kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
