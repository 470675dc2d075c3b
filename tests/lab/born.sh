# A command is born in its cgroups: `clone3` with CLONE_INTO_CGROUP on a real v2 kernel; while its birth is awaited, the agent or the
# client is killed. The guest has CPUs 0-3 on two NUMA nodes.
. /words

shown() { [ "$(get /metrics | grep -c '^busbar_cpu_topology_info')" = 4 ]; }
start_agent() {
    printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"
    wait_for shown || echo "CHECK FAIL the topology arrives"
}
group() { echo "/sys/fs/cgroup/busbar/$1"; }
gone() { ! test -d "$(group "$1")"; }
known() { get /v1/workloads | grep -q "\"id\":\"$1\""; }
told() { wait_for grep -q "$2" "$1"; }
export BUSBAR_AGENT=/run/agent.sock

start_agent
busbar run --cpus 1 --exclusive --name first -- sh -c '
    read born </proc/self/cgroup; echo "$born"; grep Cpus_allowed_list /proc/self/status; cat /sys/fs/cgroup/busbar/first/cgroup.procs | wc -l
    echo $$; read up </proc/$PPID/cgroup; echo "$up"; exit 5' >/tmp/first 2>/tmp/first.err
check "the exit status is passed on" 5 $?
check "the first thing it reads is its own cgroup" "0::/busbar/first" "$(sed -n 1p /tmp/first)"
check "it has one CPU from its birth" 1 "$(sed -n 2p /tmp/first | grep -cE '[[:space:]][1-3]$')"
check "nobody has moved who asked" "0::/" "$(sed -n 5p /tmp/first)"
gone first && echo "CHECK ok it is undone" || echo "CHECK FAIL it stays"

# --- the client passes signals on, and has what a shell expects of it
busbar run --cpus 1 --exclusive --name signalled -- sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done' >/tmp/up 2>/dev/null &
client=$!
told /tmp/up up
check "its only processes are the command's" 0 "$(grep -cx $client "$(group signalled)/cgroup.procs")"
kill $client; wait $client; check "a signal reaches the command" 9 $?
busbar run --cpus 1 --name nothere -- /nothere >/tmp/out 2>&1; check "what is not there is 127" 127 $?
busbar run --cpus 1 --log /tmp/log --quiet -- sh -c 'echo out; echo err >&2'
check "the log has both" "out err" "$(cat /tmp/log | tr '\n' ' ' | sed 's/ $//')"

# --- a client that stands still before its command is born; it is tried until it is caught in time
awaiting() { # NAME: leaves the client in $client, stopped, or fails
    try=0
    while [ $try -lt 40 ]; do
        try=$((try + 1)); it=$1-$try; rm -f /tmp/ran
        busbar run --cpus 1 --exclusive --quiet --name $it -- sh -c 'echo ran >/tmp/ran; exec sleep 300' 2>/tmp/$1.err &
        client=$!
        while ! [ -d /sys/fs/cgroup/busbar/$it ] && [ -d /proc/$client ]; do :; done
        kill -STOP $client
        sleep 0.5
        if ! known $it && [ -d /sys/fs/cgroup/busbar/$it ] && ! [ -e /tmp/ran ]; then return 0; fi
        kill -CONT $client; sleep 0.5; kill $client; wait $client 2>/dev/null; wait_for gone $it
    done
    return 1
}
holds "a client is caught while its command is awaited" awaiting killed
sleep 2
holds "it is awaited though it is empty" test -d "$(group $it)"
kill -9 $client; wait $client 2>/dev/null
holds "a client that is killed is undone" wait_for gone $it
check "and nothing has run" "" "$(cat /tmp/ran 2>/dev/null)"

holds "another one is caught" awaiting orphan
kill -9 $agent; wait $agent 2>/dev/null
holds "its cgroup outlives the agent" test -d "$(group $it)"
start_agent
holds "the next agent undoes what was never confirmed" wait_for gone $it
kill -CONT $client; wait $client; came=$?
check "the client says that nothing ran, and does not run it" "ended with an error" "$([ $came != 0 ] && [ ! -e /tmp/ran ] && echo 'ended with an error')"

holds "one more is caught" awaiting late
sleep 12
holds "nobody is awaited for ever" gone $it
kill -CONT $client; wait $client; came=$?
check "who comes too late is told so" "status 3, no workload, nothing ran" "status $came, $(grep -o 'no workload' /tmp/late.err), $([ -e /tmp/ran ] || echo nothing ran)"

check "the CPUs are back" "0-3" "$(cat /sys/fs/cgroup/cpuset.cpus.effective)"
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
check "nothing is left" "" "$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -name 'busbar*')"
