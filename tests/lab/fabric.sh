# A drive that is lent over NVMe/TCP, by the kernel's own target and initiator: admission, identity, a writer that never stops and is
# fenced without its help, the next holder. Both sides are this guest; the network is its loopback. Steps are those of `isolators`, brought
# about by its example `fabric`.
#: modules nvme nvmet nvmet-tcp nvme-tcp configfs
#: qemu -drive if=none,id=d1,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1
#: qemu -drive if=none,id=d2,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv2,serial=SN-2,drive=d2
#: examples fabric
. /words

nvmet=/sys/kernel/config/nvmet
[ -d $nvmet ] || mount -t configfs none /sys/kernel/config
[ -d $nvmet ] || { echo "CHECK SKIP drives over a fabric: this kernel has no nvmet"; exit; }
ip link set lo up 2>/dev/null
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
wait_for namespace SN-1; wait_for namespace SN-2
one=$(namespace SN-1); two=$(namespace SN-2)
wait_for test -b "/dev/$one"; wait_for test -b "/dev/$two"
model=$(sed 's/ *$//' "/sys/class/block/$one/device/model")

a=nqn.2014-08.org.nvmexpress:uuid:aaaaaaaa-0000-4000-8000-000000000001
b=nqn.2014-08.org.nvmexpress:uuid:bbbbbbbb-0000-4000-8000-000000000002
nqn=nqn.2026-11.dev.busbar:r1:SN-1
export_of() { # HOST [SERIAL] [DEVICE]
    printf '{"nqn":"%s","device":"%s","drive":{"serial":"%s","model":"%s"},"host":"%s"}' "$nqn" "${3:-$one}" "${2:-SN-1}" "$model" "$1"
}
offered() { printf '{"port":1,"address":"127.0.0.1:4420","exports":[%s]}' "$1" >/run/offered.json; }
wanted() { # HOST ID [SERIAL]
    printf '[{"nqn":"%s","peer":{"address":"127.0.0.1:4420","host":"%s","host_id":"%s"},"drive":{"serial":"%s","model":"%s"}}]' \
        "$nqn" "$1" "$2" "${3:-SN-1}" "$model" >/run/wanted.json
}
says() { grep -q -- "$2" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tr '\n' ' ' </tmp/out)"; }
ida=aaaaaaaa-0000-4000-8000-000000000001; idb=bbbbbbbb-0000-4000-8000-000000000002

# --- nothing is written where the mode forbids it
offered "$(export_of $a)"
fabric target /run/offered.json observe >/tmp/out 2>&1; check "observe plans" 0 $?; says "and says how much" "would do"
check "and writes nothing" "" "$(ls $nvmet/subsystems $nvmet/ports $nvmet/hosts | grep -v : | tr -d '\n')"

# --- a drive that is not the one that is meant, or is used, is not offered
offered "$(export_of $a SN-9)"
fabric target /run/offered.json >/tmp/out 2>&1; check "another serial number than the drive's is refused" 3 $?; says "with both" "says SN-1; expected SN-9"
mkswap "/dev/$one" >/dev/null 2>&1; swapon "/dev/$one"
offered "$(export_of $a)"
fabric target /run/offered.json >/tmp/out 2>&1; check "a drive in use is refused" 3 $?; says "with its use" "swaps to"
swapoff "/dev/$one"
mkdir $nvmet/subsystems/nqn.2020-01.org.other:x && mkdir $nvmet/subsystems/nqn.2020-01.org.other:x/namespaces/1 &&
    echo "/dev/$one" >$nvmet/subsystems/nqn.2020-01.org.other:x/namespaces/1/device_path
fabric target /run/offered.json >/tmp/out 2>&1; check "a drive that somebody else offers is refused" 3 $?; says "by name" "org.other:x"
echo "/dev/$two" >$nvmet/subsystems/nqn.2020-01.org.other:x/namespaces/1/device_path

