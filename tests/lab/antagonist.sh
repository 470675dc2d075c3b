# Graded acts on a real kernel: a workload that burns squeezes a protected one, and the agent holds it back: by its CPU time, which
# helps; then, while processes of the host go on hurting, by one grade after the other: CPU time, other CPUs, standing still. What is
# done and undone is read from the kernel's files. What is usual was recorded by an agent before, whose history the next ones take up.
# An emulated processor has neither a PMU nor resctrl: cpu.pressure tells, and nobody gets a smaller part of a cache.
# The guest has CPUs 0-3 on two NUMA nodes; it takes seven minutes, since the shortest window is ten seconds.
#: lasts 900
. /words

CG=/sys/fs/cgroup
BATCH=$CG/busbar-shared/batch
HISTORY=/run/agent/interference.history
export BUSBAR_AGENT=/run/agent.sock
configure() { # GRADES
    cat >/run/agent.toml <<END
[agent]
name = "guest"
mode = "enforce"
listen_address = "127.0.0.1:9711"
socket = "/run/agent.sock"
state_dir = "/run/agent"
[reserved]
cpus = "0"
[interference]
mode = "act"
window = "10s"
act_for = "30s"
grades = [$1]
END
}
offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
start_agent() { # its events are in /tmp/events
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err & agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; return 1; }
    wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
    (printf 'GET /v1/events HTTP/1.0\r\n\r\n'; sleep 900) | nc 127.0.0.1 9711 >/tmp/events & events=$!
    wait_for grep -q '200 OK' /tmp/events || echo "CHECK FAIL the events are heard"
}
stop_agent() { # SIGNAL
    kill $events 2>/dev/null
    kill "$1" $agent; wait $agent 2>/dev/null
}
until_s() { # SECONDS COMMAND...: tries twice a second
    end=$(($(cut -d. -f1 /proc/uptime) + $1)); shift
    while ! "$@" >/dev/null 2>&1; do [ "$(cut -d. -f1 /proc/uptime)" -ge "$end" ] && return 1; sleep 0.5; done
}
expect() { # NAME SECONDS COMMAND...: whether it comes in time, else what is known
    name=$1; shift
    if until_s "$@"; then echo "CHECK ok $name"; else echo "CHECK FAIL $name: $(busbar why --workload web | tr '\n' '|') $(tail -5 /tmp/events | tr '\n' '|')"; fi
}
told() { grep -c "\"kind\":\"$1\"" /tmp/events; }
tells() { # KIND COUNT: so many events of a kind have come
    [ "$(told "$1")" -ge "$2" ]
}
has() { # NAME PATTERN FILE
    if grep -qE -- "$2" "$3"; then echo "CHECK ok $1"; else echo "CHECK FAIL $1: no '$2' in: $(tail -c 1500 "$3" | tr '\n' '|')"; fi
}
why() { busbar why --workload web -o json 2>/dev/null | tr -d ' \n'; }
windows() { why | sed -n 's/.*"windows":\([0-9]*\).*/\1/p'; }
knows() { # COUNT: so many windows and more
    [ "$(windows)" -ge "$1" ]
}
each() { # FIELD: its value in each act, in their order
    why | grep -o "\"$1\":[a-z_\"]*" | cut -d: -f2 | tr -d '"' | tr '\n' ' '
}
used() { # what batch uses in two seconds, in hundredths of a CPU
    from=$(sed -n 's/usage_usec //p' $BATCH/cpu.stat); began=$(uptime_ms); sleep 2
    to=$(sed -n 's/usage_usec //p' $BATCH/cpu.stat); ended=$(uptime_ms)
    echo $(((to - from) / 10 / (ended - began)))
}
allowed() { # where the threads of batch may run
    for pid in $(cat $BATCH/cgroup.procs); do sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/$pid/status 2>/dev/null; done | sort -u | tr '\n' ' '
}
is() { # FILE TEXT
    [ "$(cat "$1")" = "$2" ]
}
burns() { [ "$(used)" -ge 50 ]; }

configure '"cache", "cpu_max", "move", "freeze"'
start_agent || exit

