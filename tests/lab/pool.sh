# The whole pool in one guest, as people use it: the real controller, the real agent, which lends its drives and uses them, and QEMU's NVMe drives
# between them over NVMe/TCP on the loopback. Enrolled, erased with a proof, claimed, written to, given back, claimed by the next tenant; the
# controller killed in each state; a writer that never stops; a drive pulled under load.
#: ours busbar busbar-agent busbar-rack
#: programs openssl
#: modules nvme nvmet nvmet-tcp nvme-tcp configfs
#: qemu -device pcie-root-port,id=rp1,chassis=1,slot=1 -device pcie-root-port,id=rp2,chassis=2,slot=2
#: qemu -drive if=none,id=d1,format=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1,bus=rp1
#: qemu -drive if=none,id=d2,format=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv2,serial=SN-2,drive=d2,bus=rp2
#: lasts 900
. /words

nvmet=/sys/kernel/config/nvmet
[ -d $nvmet ] || mount -t configfs none /sys/kernel/config
[ -d $nvmet ] || { echo "CHECK SKIP pooled drives: this kernel has no nvmet"; exit; }
ip link set lo up 2>/dev/null
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
both() { [ "$(cat /sys/class/nvme/nvme*/serial | grep -c SN-)" = 2 ] && [ -b "/dev/$(namespace SN-1)" ]; }
wait_for both || { echo "CHECK FAIL the kernel has both drives: $(cat /sys/class/nvme/nvme*/serial | tr '\n' ' ')"; exit; }
one=$(namespace SN-1)

token=0123456789abcdef0123456789abcdef0123456789abcdef
mkdir -p /run/rack; echo $token >/run/rack/token; chmod 600 /run/rack/token
# A token goes over TLS only.
cat >/run/rack/openssl.cnf <<'EOF'
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
[leaf]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
EOF
makes() { openssl req -config /run/rack/openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>>/run/rack/openssl.log; }
makes -x509 -extensions ca -days 2 -subj /CN=lab -keyout /run/rack/ca.key -out /run/rack/ca.pem &&
    makes -subj /CN=guest -keyout /run/rack/key.pem -out /run/rack/asks.pem &&
    openssl x509 -req -in /run/rack/asks.pem -CA /run/rack/ca.pem -CAkey /run/rack/ca.key -CAcreateserial -days 2 \
        -extfile /run/rack/openssl.cnf -extensions leaf -out /run/rack/cert.pem 2>>/run/rack/openssl.log ||
    { echo "CHECK FAIL a certificate for the agent: $(tail -3 /run/rack/openssl.log)"; exit; }
