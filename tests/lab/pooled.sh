# Pooled drives by order of a rack, through the real agent, which is target and initiator here: lent, taken into use, a writer that never
# stops and is shut out, late orders, kill -9 in between, a drive that is pulled under load and comes back. The network is the loopback.
#: modules nvme nvmet nvmet-tcp nvme-tcp configfs
#: qemu -device pcie-root-port,id=rp1,chassis=1,slot=1 -device pcie-root-port,id=rp2,chassis=2,slot=2
#: qemu -drive if=none,id=d1,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1,bus=rp1
#: qemu -drive if=none,id=d2,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv2,serial=SN-2,drive=d2,bus=rp2
#: qemu -drive if=none,id=d3,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: lasts 600
. /words

nvmet=/sys/kernel/config/nvmet
[ -d $nvmet ] || mount -t configfs none /sys/kernel/config
[ -d $nvmet ] || { echo "CHECK SKIP pooled drives: this kernel has no nvmet"; exit; }
ip link set lo up 2>/dev/null
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
wait_for namespace SN-1; wait_for namespace SN-2
one=$(namespace SN-1)
wait_for test -b "/dev/$one"
model=$(sed 's/ *$//' "/sys/class/block/$one/device/model")

mkfifo /tmp/ask
token=0123456789abcdef0123456789abcdef0123456789abcdef
mkdir -p /run/rack; echo $token >/run/rack/token; chmod 600 /run/rack/token
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\nrack_token_file = "/run/rack/token"\n[reserved]\ncpus = "0"\n[pooled_drives]\nlend = ["serial:SN-1", "serial:SN-2"]\n' >/run/agent.toml
begin() { busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err & agent=$!; }
begin
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }

view() { get /v1/drives >/tmp/view; }
of() { # SERIAL FIELD: a number or a text of a drive that is lent
    grep -o "\"serial\":\"$1\"}.*" /tmp/view | sed 's/^[^}]*}//' | grep -o "\"$2\":[^,}]*" | head -1 | cut -d: -f2- | tr -d '"'
}
hosts() { grep -o "\"serial\":\"$1\"}.*" /tmp/view | grep -o '"hosts":\[[^]]*\]' | head -1 | cut -d: -f2-; }
order() { # JSON: the answer is in /tmp/answer, its status in $status, and how long it took in $took
    began=$(uptime_ms)
    nc -w 30 127.0.0.1 9711 </tmp/ask >/tmp/answer & asked=$!
    exec 8>/tmp/ask
    printf 'POST /v1/drives/orders HTTP/1.0\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s' $token "${#1}" "$1" >&8
    wait $asked; exec 8>&-
    took=$(($(uptime_ms) - began)); status=$(head -1 /tmp/answer | cut -d' ' -f2)
}
says() { grep -q -- "$2" /tmp/answer && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tail -1 /tmp/answer)"; }
who() { printf '"drive":{"maker":null,"model":"%s","serial":"%s"}' "$model" "$1"; }
admit() { order "{\"order\":\"admit\",$(who SN-1),\"arrival\":$1,\"generation\":$2,\"host\":\"$3\"}"; }
shut() { order "{\"order\":\"shut\",$(who SN-1),\"arrival\":$1,\"generation\":$2}"; }
attach() { order "{\"order\":\"attach\",$(who "${2:-SN-1}"),\"generation\":$1,\"nqn\":\"$nqn:$1\",\"address\":\"127.0.0.1:4420\"}"; }
detach() { order "{\"order\":\"detach\",\"nqn\":\"$nqn:$1\"}"; }
nqn=nqn.2026-11.dev.busbar:drive:SN-1
other=nqn.2014-08.org.nvmexpress:uuid:bbbbbbbb-0000-4000-8000-000000000002

# --- what there is
seen() { view; [ -n "$(of SN-1 arrival)" ] && [ -n "$(of SN-2 arrival)" ]; }
wait_for seen || echo "CHECK FAIL both drives are told: $(cat /tmp/view)"
arrival=$(of SN-1 arrival)
host=$(grep -o '"host":{"nqn":"[^"]*"' /tmp/view | cut -d'"' -f6)
[ -n "$host" ] && echo "CHECK ok it is told as whom this node asks ($host)" || echo "CHECK FAIL no host: $(cat /tmp/view)"
check "nobody is let in" "[]" "$(hosts SN-1)"
echo "MEASURED the bay of SN-1 is called $(of SN-1 slot)"
mkdir $nvmet/subsystems/nqn.2020-01.org.other:x

# --- lent and taken into use
admit "$arrival" 1 "$host"; check "a drive is lent to this node" 200 "$status"
echo "MEASURED from the order to admit to its answer, read back: $took ms"
attach 1 SN-2; check "a drive that is not the one that is meant is not kept" 409 "$status"; says "and what it says is told" SN-1
attach 1; check "its host takes it into use" 200 "$status"
echo "MEASURED from the order to attach to a block device whose serial number was checked: $took ms"
head=$(sed 's/.*"device":"\([^"]*\)".*/\1/' /tmp/answer | tail -1)
case $head in nvme*c*) echo "CHECK FAIL the device is the head and no path: $head";; nvme*n*) echo "CHECK ok the device is the head and no path";; *) echo "CHECK FAIL a device: $(tail -1 /tmp/answer)";; esac
attach 1; check "the order may come twice" 200 "$status"
mkswap "/dev/$head" >/dev/null 2>&1; swapon "/dev/$head"
detach 1; check "a drive in use is not let go" 409 "$status"; says "with its use" "swaps to"
swapoff "/dev/$head"