# --- two that share all CPUs; web works two thirds of the time, on one of them, and batch waits for its time
cat >/tmp/web.sh <<'END'
spin() { n=0; while [ $n -lt "$1" ]; do n=$((n + 1)); done; }
begun=$(sed 's/\.//;s/ .*//' /proc/uptime); spin 20000; ended=$(sed 's/\.//;s/ .*//' /proc/uptime)
length=$((20000 * 20 / (ended - begun + 1))) # a fifth of a second
mkfifo /tmp/never; exec 8<>/tmp/never        # waiting for it costs no process, as sleep would
taskset -p 2 $$ >/dev/null
echo $length >/tmp/length
while :; do spin $length; read -r -t 0.1 _ <&8; done
END
cat >/tmp/batch.sh <<'END'
while :; do
    until [ -e /run/go ]; do sleep 0.2; done
    for n in 1 2 3 4 5 6 7 8; do while :; do :; done & all="$all $!"; done
    while [ -e /run/go ]; do sleep 0.2; done
    kill $all; all=; wait
done
END
busbar run --quiet --cpus 1 --priority 1 --name web -- sh /tmp/web.sh >/dev/null 2>&1 &
busbar run --quiet --cpus 4 --priority 9 --name batch -- sh /tmp/batch.sh >/dev/null 2>&1 &
both_run() { [ -n "$(cat $BATCH/cgroup.procs)" ] && [ -s /tmp/length ]; }
expect "both run" 60 both_run
usual_max=$(cat $BATCH/cpu.max); usual_cpus=$(cat $BATCH/cpuset.cpus.effective)
check "batch has what it asked for" "400000 100000 0-3" "$usual_max $usual_cpus"