chmod 600 /run/rack/*
printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\nrack_token_file = "/run/rack/token"\ntls_certificate_file = "/run/rack/cert.pem"\ntls_key_file = "/run/rack/key.pem"\n[reserved]\ncpus = "0"\n[pooled_drives]\nlend = ["serial:SN-1", "serial:SN-2"]\n' >/run/agent.toml
mkswap "/dev/$one" >/dev/null 2>&1; swapon "/dev/$one"
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err & agent=$!
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
slot_of() { tr -d '\n' </tmp/view | grep -o "\"serial\":\"$1\"}.*" | grep -o '"slot":"[^"]*"' | head -1 | cut -d'"' -f4; }
tls_get() { printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$1" | openssl s_client -quiet -CAfile /run/rack/ca.pem -connect 127.0.0.1:9711 2>/dev/null; }
told() { tls_get /v1/drives >/tmp/view; [ -n "$(slot_of SN-1)" ] && [ -n "$(slot_of SN-2)" ]; }
n=0; until told; do
    n=$((n + 1)); [ $n -gt 20 ] && { echo "CHECK FAIL the agent tells of both drives: $(tail -1 /tmp/view) $(tail -3 /run/agent.err)"; exit; }
done

cat >/run/rack.toml <<EOF
[rack]
name = "r"
mode = "enforce"
listen_address = "127.0.0.1:9712"
state_dir = "/run/controller"
[[domain]]
name = "contract"
source = "budget"
budget_watts = 1000
redundancy = "n"
[[node]]
name = "guest"
domain = "contract"
max_draw_watts = 300
agent = "https://127.0.0.1:9711"
agent_ca_file = "/run/rack/ca.pem"
agent_token_file = "/run/rack/token"
[[enclosure]]
name = "jbof"
agent = "guest"
[enclosure.bays]
bay-1 = "$(slot_of SN-1)"
bay-2 = "$(slot_of SN-2)"
EOF
export BUSBAR_RACK=http://127.0.0.1:9712 NO_COLOR=1
begin() {
    busbar-rack serve --config /run/rack.toml >/run/rack.out 2>>/run/rack.err & rack=$!
    wait_for grep -q '^ready' /run/rack.out || { echo "CHECK FAIL the controller starts: $(tail -3 /run/rack.err)"; exit; }
}
dies() { kill -9 $rack; wait $rack 2>/dev/null; begin; }
begin

within() { # COMMAND..., at most 90 s: one look costs seconds where a debug build starts on a busy emulated machine, so the clock counts and not the looks
    until=$(($(uptime_ms) + 90000)); until "$@" >/dev/null 2>&1; do [ "$(uptime_ms)" -gt $until ] && return 1; sleep 0.1; done
}
# What the pool says of a drive: all of it in one line.
pool() { busbar show drives -o json 2>/tmp/pool.err | tr -d '\n ' | sed 's/"serial":"/\n/g' | grep "^$1\"" | grep '"tenancy"' | head -1; }
is() { case $(pool "$1") in *"\"tenancy\":\"$2\""*) return 0 ;; *) return 1 ;; esac; } # SERIAL WORD
becomes() { # WHAT SERIAL WORD
    if within is "$2" "$3"; then echo "CHECK ok $1"; else echo "CHECK FAIL $1: $(pool "$2" | cut -c1-900) $(tail -2 /run/rack.err)"; fi
}
says() { grep -qi -- "$2" /tmp/said && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tail -3 /tmp/said | tr '\n' ' ')"; }
does() { busbar "$@" >/tmp/said 2>&1; }

# --- joining the pool
becomes "a drive that was never seen is foreign" SN-1 foreign
does drives enrol SN-1 --erase --yes-i-typed SN-1; check "one that is swapped to does not join" 3 $?; says "and what speaks against it is told" swap
swapoff "/dev/$one"; dd if=/dev/zero "of=/dev/$one" bs=4k count=4 oflag=direct 2>/dev/null
does drives enrol SN-1 --erase --yes-i-typed SN-2; check "nor by another drive's serial number" 3 $?
enrolled() { does drives enrol SN-1 --erase --yes-i-typed SN-1; }
if within enrolled; then echo "CHECK ok it is enrolled by its own"; else echo "CHECK FAIL it is enrolled by its own: $(cat /tmp/said)"; fi
becomes "it is erased, and free" SN-1 free
does drives proof SN-1; check "its proof is told" 0 $?; says "with how it was erased" format

# --- claimed, written to, given back
does claim drives --for db --node guest; check "it is claimed" 0 $?
head=$(grep -o 'nvme[0-9]*n[0-9]*' /tmp/said | head -1)
[ -b "/dev/$head" ] && echo "CHECK ok and the device to use is told ($head)" || echo "CHECK FAIL the device is told: $(cat /tmp/said)"
printf 'left by the tenant' | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>/dev/null
written() { dd "if=/dev/$one" bs=512 skip=8 count=1 iflag=direct 2>/dev/null | tr -d '\0' | head -1; }
check "what its tenant writes is on the drive" "left by the tenant" "$(written)"
does claim drives --for other --node guest; check "nobody else gets it" 3 $?
dies
becomes "claimed: after kill -9 of the controller it stands" SN-1 claimed
is_ready() { pool SN-1 | grep -q '"stage":"attached"'; }
within is_ready && [ -b "/dev/$head" ] && check "and its drive is where it was" "left by the tenant" "$(written)"

# --- the controller is killed in each state; what stands still in it is an agent that does not go on
stands() { # WHAT SERIAL WORD: the state lasts over kill -9, and the agent goes on
    if is "$2" "$3"; then dies; else echo "CHECK FAIL $1 before kill -9: $(pool "$2" | cut -c1-600)"; fi
    if is "$2" "$3"; then echo "CHECK ok $1: after kill -9 it is so still"; else echo "CHECK FAIL $1 after kill -9: $(pool "$2" | cut -c1-600)"; fi
    kill -CONT $agent
}
kill -STOP $agent
does release db --erase-after 1h; check "it is given back while the agent is stopped" 0 $?
stands releasing SN-1 releasing
becomes "and fenced when the agent goes on" SN-1 held
dies; becomes "held: after kill -9 it is so still" SN-1 held
check "with what was on it" "left by the tenant" "$(written)"
does claim drives --for db2 --node guest; check "held is nobody else's" 3 $?
kill -STOP $agent
does drives erase SN-1 --yes-i-typed SN-1; check "an operator gives it up" 0 $?
stands wiping SN-1 wiping
becomes "and it is free when the agent goes on" SN-1 free
check "nothing of the tenant is left" "" "$(written)"
kill -STOP $agent
does claim drives --for db2 --node guest --no-wait; check "the next one claims it" 0 $?
stands "claimed, and not yet let in" SN-1 claimed
within is_ready && echo "CHECK ok and it has it when the agent goes on" || echo "CHECK FAIL it has it: $(pool SN-1 | cut -c1-600)"
does why db2; head=$(grep -o 'nvme[0-9]*n[0-9]*' /tmp/said | head -1)
[ -b "/dev/$head" ] && [ "$head" != "$one" ] || echo "CHECK FAIL the device is told: $(cat /tmp/said)"

# --- given back by who goes on writing
(n=0; while :; do
    n=$((n + 1))
    if [ -b "/dev/$head" ]; then printf 'a %08d\n' $n | dd "of=/dev/$head" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>>/tmp/writer
    else sleep 0.1; fi
done) & writer=$!
grows() { first=$(written); sleep 0.3; [ "$(written)" != "$first" ]; }
within grows || echo "CHECK FAIL a writer writes to $head: $(tail -1 /tmp/writer)"
began=$(uptime_ms)
does release db2 --erase-after 1h; check "it is given back under load" 0 $?
becomes "nobody can reach it, and it is held" SN-1 held
echo "MEASURED release to held, read back at the target, under load, once, two commands and a poll included: $(($(uptime_ms) - began)) ms"
last=$(written); sleep 3
check "who never stops writes nothing any more" "$last" "$(written)"
does drives erase SN-1 --yes-i-typed SN-1; becomes "it is erased" SN-1 free
check "and nothing is on it" "" "$(written)"
kill $writer; wait $writer 2>/dev/null; [ -f "/dev/$head" ] && rm "/dev/$head"

# --- pulled under load
does claim drives --for db3 --node guest; check "the third tenant claims it" 0 $?
head=$(grep -o 'nvme[0-9]*n[0-9]*' /tmp/said | head -1)
(while [ -b "/dev/$head" ]; do dd if=/dev/zero "of=/dev/$head" bs=4k count=64 oflag=direct 2>/dev/null; done) & writer=$!
qmp device_del '{"id":"nv1"}'
gone() { [ ! -e "/sys/class/block/$one" ]; }
within gone || echo "CHECK FAIL the kernel lets the drive go"
began=$(uptime_ms)
lost() { does why db3; grep -qi 'lost\|pulled' /tmp/said; }
if within lost; then
    took=$(($(uptime_ms) - began))
    echo "MEASURED from the drive's end in sysfs to its claim being told that it is lost, the command included: $took ms"
    [ $took -le 5000 ] && echo "CHECK ok its claim is told within five seconds that it is lost" || echo "CHECK FAIL its claim is told within five seconds: $took ms"
else echo "CHECK FAIL its claim is told that it is lost: $(cat /tmp/said) $(pool SN-1 | cut -c1-600)"; fi
away() { busbar show drives -o json | tr -d '\n ' | grep -o '"away":\[{.*"claims"' | grep -q '"serial":"SN-1"'; }
within away && echo "CHECK ok it is in no bay" || echo "CHECK FAIL it is in no bay: $(pool SN-1 | cut -c1-600)"
check "and nothing is offered" "" "$(ls $nvmet/subsystems | grep busbar)"
is SN-1 releasing && echo "CHECK ok and it is nobody else's before it was seen again" || echo "CHECK FAIL a pulled drive is $(pool SN-1 | cut -c1-300)"
kill $writer; wait $writer 2>/dev/null
kill $rack; wait $rack; check "the controller stops in order" 0 $?
kill $agent; wait $agent; check "the agent stops in order" 0 $?