# --- a workload has it, by what the host calls it
export BUSBAR_AGENT=/run/agent.sock
busbar run --cpus 1 --drives "$one" -- true >/tmp/out 2>&1; check "a drive that the rack lends is no local workload's" 3 $?
grep -q "rack's to lend" /tmp/out && echo "CHECK ok and so is said" || echo "CHECK FAIL and so is said: $(tail -1 /tmp/out)"
busbar run --cpus 1 --drives "$head" --name user -- sh -c "dd if=/dev/$head of=/dev/null bs=4k count=1 2>&1; sleep 300" >/tmp/user 2>&1 & ran=$!
wait_for grep -q 'records out' /tmp/user && echo "CHECK ok the drive that was taken into use is a workload's" || echo "CHECK FAIL a workload has it: $(cat /tmp/user)"
detach 1; check "a drive of a workload is not let go" 409 "$status"; says "with its name" "workload user"
view; grep -q '"used_by":"workload user"' /tmp/view && echo "CHECK ok and the list says who uses it" || echo "CHECK FAIL the list: $(cat /tmp/view)"
busbar stop user >/dev/null 2>&1; wait $ran 2>/dev/null
written() { dd "if=/dev/$one" bs=512 skip=8 count=1 iflag=direct 2>/dev/null | tr -d '\0' | head -1; }
grows() { first=$(written); sleep 0.3; [ "$(written)" != "$first" ]; }
writes() { # a writer that never stops, on $head
    (n=0; while :; do
        n=$((n + 1))
        if [ -b "/dev/$head" ]; then printf 'a %08d\n' $n | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>>/tmp/writer
        else sleep 0.1; fi
    done) & writer=$!
}
writes
wait_for grows && echo "CHECK ok a writer writes" || echo "CHECK FAIL a writer writes: $(written) $(tail -1 /tmp/writer)"

# --- shut out without its help
shut "$arrival" 1; check "it is shut out" 200 "$status"; says "and nobody is let in" '"hosts":\[\]'
last=$(written)
echo "MEASURED from the order to shut to its answer, read back, under load: $took ms"
sleep 3
check "after the answer it has written nothing" "$last" "$(written)"
admit "$arrival" 1 "$host"; check "an order to admit that comes late is refused" 409 "$status"; says "with its reason" "closed"
check "and nothing of ours is offered" "" "$(ls $nvmet/subsystems | grep busbar)"
dd if=/dev/zero "of=/dev/$one" bs=512 count=16 oflag=direct 2>/dev/null
admit "$arrival" 2 "$other"; check "the drive is lent to the next one" 200 "$status"; says "alone" "\"hosts\":\[\"$other\"\]"
sleep 5
check "the first one, which never stopped, has written nothing" "" "$(written)"

# --- kill -9, and what somebody did meanwhile
kill -9 $agent; wait $agent 2>/dev/null
rm "$nvmet/ports/4420/subsystems/$nqn:2"; mkdir $nvmet/subsystems/nqn.2026-11.dev.busbar:drive:SN-9:7
begin
right() { [ -e "$nvmet/ports/4420/subsystems/$nqn:2" ] && [ ! -e $nvmet/subsystems/nqn.2026-11.dev.busbar:drive:SN-9:7 ]; }
wait_for right && echo "CHECK ok after kill -9 what is granted stands again, and what is not is withdrawn" || echo "CHECK FAIL after kill -9: $(ls $nvmet/subsystems $nvmet/ports/*/subsystems) $(tail -3 /run/agent.err)"
check "what somebody else made is left alone" nqn.2020-01.org.other:x "$(ls $nvmet/subsystems | grep other)"
view; check "the drive has stayed" "$arrival" "$(of SN-1 arrival)"; check "lent as before" "[\"$other\"]" "$(hosts SN-1)"
admit "$arrival" 1 "$host"; check "and what was closed is closed" 409 "$status"
kill $writer; wait $writer 2>/dev/null
shut "$arrival" 2; check "the second one is shut out" 200 "$status"
detach 1; check "what was lost is let go" 200 "$status"
[ -f "/dev/$head" ] && rm "/dev/$head"

