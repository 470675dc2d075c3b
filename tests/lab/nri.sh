# The agent as a plugin of a real container runtime (NRI): containerd, asked for pods as a kubelet asks (CRI), runc, cgroup v2. The runtime
# writes what the agent answers; refusals, ends, restarts of both, and changes by others.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.
#: lasts 1200
#: programs containerd containerd-shim-runc-v2 ctr runc
#: examples cri

# A container takes another root filesystem, and the kernel does not let the first of all go: this story runs in the second one.
if [ ! -e /second ]; then
    mkdir /root2 && mount -t tmpfs -o size=90% root2 /root2 && mkdir -p /root2/tmp /root2/root /root2/proc /root2/sys /root2/dev /root2/run
    for name in bin lib lib64 usr etc words story; do [ -e "/$name" ] && cp -a "/$name" /root2/; done
    rm -f /bin/containerd* /bin/ctr
    touch /root2/second
    for name in proc sys dev run; do mount --move "/$name" "/root2/$name"; done
    cd /root2 && mount --move . / && exec chroot . /bin/sh /story
fi
. /words

CG=/sys/fs/cgroup
PODS=$CG/kubepods
SOCK=/run/containerd.sock
IMAGE=localhost/bb:1
EXCLUSIVE="busbar.dev/cpus=1 busbar.dev/exclusive=true"
export BUSBAR_AGENT=/run/agent.sock
mkdir -p /var/lib /run/nri /etc/cni/net.d /opt/cni/bin
printf 'root:x:0:0:root:/root:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\n' >/etc/group
printf 'nameserver 127.0.0.1\n' >/etc/resolv.conf
touch /etc/hosts; hostname guest; hostname >/etc/hostname
cat >/run/containerd.toml <<END
version = 2
root = "/run/c/root"
state = "/run/c/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
 "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.blockfile"]
[grpc]
address = "$SOCK"
[timeouts]
# Beyond these a containerd that starts again takes a container for dead and ends it: an emulated machine is slow.
"io.containerd.timeout.shim.load" = "60s"
"io.containerd.timeout.shim.cleanup" = "60s"
"io.containerd.timeout.task.state" = "60s"
[plugins."io.containerd.nri.v1.nri"]
disable = false
socket_path = "/run/nri/nri.sock"
plugin_path = "/run/nri/plugins"
plugin_config_path = "/run/nri/conf.d"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$IMAGE"
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
END
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n[nri]\nsocket = "/run/nri/nri.sock"\n' >/run/agent.toml

offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
is_met() { [ "$(grep -c 'has told of its containers' /run/agent.err)" -gt "$1" ]; }
start_agent() {
    : >/run/agent.err
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
    agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
    wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
    wait_for is_met 0 || echo "CHECK FAIL the runtime takes the plugin: $(tail -3 /run/agent.err) $(tail -3 /run/containerd.err)"
}
start_containerd() {
    containerd --config /run/containerd.toml >/run/containerd.out 2>/run/containerd.err &
    containerd=$!
    wait_for ctr -a $SOCK version || echo "CHECK FAIL containerd starts: $(tail -3 /run/containerd.err)"
}
cri() { /bin/cri $SOCK "$@"; }
pod() { # NAME [KEY=VALUE...]: a pod
    made=$(cri pod "$@" 2>/tmp/told) || echo "CHECK FAIL the pod $1: $(cat /tmp/told)"
    echo "$made" >"/run/pod-$1"
}
app() { # NAME: a container of that pod, which stays
    cri create "$(cat "/run/pod-$1")" "$1" app $IMAGE /bin/sleep 100000 2>/tmp/told
}
cpus() { cat "$PODS/$1/cpuset.cpus"; }
has_cpus() { [ "$(cpus "$1")" = "$2" ]; }
has() { # NAME PATTERN FILE
    grep -qE -- "$2" "$3" && echo "CHECK ok $1" || echo "CHECK FAIL $1: no '$2' in: $(tr '\n' '|' <"$3")"
}
named() { sed -n "s/.*\"id\": \"\\($1[a-z0-9-]*\\)\".*/\\1/p" /run/agent/ledger.json | head -1; } # what a pod's container is called

