# A drive that answers nothing any more, lent and under load, and another one that nobody has: both are told as hung in time, and nothing
# waits for them: other drives' orders, the list, the scrape. Before that: `busbar-agent leave` where a drive is lent and one is used.
# The kernel is told to wait for long, so that it does not give the drives up first.
#: module nvme_core io_timeout=3000 admin_timeout=3000
#: modules nvme nvmet nvmet-tcp nvme-tcp configfs
#: qemu -device pcie-root-port,id=rp1,chassis=1,slot=1 -device pcie-root-port,id=rp2,chassis=2,slot=2
#: qemu -device pcie-root-port,id=rp3,chassis=3,slot=3
#: qemu -drive if=none,id=d1,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1,bus=rp1
#: qemu -drive if=none,id=d2,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv2,serial=SN-2,drive=d2,bus=rp2
#: qemu -drive if=none,id=d3,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv3,serial=SN-3,drive=d3,bus=rp3
#: lasts 600
. /words

nvmet=/sys/kernel/config/nvmet
[ -d $nvmet ] || mount -t configfs none /sys/kernel/config
[ -d $nvmet ] || { echo "CHECK SKIP drives that hang: this kernel has no nvmet"; exit; }
ip link set lo up 2>/dev/null
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
for serial in SN-1 SN-2 SN-3; do wait_for test -b "/dev/$(namespace $serial)"; done
one=$(namespace SN-1)
model=$(sed 's/ *$//' "/sys/class/block/$one/device/model")

mkfifo /tmp/ask
token=0123456789abcdef0123456789abcdef0123456789abcdef
mkdir -p /run/rack; echo $token >/run/rack/token; chmod 600 /run/rack/token
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\nrack_token_file = "/run/rack/token"\n[reserved]\ncpus = "0"\n[pooled_drives]\nlend = ["serial:SN-1", "serial:SN-2", "serial:SN-3"]\n' >/run/agent.toml
begin() { busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err & agent=$!; wait_for grep -q '^ready' /run/agent.out; }
begin || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }

view() { # the answer is waited for as long as it takes
    nc -w 60 127.0.0.1 9711 </tmp/ask >/tmp/view & asked=$!
    exec 8>/tmp/ask; printf 'GET /v1/drives HTTP/1.0\r\n\r\n' >&8; wait $asked; exec 8>&-
}
drive() { grep -o "\"serial\":\"$1\"}.*" /tmp/view | sed 's/^[^}]*}//; s/"identity":.*//'; }
of() { drive "$1" | grep -o "\"$2\":[^,}]*" | head -1 | cut -d: -f2- | tr -d '"'; }
hosts() { drive "$1" | grep -o '"hosts":\[[^]]*\]' | head -1 | cut -d: -f2-; }
order() { # JSON: the answer is in /tmp/answer, its status in $status, and how long it took in $took
    asked_at=$(uptime_ms)
    nc -w 60 127.0.0.1 9711 </tmp/ask >/tmp/answer & asked=$!
    exec 8>/tmp/ask
    printf 'POST /v1/drives/orders HTTP/1.0\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s' $token "${#1}" "$1" >&8
    wait $asked; exec 8>&-
    took=$(($(uptime_ms) - asked_at)); status=$(head -1 /tmp/answer | cut -d' ' -f2)
}
says() { grep -q -- "$2" /tmp/answer && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tail -1 /tmp/answer)"; }
who() { printf '"drive":{"maker":null,"model":"%s","serial":"%s"}' "$model" "$1"; }
admit() { order "{\"order\":\"admit\",$(who "$1"),\"arrival\":$(of "$1" arrival),\"generation\":$2,\"host\":\"$host\"}"; }
shut() { order "{\"order\":\"shut\",$(who "$1"),\"arrival\":$(of "$1" arrival),\"generation\":$2}"; }
attach() { order "{\"order\":\"attach\",$(who "$1"),\"generation\":$2,\"nqn\":\"nqn.2026-11.dev.busbar:drive:$1:$2\",\"address\":\"127.0.0.1:4420\"}"; }
ours() { find $nvmet | grep -c dev.busbar; }
seen() { view; for serial in SN-1 SN-2 SN-3; do [ -n "$(of $serial arrival)" ] || return 1; done; }
wait_for seen || echo "CHECK FAIL all drives are told: $(cat /tmp/view)"
host=$(grep -o '"host":{"nqn":"[^"]*"' /tmp/view | cut -d'"' -f6)
mkdir $nvmet/subsystems/nqn.2020-01.org.other:x

