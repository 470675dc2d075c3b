# Adoption where systemd is the first process: what it rules is refused with its own setting, and with --through-owner systemd itself (a
# scope, a service) or Podman (a container) writes what the agent decides: kept through kill -9, drift, ends, given back.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.
#: lasts 900
#: packages systemd dbus dbus-daemon dbus-system-bus-common libc-bin podman conmon crun
#: file tests/lab/guest/story.service etc/systemd/system/story.service
#: file agent/deploy/busbar-agent.service etc/systemd/system/busbar-agent.service
#: file agent/deploy/enforce.conf etc/systemd/system/busbar-agent.service.d/enforce.conf
. /words

CG=/sys/fs/cgroup
SCOPE=$CG/system.slice/build.scope
export BUSBAR_AGENT=/run/agent.sock HOME=/root
ldconfig
mkdir -p /etc/containers /var/tmp /dev/shm /run/rootfs/bin /run/rootfs/proc /run/rootfs/dev /run/rootfs/sys /run/rootfs/etc /run/rootfs/run /run/rootfs/tmp
mount -t tmpfs shm /dev/shm
cp /bin/busybox /run/rootfs/bin/busybox && ln -s busybox /run/rootfs/bin/sleep
printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >/etc/containers/policy.json
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' >/etc/containers/storage.conf
printf '[engine]\nruntime = "crun"\ncgroup_manager = "systemd"\nevents_logger = "file"\n' >/etc/containers/containers.conf
config() { # MODE
    printf '[agent]\nname = "guest"\nmode = "%s"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' "$1" >/run/agent.toml
}
offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
start_agent() {
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
    wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
}
die() { kill -9 $agent; wait $agent 2>/dev/null; }
on() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }
is_on() { [ "$(on "$1")" = "$2" ]; }
in_group() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
allows() { systemctl show --property AllowedCPUs --value "$1"; }
has() { # NAME PATTERN FILE
    grep -qE -- "$2" "$3" && echo "CHECK ok $1" || echo "CHECK FAIL $1: no '$2' in: $(tr '\n' '|' <"$3")"
}
knows() { grep -q "\"id\": \"$1\"" /run/agent/ledger.json; }
forgot() { ! knows "$1"; }
scope() { # a scope of systemd with somebody in it
    systemd-run --scope --quiet --collect --unit=build.scope sleep 100000 &
    wait_for grep -q . $SCOPE/cgroup.procs || echo "CHECK FAIL a scope begins"
    pid=$(head -1 $SCOPE/cgroup.procs)
}
config enforce
start_agent

# --- a scope is systemd's
check "systemd is the first process" systemd "$(cat /proc/1/comm)"
scope
busbar adopt --unit build.scope --cpus 1 --exclusive >/tmp/told 2>&1; check "a scope is refused" 3 $?
has "with its owner and its setting" 'systemd \(build.scope\).*systemctl set-property --runtime build.scope AllowedCPUs=[0-9]' /tmp/told
has "and with what has systemd do it" 'busbar adopt --unit build.scope --through-owner' /tmp/told
busbar adopt --pid "$pid" --cpus 1 --exclusive --through-owner >/tmp/told 2>&1; check "one process of it is no unit" 3 $?
busbar adopt --unit build.scope --cpus 1 --exclusive --name build --through-owner --dry-run >/tmp/told 2>&1
has "a dry run says what would be asked" 'have systemd \(build.scope\) write CPUs' /tmp/told
check "and asks for nothing" "" "$(allows build.scope)"

# --- and is written by systemd
busbar adopt --unit build.scope --cpus 1 --exclusive --memory 128M --name build --through-owner >/tmp/told 2>&1
check "systemd is asked" 0 $?
cpu=$(sed -n 's/^adopted: build on CPUs \([0-9]*\):.*/\1/p' /tmp/told)
check "its process may run there alone" "$cpu" "$(on "$pid")"
check "systemd itself says so" "$cpu" "$(allows build.scope)"
check "its memory is bound too" 134217728 "$(cat $SCOPE/memory.max)"
check "it is in the cgroup that it was in" /system.slice/build.scope "$(in_group "$pid")"
check "nobody makes a cgroup of Busbar for it" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
busbar verify build --for 1s >/tmp/proof 2>&1
has "the proof reads it back and says what it is worth" 'systemd.*, who makes no partitions' /tmp/proof
busbar freeze build >/tmp/told 2>&1; has "what only its owner may do is refused" 'systemctl stop build.scope' /tmp/told
busbar run --cpus 1 --exclusive --name own -- sleep 100000 >/tmp/said 2>&1 & own=$!
wait_for grep -q . $CG/busbar/own/cgroup.procs
check "another one gets another CPU" other "$([ "$(cat $CG/busbar/own/cpuset.cpus)" != "$cpu" ] && echo other)"
kill $own; wait $own 2>/dev/null