# --- an image with busybox in it, as `docker save` writes one
mkdir -p /run/img/rootfs/bin && cp /bin/busybox /run/img/rootfs/bin/ && ln -s busybox /run/img/rootfs/bin/sleep
tar -cf /run/img/layer.tar -C /run/img/rootfs . && rm -r /run/img/rootfs
digest=$(sha256sum /run/img/layer.tar | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sleep","1000000"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$digest" >/run/img/config.json
printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' $IMAGE >/run/img/manifest.json
tar -cf /run/img.tar -C /run/img manifest.json config.json layer.tar && rm -r /run/img
start_containerd
holds "the image is there" ctr -a $SOCK -n k8s.io images import --snapshotter native /run/img.tar
start_agent

# --- one container with a CPU of its own
# shellcheck disable=SC2086
pod web $EXCLUSIVE
app=$(app web) || echo "CHECK FAIL a container: $(cat /tmp/told)"
grep -q "\"id\": \"$app\"" /run/agent/ledger.json && [ ! -d "$PODS/web/$app" ]
check "it stands in the ledger before its cgroup is there" 0 $?
holds "it starts" cri start "$app"
check "runc has written what the agent answered" 1 "$(cpus "web/$app")"
pid=$(head -1 "$PODS/web/$app/cgroup.procs")
check "its process may run there alone" 1 "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/status")"
check "nobody makes a cgroup of Busbar for it" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
web=$(named web-app)
busbar verify "$web" --for 1s >/tmp/proof 2>&1
has "the proof reads its cgroup" "read back: .*cpuset.cpus says 1\$" /tmp/proof
grep -q "sleep.*kubepods/web/$app" /tmp/proof; check "the proof takes it for no intruder" 1 $?
busbar run --cpus 1 --exclusive --name own -- sleep 100000 >/tmp/said 2>&1 & own=$!
wait_for grep -q . $CG/busbar/own/cgroup.procs
check "another one gets another CPU" 2 "$(cat $CG/busbar/own/cpuset.cpus)"

# --- who shares follows
pod batch busbar.dev/cpus=1
job=$(app batch)
holds "a container that shares starts" cri start "$job"
check "it has what is left" "0,3" "$(cpus "batch/$job")"
check "and the time of as many CPUs as it asked for" "100000 100000" "$(cat "$PODS/batch/$job/cpu.max")"
# shellcheck disable=SC2086
pod more $EXCLUSIVE; second=$(app more)
check "as the next one is created it is off the CPU already" 0 "$(cpus "batch/$job")"
holds "the next one starts" cri start "$second"
check "on that CPU" 3 "$(cpus "more/$second")"

# --- what cannot be
# shellcheck disable=SC2086
pod none $EXCLUSIVE
app none >/tmp/said; check "a container without a place is refused" 1 $?
has "with the reason" 'busbar: .*CPU' /tmp/told
pod typo busbar.dev/cpu=1
app typo >/tmp/said; has "an annotation that is none is named" 'busbar.dev/cpu is none of' /tmp/told
mkdir -p /var/lib/kubelet && echo '{"policyName":"static"}' >/var/lib/kubelet/cpu_manager_state
kill $own; wait $own 2>/dev/null; wait_for test ! -d $CG/busbar/own
app none >/tmp/said; has "the kubelet's static CPU manager is named with what yields" 'cpuManagerPolicy: none' /tmp/told
rm -r /var/lib/kubelet
busbar freeze "$web" >/tmp/told 2>&1; has "what only its runtime may do is refused" "crictl stop $app" /tmp/told

# --- changes by others
wait_for has_cpus "batch/$job" "0,2" && echo "CHECK ok the CPU that came free is the sharer's" || echo "CHECK FAIL the sharer has $(cpus "batch/$job")"
holds "a kubelet asks for other CPUs" cri update "$app" 0-3
check "and it keeps what it was given" 1 "$(cpus "web/$app")"
echo 0-3 >"$PODS/web/$app/cpuset.cpus"
wait_for has_cpus "web/$app" 1; check "a foreign write is put right by the runtime" 1 "$(cpus "web/$app")"

# --- the agent dies
kill -9 $agent; wait $agent 2>/dev/null
# shellcheck disable=SC2086
pod late $EXCLUSIVE; third=$(app late)
holds "without an agent containers start as ever" cri start "$third"
check "and nobody places them" "" "$(cpus "late/$third")"
cri stop "$second" >/dev/null
start_agent
check "the next agent leaves a container where it was" 1 "$(cpus "web/$app")"
check "its process is the same" "$pid" "$(head -1 "$PODS/web/$app/cgroup.procs")"
wait_for has_cpus "late/$third" 2; check "who came meanwhile is placed" 2 "$(cpus "late/$third")"
wait_for has_cpus "batch/$job" "0,3"; check "who ended meanwhile has given back" "0,3" "$(cpus "batch/$job")"

# --- the runtime dies
kill -9 $containerd; wait $containerd 2>/dev/null
start_containerd
wait_for is_met 1 || echo "CHECK FAIL the next runtime takes the plugin: $(tail -3 /run/agent.err)"
check "everybody is where they were" "1 2 0,3" "$(cpus "web/$app") $(cpus "late/$third") $(cpus "batch/$job")"

# --- ends
kill -9 "$(head -1 "$PODS/late/$third/cgroup.procs")"
wait_for has_cpus "batch/$job" "0,2-3"; check "who dies gives its CPU back" "0,2-3" "$(cpus "batch/$job")"
holds "a kubelet stops one" cri stop "$app"
wait_for has_cpus "batch/$job" "0-3"; check "and its CPU is free" "0-3" "$(cpus "batch/$job")"
holds "a pod ends" cri end "$(cat /run/pod-batch)"
free() { ! grep -q '"container"' /run/agent/ledger.json; }
wait_for free; check "nothing is left in the ledger" 0 "$(grep -c '"container"' /run/agent/ledger.json)"
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
kill $containerd
