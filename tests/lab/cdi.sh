# What the agent writes for containers of a GPU that it granted (CDI) is taken by a real runtime, Podman with crun: the device is in the
# container and opens, one that was not granted does not, and with the workload the name goes. QEMU's display devices stand for GPUs.
# Prints `CHECK ok NAME` or `CHECK FAIL NAME: what came` for each check. The guest has CPUs 0-3 on two NUMA nodes.
#: lasts 600
#: modules bochs
#: qemu -device bochs-display,addr=0x10 -device bochs-display,addr=0x11
#: packages podman conmon crun

# A container takes another root filesystem, and the kernel does not let the first of all go: this story runs in the second one.
if [ ! -e /second ]; then
    mkdir /root2 && mount -t tmpfs -o size=90% root2 /root2
    for name in bin sbin lib lib64 usr etc words story; do [ -e "/$name" ] && cp -a "/$name" /root2/; done
    mkdir -p /root2/tmp /root2/root /root2/proc /root2/sys /root2/dev /root2/run /root2/var/lib
    ln -s ../run /root2/var/run
    rm -f /bin/podman /usr/bin/podman
    touch /root2/second
    for name in proc sys dev run; do mount --move "/$name" "/root2/$name"; done
    cd /root2 && mount --move . / && exec chroot . /bin/sh /story
fi
. /words

CG=/sys/fs/cgroup
DIR=/var/run/cdi
export BUSBAR_AGENT=/run/agent.sock HOME=/root
printf 'root:x:0:0:root:/root:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\n' >/etc/group
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
mkdir -p /etc/containers && printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >/etc/containers/policy.json
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n[reserved]\ncpus = "0"\n' >/run/agent.toml
has() { # NAME PATTERN FILE
    grep -qE -- "$2" "$3" && echo "CHECK ok $1" || echo "CHECK FAIL $1: no '$2' in: $(tr '\n' '|' <"$3")"
}
node() { # PCI ADDRESS: its DRM node
    echo "/dev/dri/$(ls "/sys/bus/pci/devices/$1/drm" | grep card)"
}
contain() { # OPTIONS... -- COMMAND...: runs a command in a container of busybox
    options=
    while [ "$1" != -- ]; do options="$options $1"; shift; done
    shift
    # shellcheck disable=SC2086
    podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime crun \
        run --rm --network none $options --rootfs /run/rootfs "$@"
}

# --- two GPUs: the kernel's devices are QEMU's, their maker's number is made up, because one of QEMU's is a console to the agent
wait_for test -e "$(node 0000:00:11.0)"
echo 0x1002 >/run/vendor
for gpu in 10 11; do mount --bind /run/vendor "$(readlink -f /sys/bus/pci/devices/0000:00:$gpu.0)/vendor"; done
mkdir -p /run/rootfs/bin /run/rootfs/proc /run/rootfs/dev /run/rootfs/sys /run/rootfs/tmp /run/rootfs/etc /run/rootfs/run
cp /bin/busybox /run/rootfs/bin/busybox
for program in sh cat ls env mknod stat; do ln -sf busybox "/run/rootfs/bin/$program"; done
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
agent=$!
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
offers() { busbar run --cpus 1 --gpus 2 --dry-run -- true >/tmp/offer 2>&1; }
wait_for offers; check "the agent has two GPUs to give" 0 "$(offers; echo $?)"

# --- one is granted, and a container gets it by the workload's name
busbar run --cpus 1 --gpus 1 --name one -- sleep 10000 >/tmp/one 2>&1 &
wait_for test -s $DIR/busbar-one.json || echo "CHECK FAIL one GPU is granted: $(cat /tmp/one)"
first=$(grep -o '/dev/dri/card[0-9]*' $DIR/busbar-one.json)
check "the specification has one device, a display's" 1 "$(for gpu in 10 11; do node 0000:00:$gpu.0; done | grep -cx "$first")"
second=$(for gpu in 10 11; do node 0000:00:$gpu.0; done | grep -vx "$first")
contain --device busbar/workload=one -- sh -c "ls /dev/dri; env; exec 3<$first && echo opened" >/tmp/said 2>&1
has "Podman takes the specification, and the device opens in the container" '^opened$' /tmp/said
has "the container is told which GPU" '^BUSBAR_GPUS=' /tmp/said
check "and has no other" "$(basename "$first")" "$(grep -E '^(card|render)' /tmp/said | tr '\n' ' ' | sed 's/ $//')"
contain -- sh -c "ls /dev/dri" >/tmp/said 2>&1; check "a container that names none has none" 1 $?
number=$(printf '%d %d' "0x$(stat -c %t "$second")" "0x$(stat -c %T "$second")")
contain --cap-add mknod --device busbar/workload=one -- sh -c "mknod /tmp/other c $number; exec 3</tmp/other" >/tmp/said 2>&1
has "the other GPU does not open in it, whatever its number is called" 'not permitted' /tmp/said

# --- two workloads, each with its own
busbar run --cpus 1 --gpus 1 --name 2nd -- sleep 10000 >/tmp/two 2>&1 &
wait_for test -s $DIR/busbar-2nd.json || echo "CHECK FAIL the second GPU is granted: $(cat /tmp/two)"
contain --device busbar/workload=2nd -- sh -c "ls /dev/dri; exec 3<$second && echo opened" >/tmp/said 2>&1
has "a name that begins with a digit is taken too" '^opened$' /tmp/said
check "each has its own" "$(basename "$second")" "$(grep -E '^(card|render)' /tmp/said | tr '\n' ' ' | sed 's/ $//')"

# --- a container in the workload's own cgroup has its CPUs, and the agent's rules hold against whatever the runtime allows
busbar stop 2nd >/dev/null 2>&1
gone() { [ ! -e $DIR/busbar-2nd.json ]; }
wait_for gone; check "with the workload its specification goes" "" "$(ls $DIR | grep 2nd)"
contain --device busbar/workload=2nd -- true >/tmp/said 2>&1; code=$?
check "and Podman refuses" "refused" "$([ $code -ne 0 ] && echo refused)"
has "by name" 'busbar/workload=2nd' /tmp/said
cat >/run/within <<END
podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime crun \
    run --rm --network none --cgroups disabled --device busbar/workload=own --volume $first:/tmp/other --rootfs /run/rootfs \
    sh -c 'cat /proc/self/status; exec 3<$second && echo opened; (exec 3</tmp/other) 2>&1' 2>&1
END
busbar run --cpus 1 --exclusive --gpus 1 --name own -- sh /run/within >/tmp/said 2>/tmp/told
has "a container without a cgroup of its own runs in the workload's and opens its GPU" '^opened$' /tmp/said
cpu=$(sed -n 's/.*on CPU \([0-9]*\) alone.*/\1/p' /tmp/told)
has "on its CPU" "^Cpus_allowed_list:[[:space:]]*$cpu\$" /tmp/said
has "and what another workload holds does not open, though its file is mounted there" 'not permitted' /tmp/said

# --- the end
busbar stop one >/dev/null 2>&1
kill $agent; wait $agent
holds "leave ends in order" busbar-agent leave --state-dir /run/agent
check "no specification is left" "" "$(ls $DIR 2>/dev/null)"
check "no cgroup of Busbar is left" "" "$(find $CG/busbar* -mindepth 1 -type d 2>/dev/null)"