# --- pulled under load
admit "$arrival" 3 "$host"; attach 3; check "lent and taken into use again" 200 "$status"
head=$(sed 's/.*"device":"\([^"]*\)".*/\1/' /tmp/answer | tail -1)
kill -9 $agent; wait $agent 2>/dev/null; begin
still() { view; grep -q "\"nqn\":\"$nqn:3\",\"generation\":3,.*\"state\":\"live\"" /tmp/view; }
wait_for still && echo "CHECK ok what is used outlives kill -9 of the agent" || echo "CHECK FAIL after kill -9: $(cat /tmp/view)"
writes
wait_for grows || echo "CHECK FAIL the writer writes again: $(tail -1 /tmp/writer)"
cat >/run/hear <<'HEAR'
#!/bin/sh
read -r up _ </proc/uptime
[ "$ACTION" = remove ] && echo "${up%.*}${up#*.}0 $DEVPATH" >>/run/uevents
HEAR
chmod +x /run/hear; : >/run/uevents
uevent /run/hear & ears=$!
sleep 1
qmp device_del '{"id":"nv1"}'
withdrawn() { [ -z "$(ls $nvmet/subsystems | grep busbar)" ]; }
n=0; until withdrawn; do n=$((n + 1)); [ $n -gt 1500 ] && break; sleep 0.02; done
fenced=$(uptime_ms)
said=$(grep -m 1 -E "/$one\$" /run/uevents | cut -d' ' -f1)
if withdrawn && [ -n "$said" ]; then
    echo "CHECK ok a drive that is pulled is withdrawn by nobody's order"
    echo "MEASURED from the kernel's uevent to nothing being offered, under load: $((fenced - said)) ms"
    [ $((fenced - said)) -le 5000 ] && echo "CHECK ok within five seconds" || echo "CHECK FAIL within five seconds: $((fenced - said)) ms"
else
    echo "CHECK FAIL a drive that is pulled is withdrawn: $(ls $nvmet/subsystems) uevents $(cat /run/uevents) $(tail -3 /run/agent.err)"
fi
kill $writer $ears; wait $writer 2>/dev/null
grep -q 'drive SN-1 .* left bay' /run/agent.err && echo "CHECK ok it is told who had it" || echo "CHECK FAIL it is told: $(tail -3 /run/agent.err)"
gone() { view; [ -z "$(of SN-1 arrival)" ] || ! grep -q '"drives":.*SN-1.*"attached"' /tmp/view; }
wait_for gone && echo "CHECK ok it is not among those that are lent" || echo "CHECK FAIL it is told still: $(cat /tmp/view)"
qmp device_add '{"driver":"nvme","id":"nv3","serial":"SN-1","bus":"rp1","drive":"d3"}'
back() { view; [ "$(of SN-1 arrival)" -gt "$arrival" ] 2>/dev/null; }
wait_for back && echo "CHECK ok it comes back as another stay" || echo "CHECK FAIL it comes back: $(cat /tmp/view)"
admit "$arrival" 3 "$host"; check "an order about the stay before is refused" 409 "$status"; says "with its reason" "arrival"
check "and nothing is offered" "" "$(ls $nvmet/subsystems | grep busbar)"
detach 3; check "what was lost is let go again" 200 "$status"
[ -f "/dev/$head" ] && rm "/dev/$head"

# --- the end
arrival=$(of SN-1 arrival)
admit "$arrival" 4 "$host"; check "its new stay can be lent" 200 "$status"
attach 4; check "and taken into use" 200 "$status"
detach 4; check "and let go" 200 "$status"
shut "$arrival" 4; check "and shut" 200 "$status"

# --- erased, with what was read back
erase() { order "{\"order\":\"erase\",$(who SN-1),\"arrival\":$1,\"generation\":$2,\"asked_by\":\"story\",\"overwrite\":true}"; }
two=$(namespace SN-1)
printf 'left by the tenant' | dd "of=/dev/$two" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>/dev/null
erase "$arrival" 3; check "an order to erase of before the last grant is refused" 409 "$status"; says "with its reason" "too late"
erase "$arrival" 4; check "an order to erase is obeyed" 200 "$status"
done_() { view; grep -q '"is":"done"' /tmp/view; }
if wait_for done_; then
    echo "CHECK ok it is erased"
    echo "MEASURED the erasure: $(grep -o '"erasure":.*' /tmp/view | grep -o '"method":"[^"]*"' | head -1), $(grep -o '"samples":[0-9]*,"dirty":[0-9]*' /tmp/view | head -1)"
    check "no sample holds anything" '"dirty":0' "$(grep -o '"dirty":[0-9]*' /tmp/view | head -1)"
else
    echo "CHECK FAIL it is erased: $(tail -1 /tmp/answer) $(cat /tmp/view) $(tail -3 /run/agent.err)"
fi
check "and nothing of the tenant is left" "" "$(dd "if=/dev/$two" bs=512 skip=8 count=1 iflag=direct 2>/dev/null | tr -d '\0' | tr -cd 'a-z' | head -1)"
admit "$arrival" 4 "$host"; check "who comes with the grant before comes too late" 409 "$status"

bare() { [ -z "$(ls $nvmet/subsystems | grep busbar)$(ls $nvmet/hosts)$(ls $nvmet/ports)" ]; }
wait_for bare && echo "CHECK ok no subsystem, host and port of ours is left" || echo "CHECK FAIL left: $(ls $nvmet/subsystems $nvmet/hosts $nvmet/ports)"
check "what somebody else made is still there" nqn.2020-01.org.other:x "$(ls $nvmet/subsystems)"
kill $agent; wait $agent; check "the agent stops in order" 0 $?