# --- the node leaves
admit SN-3 1; check "a drive is lent" 200 "$status"
attach SN-3 1; check "and taken into use" 200 "$status"
busbar-agent leave --state-dir /run/agent >/tmp/out 2>&1; check "who leaves while an agent runs is refused" 3 $?
kill $agent; wait $agent
busbar-agent footprint --state-dir /run/agent >/tmp/out 2>&1
check "what stands of ours is listed" 2 "$(grep -c '^drive .*nqn.2026-11.dev.busbar:drive:SN-3:1' /tmp/out)"
busbar-agent leave --state-dir /run/agent >/tmp/out 2>&1; check "who leaves while a drive is lent is refused" 3 $?
grep -q "SN-3 .* is lent to $host" /tmp/out && echo "CHECK ok and is told who has it" || echo "CHECK FAIL who has it: $(cat /tmp/out)"
[ "$(ours)" -gt 0 ] && echo "CHECK ok and nothing was done" || echo "CHECK FAIL and nothing was done: $(find $nvmet)"
busbar-agent leave --force --state-dir /run/agent >/tmp/out 2>&1; check "forced, it leaves" 0 $?
check "and says what it did" "removed: 0 cgroups, 1 pooled drive withdrawn, 1 pooled drive detached; nothing left" "$(tail -1 /tmp/out)"
check "nothing of ours is left in the target" 0 "$(ours)"
check "no port of ours" "" "$(ls $nvmet/ports)"
check "no host of ours" "" "$(ls $nvmet/hosts)"
check "no connection of ours" "" "$(grep -l dev.busbar /sys/class/nvme/nvme*/subsysnqn 2>/dev/null)"
check "what somebody else made is still there" nqn.2020-01.org.other:x "$(ls $nvmet/subsystems)"
busbar-agent footprint --state-dir /run/agent | grep -q '^drive ' && echo "CHECK FAIL the footprint: $(busbar-agent footprint --state-dir /run/agent)" || echo "CHECK ok and nothing is listed"
begin; wait_for seen
check "the next agent knows that the grant is closed" 1 "$(of SN-3 closed)"
admit SN-3 1; check "and obeys no order of before" 409 "$status"

# --- two drives answer nothing any more: one lent and under load, one that nobody has
admit SN-1 1; check "a drive is lent that is to hang" 200 "$status"
attach SN-1 1; check "and taken into use" 200 "$status"
head=$(sed 's/.*"device":"\([^"]*\)".*/\1/' /tmp/answer | tail -1)
(while :; do date | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>/dev/null; done) & writer=$!
sleep 2
view; for serial in SN-1 SN-2; do check "$serial answers until now" false "$(of $serial is_hung)"; done
qmp qom-set '{"path":"/machine/peripheral/nv1","property":"realized","value":false}'
qmp qom-set '{"path":"/machine/peripheral/nv2","property":"realized","value":false}'
hang=$(uptime_ms); slowest=0; listed=0; generation=1; trouble=""; is_one=""; is_two=""
while [ $(($(uptime_ms) - hang)) -lt 90000 ]; do
    generation=$((generation + 1))
    admit SN-3 $generation; [ "$status" = 200 ] || trouble="$trouble admit $generation: $status $(tail -1 /tmp/answer)"
    [ "$took" -gt "$slowest" ] && slowest=$took
    shut SN-3 $generation; [ "$status" = 200 ] || trouble="$trouble shut $generation: $status $(tail -1 /tmp/answer)"
    [ "$took" -gt "$slowest" ] && slowest=$took
    asked_at=$(uptime_ms); view; took=$(($(uptime_ms) - asked_at)); [ "$took" -gt "$listed" ] && listed=$took
    [ -z "$is_one" ] && [ "$(of SN-1 is_hung)" = true ] && is_one=$(($(uptime_ms) - hang))
    [ -z "$is_two" ] && [ "$(of SN-2 is_hung)" = true ] && is_two=$(($(uptime_ms) - hang))
    [ -n "$is_one" ] && [ -n "$is_two" ] && break
done
late() { [ -n "$2" ] && [ "$2" -le 75000 ] && echo "CHECK ok $1 within 75 s" || echo "CHECK FAIL $1 within 75 s: ${2:-never} $(cat /tmp/view)"; }
late "a drive that hangs while it is lent is told" "$is_one"
late "and one that nobody has" "$is_two"
echo "MEASURED until a drive that answers nothing is told as hung: $is_one ms lent and under load, $is_two ms idle"
echo "MEASURED meanwhile, another drive lent and shut $((generation - 1)) times: $slowest ms at most for an order, $listed ms at most for the list"
check "meanwhile another drive was lent and shut, each time" "" "$trouble"
check "the one that answers is not told as hung" false "$(of SN-3 is_hung)"
counted() { get /metrics >/tmp/page; grep -q '^busbar_pooled_drives_hung 2' /tmp/page; }
wait_for counted && echo "CHECK ok and both are counted" || echo "CHECK FAIL and both are counted: $(grep pooled_drives_hung /tmp/page)"

# --- what is ordered of a drive that hangs
shut SN-1 1; echo "MEASURED the order to shut a drive that hangs under load: status $status after $took ms"
view; check "nobody is let in to it, as its target was read" "[]" "$(hosts SN-1)"
check "and its grant is closed for ever" 1 "$(of SN-1 closed)"
check "no port leads to it" "" "$(ls $nvmet/ports/*/subsystems 2>/dev/null | grep SN-1)"
# By now the kernel may have given it up: the question for its log has 30 s there, and then the drive is gone.
admit SN-2 1
case $status in 404 | 409 | 503) echo "CHECK ok a drive that hangs is lent to nobody";; *) echo "CHECK FAIL a drive that hangs is lent to nobody: $status $(tail -1 /tmp/answer)";; esac
order "{\"order\":\"erase\",$(who SN-2),\"arrival\":$(of SN-2 arrival),\"generation\":0,\"asked_by\":\"story\",\"overwrite\":true}"
case $status in 404 | 409 | 503) echo "CHECK ok nor erased, and that is said after $((took / 1000)) s";; *) echo "CHECK FAIL nor erased: $status $(tail -1 /tmp/answer)";; esac
generation=$((generation + 1))
admit SN-3 $generation; check "another drive is lent still" 200 "$status"
shut SN-3 $generation; check "and shut" 200 "$status"
kill -9 $writer