# --- somebody changes it
systemctl set-property --runtime build.scope AllowedCPUs=0-3
wait_for is_on "$pid" "$cpu"; check "another's setting does not last" "$cpu" "$(on "$pid")"
wait_for grep -q 'told again' /run/agent.err; has "and is told" 'somebody changed what systemd \(build.scope\) had set' /run/agent.err

# --- the agent dies
die
check "without an agent it stays" "$cpu" "$(on "$pid")"
start_agent
get /v1/workloads >/tmp/all
has "the next one knows it" '"id":"build".*"container":"systemd build.scope"' /tmp/all
systemctl set-property --runtime build.scope AllowedCPUs=0-3
wait_for is_on "$pid" "$cpu"; check "and keeps it so" "$cpu" "$(on "$pid")"

# --- it goes back, and ends
holds "it is given back" busbar unadopt build
wait_for is_on "$pid" 0-3; check "it may run everywhere again" 0-3 "$(on "$pid")"
check "systemd has what it had before" ":infinity" "$(allows build.scope):$(systemctl show --property MemoryMax --value build.scope)"
check "the ledger has not" 1 "$(knows build; echo $?)"
holds "once more" busbar adopt --unit build.scope --cpus 1 --exclusive --name build --through-owner
systemctl stop build.scope
wait_for forgot build; check "its end gives the CPU back" 1 "$(knows build; echo $?)"
systemd-run --quiet --unit=web.service -p AllowedCPUs=0-2 sleep 100000
holds "a service is asked for too" busbar adopt --unit web.service --cpus 1 --exclusive --name web --through-owner
holds "and given back" busbar unadopt web
check "with what it had" 0-2 "$(allows web.service)"
systemctl stop web.service

# --- a container of Podman
systemctl start podman.socket || echo "CHECK FAIL Podman's socket: $(systemctl status podman.socket | tail -3)"
podman run --detach --name box --network none --rootfs /run/rootfs sleep 100000 >/tmp/id 2>/tmp/told || echo "CHECK FAIL a container: $(cat /tmp/told)"
id=$(cat /tmp/id); inside=$(podman inspect --format '{{.State.Pid}}' box)
busbar adopt --container "$id" --cpus 1 --exclusive --name box >/tmp/told 2>&1; check "a container is refused" 3 $?
has "with its owner and its setting" "Podman \(container $id\).*podman update --cpuset-cpus=[0-9]" /tmp/told
group=$(in_group "$inside")
busbar adopt --container "$id" --cpus 1 --exclusive --name box --through-owner >/tmp/told 2>&1
check "Podman is asked" 0 $?
cpu=$(sed -n 's/^adopted: box on CPUs \([0-9]*\):.*/\1/p' /tmp/told)
[ -n "$cpu" ] || cat /tmp/told
check "its process may run there alone" "$cpu" "$(on "$inside")"
check "it is in the cgroup that it was in" "$group" "$(in_group "$inside")"
podman update --cpuset-cpus 0-3 box >/tmp/said 2>&1
wait_for is_on "$inside" "$cpu"; check "another's update does not last" "$cpu" "$(on "$inside")"
die
check "without an agent it stays" "$cpu" "$(on "$inside")"
start_agent
holds "the next one gives it back" busbar unadopt box
wait_for is_on "$inside" 0-3; check "it may run everywhere again" 0-3 "$(on "$inside")"
holds "once more" busbar adopt --container "$id" --cpus 1 --exclusive --name box --through-owner
podman stop --time 0 box >/tmp/said 2>&1
wait_for forgot box; check "its end gives the CPU back" 1 "$(knows box; echo $?)"
systemctl stop podman.socket podman.service 2>/dev/null

# --- modes, and leaving
scope
holds "a scope is adopted" busbar adopt --unit build.scope --cpus 1 --exclusive --name build --through-owner
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
wait_for is_on "$pid" 0-3; check "and gives back what systemd had" ":0-3" "$(allows build.scope):$(on "$pid")"
config observe
start_agent
busbar adopt --unit build.scope --cpus 1 --exclusive --through-owner >/tmp/told 2>&1; check "in observe it is refused" 3 $?
has "and says what it would have written" 'in observe' /tmp/told
check "and asks for nothing" "" "$(allows build.scope)"
kill $agent; wait $agent

# --- the agent as the unit that is packaged, with what that may
mkdir -p /etc/busbar
config enforce && sed 's#/run/agent.sock#/run/busbar/agent.sock#; /^state_dir/d' /run/agent.toml >/etc/busbar/agent.toml
export BUSBAR_AGENT=/run/busbar/agent.sock
holds "the agent starts as a unit of systemd" systemctl start busbar-agent
wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
holds "systemd takes its orders" busbar adopt --unit build.scope --cpus 1 --exclusive --name build --through-owner
check "and writes" "$(allows build.scope)" "$(on "$pid")"
holds "which is given back" busbar unadopt build
check "as it was" ":0-3" "$(allows build.scope):$(on "$pid")"
holds "the agent ends in order" systemctl stop busbar-agent