# --- offered to one host
holds "a drive is offered to one host" fabric target /run/offered.json
fabric target /run/offered.json >/tmp/out 2>&1; check "and then nothing is left to do" converged "$(cat /tmp/out)"
wanted $b $idb
fabric initiator /run/wanted.json >/tmp/out 2>&1; check "another host is not let in" 3 $?
wanted $a $ida SN-7
fabric initiator /run/wanted.json >/tmp/out 2>&1; check "a drive that is not the one that is meant is not kept" 3 $?; says "and what it says is told" 'then said "SN-1"'
check "and no connection is left" "[]" "$(fabric attached)"
wanted $a $ida
start=$(uptime_ms); fabric initiator /run/wanted.json >/tmp/out 2>&1; check "its host connects" 0 $?
echo "MEASURED from the order to a block device whose serial number was checked: $(($(uptime_ms) - start)) ms"
fabric initiator /run/wanted.json >/tmp/out 2>&1; check "and then nothing is left to do" converged "$(cat /tmp/out)"
head=$(fabric attached | sed 's/.*"device":"\([^"]*\)".*/\1/')
case $head in nvme*c*) echo "CHECK FAIL the device is the head and no path: $head";; nvme*n*) echo "CHECK ok the device is the head and no path";; *) echo "CHECK FAIL a device: $(fabric attached)";; esac
check "it is the same drive there" SN-1 "$(fabric attached | sed 's/.*"serial":"\([^"]*\)".*/\1/')"
echo "written by a" | dd "of=/dev/$head" bs=512 count=1 conv=sync oflag=direct 2>/dev/null
check "what it writes is on the drive" "written by a" "$(dd "if=/dev/$one" bs=512 count=1 iflag=direct 2>/dev/null | tr -d '\0' | head -1)"

# --- a writer that never stops
# Each round writes the next number, whatever came of the one before. A device that has gone is not written to: that would leave a plain file.
(n=0; while :; do
    n=$((n + 1))
    if [ -b "/dev/$head" ]; then printf 'a %08d\n' $n | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>>/tmp/writer
    else echo "No such device" >>/tmp/writer; sleep 0.1; fi
done) & writer=$!
written() { dd "if=/dev/$one" bs=512 skip=8 count=1 iflag=direct 2>/dev/null | tr -d '\0' | head -1; }
grows() { first=$(written); sleep 0.3; [ "$(written)" != "$first" ]; }
wait_for grows && echo "CHECK ok a writer writes" || echo "CHECK FAIL a writer writes: $(written) $(tail -1 /tmp/writer)"
# The trap: a host that is taken out of the list stays connected and writes on.
rm "$nvmet/subsystems/$nqn/allowed_hosts/$a"
grows && echo "CHECK ok taking its host out of the list does not stop it" || echo "CHECK FAIL it stopped by itself: $(tail -1 /tmp/writer)"
ln -s $nvmet/hosts/$a "$nvmet/subsystems/$nqn/allowed_hosts/$a"
offered ""
start=$(uptime_ms); fabric target /run/offered.json >/tmp/out 2>&1; check "it is fenced without its help" 0 $?
echo "MEASURED from the order to a fence that was read back: $(($(uptime_ms) - start)) ms"
last=$(written); sleep 3
check "after the fence it has written nothing" "$last" "$(written)"
check "nothing of it is left at the target" "" "$(ls $nvmet/subsystems | grep busbar)$(ls $nvmet/hosts)$(ls $nvmet/ports)"
check "what somebody else made is left alone" nqn.2020-01.org.other:x "$(ls $nvmet/subsystems)"

# --- the next holder, while the first one still tries
offered "$(export_of $b)"
holds "the drive is offered to the next host" fabric target /run/offered.json
dd if=/dev/zero "of=/dev/$one" bs=512 count=16 oflag=direct 2>/dev/null
sleep 5
check "the first one, which never stopped trying, writes nothing" "" "$(written)"
start=$(uptime_ms)
errs() { grep -q -i 'error\|No such' /tmp/writer; }
wait_for errs && echo "MEASURED its writes fail after the fence, at the latest $(($(uptime_ms) - start)) ms later than that: $(tail -1 /tmp/writer)" || echo "CHECK FAIL its writes still wait: $(tail -2 /tmp/writer)"
kill $writer; wait $writer 2>/dev/null
echo '[]' >/run/none.json
fabric initiator /run/none.json >/tmp/out 2>&1; check "the first one lets go" 0 $?
# A writer that opens a drive in the moment in which it goes leaves a plain file of its name behind, and the kernel makes no device over it.
[ -f "/dev/$head" ] && rm "/dev/$head"
: >"/dev/$head"
wanted $b $idb
fabric initiator /run/wanted.json >/tmp/out 2>&1; check "a plain file in the place of the device is refused" 3 $?; says "by name" "$head still says .that it is a plain file"
rm -f "/dev/$head"
holds "the next one connects" fabric initiator /run/wanted.json
head=$(fabric attached | sed 's/.*"device":"\([^"]*\)".*/\1/')
echo "written by b" | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>/dev/null
check "and writes" "written by b" "$(written)"

# --- the end
swapless() { ! grep -q "$head" /proc/swaps; }
mkswap "/dev/$head" >/dev/null 2>&1; swapon "/dev/$head"
fabric initiator /run/none.json >/tmp/out 2>&1; check "a drive in use is not let go" 3 $?; says "with its use" "swaps to"
swapoff "/dev/$head"; wait_for swapless
holds "and is when it is free" fabric initiator /run/none.json
check "no connection is left" "[]" "$(fabric attached)"
offered ""
holds "and nothing is offered any more" fabric target /run/offered.json
check "no subsystem, host and port of ours is left" "" "$(ls $nvmet/subsystems | grep busbar)$(ls $nvmet/hosts)$(ls $nvmet/ports)"
