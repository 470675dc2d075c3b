# From the ask to the running command on a CPU of its own: `busbar run` beside `systemd-run --scope -p AllowedCPUs=` and `crun run`, in
# turns, in one machine whose first process is systemd. Its clock is the emulator's: what is worth something is how they compare.
#: measured
#: packages systemd dbus dbus-daemon dbus-system-bus-common crun libc-bin
#: file tests/lab/guest/story.service etc/systemd/system/story.service
#: file agent/deploy/busbar-agent.service etc/systemd/system/busbar-agent.service
#: file agent/deploy/enforce.conf etc/systemd/system/busbar-agent.service.d/enforce.conf
. /words

TURNS=40
CPU=3
CG=/sys/fs/cgroup
export BUSBAR_AGENT=/run/busbar/agent.sock
mkdir -p /etc/busbar
cat >/etc/busbar/agent.toml <<END
[agent]
name = "guest"
mode = "enforce"
[reserved]
cpus = "0"
END
offers() { busbar run --cpus 1 --dry-run -- true >/tmp/offer 2>&1; }
bundle() { # WORDS as JSON: the least that crun takes, with busybox in it
    mkdir -p /run/bundle/rootfs/bin /run/bundle/rootfs/proc /run/bundle/rootfs/dev
    cp -L /bin/busybox /run/bundle/rootfs/bin/
    ln -sf busybox /run/bundle/rootfs/bin/grep
    cat >/run/bundle/config.json <<END
{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":$1,"cwd":"/","env":["PATH=/bin"]},
 "root":{"path":"rootfs","readonly":true},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
 "linux":{"cgroupsPath":"/peer","namespaces":[{"type":"mount"}],"resources":{"cpu":{"cpus":"$CPU"}}}}
END
}
scope() { systemd-run --scope --quiet --collect -p "AllowedCPUs=$CPU" "$@"; }
allowed() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p'; }

# As any installed system does: without it the loader looks for libraries in folder after folder, for whoever has many.
/sbin/ldconfig

# --- each gives its command one CPU
check "systemd is the first process" systemd "$(cat /proc/1/comm)"
holds "the agent starts as a unit of systemd" systemctl start busbar-agent
wait_for offers || echo "CHECK FAIL the topology arrives: $(cat /tmp/offer)"
busbar run --cpus 1 --exclusive -- sh -c 'cat /proc/self/status; cat /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup)/cpuset.cpus.partition' >/tmp/own 2>/tmp/told
own=$(allowed </tmp/own)
check "busbar run gives a CPU alone" "root on CPU $own" "$(tail -1 /tmp/own) $(sed -n 's/.*runs \(on CPU [0-9]*\) alone.*/\1/p' /tmp/told)"
check "systemd-run gives CPU $CPU" $CPU "$(scope cat /proc/self/status 2>&1 | allowed)"
bundle '["grep","Cpus_allowed_list","/proc/self/status"]'
check "crun gives CPU $CPU" $CPU "$(crun run --bundle /run/bundle peer 2>&1 | allowed)"

# --- how soon
# The emulator keeps what it has translated by address: with random ones it translates every program anew at each start, which takes
# longer than all that is compared here. No processor does that, so addresses are fixed, for all three alike.
echo 0 >/proc/sys/kernel/randomize_va_space
# What they start says one word and needs no library, so that little of what is measured is its own.
bundle '["busybox","echo","runs"]'
house prove-turns $TURNS <<END
busbar: busbar run --quiet --cpus 1 --exclusive -- busybox echo runs
systemd-run: systemd-run --scope --quiet --collect -p AllowedCPUs=$CPU busybox echo runs
crun: crun run --bundle /run/bundle turn-@
END
check "all turns were made" 0 $?
check "nothing is left of them" "" "$(find $CG/busbar* $CG/peer $CG/system.slice -mindepth 1 -name '*.scope' -o -name peer -type d 2>/dev/null; crun list -q)"
holds "the agent ends in order" systemctl stop busbar-agent
