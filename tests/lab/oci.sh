# A container on a real v2 kernel: crun makes its cgroup below the workload's partition, its own limits hold within the grant, who
# burns in it is the holder, a container whose `busbar` was killed is still kept, and nothing is left of it.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.
#: programs crun

# A container takes another root filesystem, and the kernel does not let the first of all go: this story runs in the second one.
if [ ! -e /second ]; then
    mkdir /root2 && mount -t tmpfs root2 /root2 && mkdir -p /root2/tmp /root2/root /root2/proc /root2/sys /root2/dev /root2/run
    for name in bin lib lib64 usr etc words story; do [ -e "/$name" ] && cp -a "/$name" /root2/; done
    touch /root2/second
    for name in proc sys dev run; do mount --move "/$name" "/root2/$name"; done
    cd /root2 && mount --move . / && exec chroot . /bin/sh /story
fi
. /words

CG=/sys/fs/cgroup
WEB=$CG/busbar/web
export BUSBAR_AGENT=/run/agent.sock
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
start_agent() {
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
    wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
}
offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
bundle() { # NAME WORDS as JSON: a bundle with busybox in it
    mkdir -p "/run/$1/rootfs/bin" "/run/$1/rootfs/proc" "/run/$1/rootfs/dev" "/run/$1/rootfs/sys"
    cp /bin/busybox "/run/$1/rootfs/bin/busybox"
    for program in sh cat grep sleep; do ln -sf busybox "/run/$1/rootfs/bin/$program"; done
    cat >"/run/$1/config.json" <<END
{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":$2,"cwd":"/","env":["PATH=/bin"]},
 "root":{"path":"rootfs","readonly":true},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
 "linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}],
  "resources":{"devices":[{"allow":false,"access":"rwm"}],"pids":{"limit":7},"memory":{"limit":33554432},"cpu":{"cpus":"0-3"}}}}
END
}
has() { # NAME PATTERN FILE
    grep -qE -- "$2" "$3" && echo "CHECK ok $1" || echo "CHECK FAIL $1: no '$2' in: $(tr '\n' '|' <"$3")"
}
start_agent

# --- one container from its begin to its end
bundle short '["/bin/sh","-c","cat /proc/self/cgroup; grep _allowed_list /proc/self/status; exit 7"]'
before=$(cat /run/short/config.json)
busbar run --cpus 1 --exclusive --memory 64M --name web --oci /run/short >/tmp/said 2>/tmp/told; code=$?
check "the container's exit status is passed on" 7 $code
cpu=$(sed -n 's/.*runs on CPU \([0-9]*\).*/\1/p' /tmp/told)
has "its cgroup is below the workload's" '^0::/busbar/web/container$' /tmp/said
has "it may run on the granted CPU only" "^Cpus_allowed_list:[[:space:]]*$cpu\$" /tmp/said
has "what its bundle asked beyond the grant is told" 'linux.resources.cpu.cpus is .* and not 0-3' /tmp/told
check "the bundle is as it was" "$before" "$(cat /run/short/config.json)"
check "nothing is left of it" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null; ls /run/oci 2>/dev/null; crun list -q)"

# --- one that stays
bundle long '["/bin/sleep","10000"]'
busbar run --cpus 1 --exclusive --memory 64M --name web --oci /run/long >/tmp/said 2>/tmp/told & web=$!
wait_for grep -q . $WEB/container/cgroup.procs || cat /tmp/told
check "the workload has a partition" root "$(cat $WEB/cpuset.cpus.partition)"
cpu=$(cat $WEB/cpuset.cpus)
check "the container's own cpuset agrees with it" "$cpu" "$(cat $WEB/container/cpuset.cpus)"
check "the grant's memory limit holds" 67108864 "$(cat $WEB/memory.max)"
check "the bundle's smaller one holds within" 33554432 "$(cat $WEB/container/memory.max)"
check "the bundle's other limits hold" 7 "$(cat $WEB/container/pids.max)"
wait_for grep -q sleep "/proc/$(head -1 $WEB/container/cgroup.procs)/comm"
busbar verify web --for 2s >/tmp/proof 2>&1; check "nobody else is on its CPU" 0 $?
has "the proof sees who is there" '^proven' /tmp/proof

# --- the agent and busbar die; the container stays, and ends in order
inside=$(head -1 $WEB/container/cgroup.procs)
kill -9 $agent $web; wait $agent $web 2>/dev/null
start_agent
check "the container lives on" 0 "$(kill -0 "$inside"; echo $?)"
check "its partition stands" "root $cpu" "$(cat $WEB/cpuset.cpus.partition) $(cat $WEB/container/cpuset.cpus)"
busbar stop web --grace 1s >/tmp/stopped 2>&1; check "it is stopped" 0 $?
check "no cgroup is left" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
check "the CPUs are back" "0-3" "$(cat $CG/cpuset.cpus.effective)"

# --- shared CPUs
busbar run --cpus 1 --name web --oci /run/short >/tmp/said 2>/tmp/told; check "a container may share CPUs" 7 $?
has "and follows the cgroup above" '^Cpus_allowed_list:[[:space:]]*0-3$' /tmp/said
mv /bin/crun /bin/crun-away
busbar run --cpus 1 --oci /run/short >/tmp/said 2>/tmp/told; check "without a runtime it is refused" 3 $?
has "and the package is named" 'install the package crun' /tmp/told
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