# --- an agent records what is usual, and lays it down when it stops
expect "what is usual is recorded" 90 knows 4
check "nobody is judged by so little" "0 0" "$(told antagonist) $(told antagonist_held_back)"
stop_agent -TERM
has "the history is laid down" "^history web [^ ]+ pressure( 0\.[0-9]{5}){4,}$" $HISTORY
has "of this boot" "^boot $(cat /proc/sys/kernel/random/boot_id)$" $HISTORY
check "for nobody else to read" "-rw-------" "$(ls -l $HISTORY | cut -c1-10)"
# Ten minutes of it, as recorded: the same windows again and again.
awk '/^history web/ { line = $1 " " $2 " " $3 " " $4; for (n = 0; n < 60; n++) line = line " " $(5 + n % (NF - 4)); print line; next } { print }' $HISTORY >/tmp/history
cp /tmp/history $HISTORY
start_agent || exit
expect "an agent that starts again judges at once" 45 knows 61
expect "with what it sees itself beside that" 20 knows 62
check "no word of too little" "" "$(why | grep -o '"because":"[^"]*"')"
echo "MEASURED the usual pressure of the victim: $(busbar why --workload web | grep -o 'usually.*windows)')"
check "nobody suffers" "0" "$(told antagonist)"

# --- less CPU time helps
touch /run/go; burned=$(cut -d. -f1 /proc/uptime)
expect "who burns is held back" 75 tells antagonist_held_back 1
echo "MEASURED from the first burning to the act, in windows of ten seconds: $((($(cut -d. -f1 /proc/uptime) - burned) / 10))"
has "it is named with the numbers" "web suffers: pressure 0\.[0-9]+, usually at most 0\.[0-9]+; batch goes with it: " /tmp/events
check "cpu.max is a tenth of a CPU" "10000 100000" "$(cat $BATCH/cpu.max)"
rate=$(used); check "and batch uses no more" yes "$([ "$rate" -le 30 ] && echo yes || echo "$rate hundredths of a CPU")"
get /v1/workloads/web/interference >/tmp/out
has "the evidence is on the page: who, by what" '"antagonists":\[\{"id":"batch","resource":"cpu_time","score":0\.' /tmp/out
has "and which windows" '"evidence":\[(\{"at":"[^"]+","signal":(null|[0-9.e-]+),"used":[0-9.e-]+\},?){4,}' /tmp/out
expect "it is let go when its time is over" 45 is $BATCH/cpu.max "$usual_max"
expect "and that is told" 15 tells antagonist_act_over 1
has "with what came of it" "\(cpu_max\): web suffers no more" /tmp/events
check "it burns on" yes "$(burns && echo yes)"

# --- the same comes again with the trouble; but now the host's processes hurt, whatever is done to batch
expect "it is held back again" 75 tells antagonist_held_back 2
check "by CPU time, which helped" "10000 100000" "$(cat $BATCH/cpu.max)"
for cpu in 2 2; do while :; do :; done & taskset -p $cpu $! >/dev/null; host_pids="$host_pids $!"; done

expect "what did not help is followed by the next grade" 60 tells antagonist_held_back 3
check "CPU time is given back first" "$usual_max" "$(cat $BATCH/cpu.max)"
has "it is to run elsewhere" "batch runs away from web until" /tmp/events
check "on one NUMA node" "2-3" "$(cat $BATCH/cpuset.cpus.effective)"
check "all of its threads" "2-3 " "$(allowed)"

expect "then it stands still" 60 tells antagonist_held_back 4
check "its CPUs are given back first" "$usual_cpus" "$(cat $BATCH/cpuset.cpus.effective)"
check "cgroup.freeze" "1" "$(cat $BATCH/cgroup.freeze)"
has "the kernel says frozen" "^frozen 1" $BATCH/cgroup.events
check "nothing of it moves" "0" "$(used)"
get /v1/workloads >/tmp/out; has "the agent shows by what it is held" '"id":"batch".*"held":"freeze"' /tmp/out
expect "it goes on when its time is over" 60 is $BATCH/cgroup.freeze 0
expect "and that is told, too" 20 tells antagonist_act_over 4
check "it burns on again" yes "$(burns && echo yes)"
check "the acts, in their order" "cpu_max cpu_max move freeze " "$(each grade)"
check "all were done" "true true true true " "$(each done)"
check "and undone, with what came of it" "true false false false " "$(each helped)"
check "the last one that was named has all of it" 4 "$(why | grep -o '"undone":"' | wc -l)"

# --- resctrl is not here: its grade was allowed and was passed over, and nobody can be given a part of a cache
check "no resctrl on an emulated processor" "no" "$(mount -t resctrl resctrl /sys/fs/resctrl 2>/dev/null && echo yes || echo no)"
check "the grade cache was allowed and passed over" "0" "$(grep -c 'last-level cache' /tmp/events)"
busbar run --cpus 1 --exclusive --l3 25% -- true >/tmp/out 2>&1; check "a part of a cache is refused" 3 $?
has "with what would give it" "mount -t resctrl" /tmp/out

# --- killed while it stands still: the next agent lets it go
rm /run/go; kill $host_pids
check "the squeezed have room again" "400000 100000 0-3" "$(cat $BATCH/cpu.max $BATCH/cpuset.cpus.effective | tr '\n' ' ' | sed 's/ $//')"
stop_agent -TERM
configure '"freeze"'
start_agent || exit
known=$(sed -n 's/^history web [^ ]* [^ ]* //p' $HISTORY | wc -w)
expect "the third agent judges at once too" 60 knows $((known + 2))
touch /run/go
expect "who burns stands still at once where only that is allowed" 90 is $BATCH/cgroup.freeze 1
stop_agent -9
has "it stands in the ledger" '"still"|"Still"' /run/agent/ledger.json
check "and stands still as long as no agent runs" "0 1" "$(used) $(cat $BATCH/cgroup.freeze)"
has "what was usual lies there all the same" "^history web " $HISTORY
echo "no history" >$HISTORY
start_agent || exit
check "the next agent lets it go" "0" "$(cat $BATCH/cgroup.freeze)"
has "and says so" "held back no more: batch" /run/agent.err
check "it burns" yes "$(burns && echo yes)"
check "its limits are its own" "$usual_max $usual_cpus" "$(cat $BATCH/cpu.max) $(cat $BATCH/cpuset.cpus.effective)"
expect "a file that is no history is told with its line" 10 grep -q 'interference.history, line 1: ' /run/agent.err
check "and kept" "no history" "$(cat $HISTORY.bad)"

busbar stop web >/dev/null 2>&1; busbar stop batch >/dev/null 2>&1
stop_agent -TERM
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
check "nothing is left" "" "$(find $CG -mindepth 1 -maxdepth 1 -name 'busbar*')"
