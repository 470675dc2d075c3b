# A host that must prove that it knows a key (DH-HMAC-CHAP) before the kernel's target lets it in to a pooled drive: with the key, without
# one, with another one; and what is said where the kernel knows no keys (Debian's 6.1; its 6.12 does: `cargo lab --kernel FOLDER`).
#: modules nvme nvmet nvmet-tcp nvme-tcp configfs hmac sha256_generic
#: qemu -drive if=none,id=d1,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on
#: qemu -device nvme,id=nv1,serial=SN-1,drive=d1
. /words

nvmet=/sys/kernel/config/nvmet
[ -d $nvmet ] || mount -t configfs none /sys/kernel/config
[ -d $nvmet ] || { echo "CHECK SKIP keys of hosts: this kernel has no nvmet"; exit; }
ip link set lo up 2>/dev/null
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
wait_for test -b "/dev/$(namespace SN-1)"
model=$(sed 's/ *$//' "/sys/class/block/$(namespace SN-1)/device/model")

mkfifo /tmp/ask
token=0123456789abcdef0123456789abcdef0123456789abcdef
mkdir -p /run/rack; echo $token >/run/rack/token; chmod 600 /run/rack/token
begin() { # POLICY
    printf '[agent]\nname = "guest"\nmode = "enforce"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\nrack_token_file = "/run/rack/token"\n[reserved]\ncpus = "0"\n[pooled_drives]\nlend = ["serial:SN-1"]\nauthentication = "%s"\n' "$1" >/run/agent.toml
    RUST_LOG=debug busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err & agent=$!
    wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
}
view() { get /v1/drives >/tmp/view; }
order() { # JSON: the answer is in /tmp/answer, its status in $status, and how long it took in $took
    asked_at=$(uptime_ms)
    nc -w 60 127.0.0.1 9711 </tmp/ask >/tmp/answer & asked=$!
    exec 8>/tmp/ask
    printf 'POST /v1/drives/orders HTTP/1.0\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s' $token "${#1}" "$1" >&8
    wait $asked; exec 8>&-
    took=$(($(uptime_ms) - asked_at)); status=$(head -1 /tmp/answer | cut -d' ' -f2)
}
says() { grep -q -- "$2" /tmp/answer && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tail -1 /tmp/answer)"; }
who=$(printf '"drive":{"maker":null,"model":"%s","serial":"SN-1"}' "$model")
key=DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:
wrong=DHHC-1:00:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAl7OaH:
admit() { order "{\"order\":\"admit\",$who,\"arrival\":$arrival,\"generation\":$1,\"host\":\"$host\"${2:+,\"key\":\"$2\"}}"; }
shut() { order "{\"order\":\"shut\",$who,\"arrival\":$arrival,\"generation\":$1}"; }
attach() { order "{\"order\":\"attach\",$who,\"generation\":$1,\"nqn\":\"nqn.2026-11.dev.busbar:drive:SN-1:$1\",\"address\":\"127.0.0.1:4420\"${2:+,\"key\":\"$2\"}}"; }
detach() { order "{\"order\":\"detach\",\"nqn\":\"nqn.2026-11.dev.busbar:drive:SN-1:$1\"}"; }
begin where_possible
seen() { view; grep -q '"arrival":' /tmp/view; }
wait_for seen || echo "CHECK FAIL the drive is told: $(cat /tmp/view)"
arrival=$(grep -o '"arrival":[0-9]*' /tmp/view | head -1 | cut -d: -f2)
host=$(grep -o '"host":{"nqn":"[^"]*"' /tmp/view | cut -d'"' -f6)

if ! grep -q '"proves":true' /tmp/view; then
    admit 1 $key; check "a drive is lent without, where the kernel knows no keys" 200 "$status"
    says "and that is said" '"authentication":"none: the kernel of this node has no NVME_TARGET_AUTH"'
    attach 1 $key; check "and taken into use" 200 "$status"
    detach 1; shut 1; kill $agent; wait $agent
    begin require
    admit 2 $key; check "nobody is let in where a key is required" 409 "$status"; says "and why" NVME_TARGET_AUTH
    check "and nothing of it is left" "" "$(ls $nvmet/subsystems $nvmet/hosts $nvmet/ports | grep -v :)"
    echo "CHECK SKIP a wrong key is refused: this kernel knows no keys"
    exit
fi

admit 1 $key; check "a drive is lent to a host that must prove who it is" 200 "$status"
says "and that is read back" '"authentication":"DH-HMAC-CHAP"'
check "the key is the kernel's" "$key" "$(cat $nvmet/hosts/*/dhchap_key)"
attach 1; check "who has no key is not let in" 409 "$status"
attach 1 $wrong; check "who has another one is not let in" 409 "$status"
check "and no connection is left" "" "$(grep -l dev.busbar /sys/class/nvme/nvme*/subsysnqn 2>/dev/null)"
attach 1 $key; check "who has it is let in" 200 "$status"
echo "MEASURED from the order to attach to a verified block device, with a key that is proved: $took ms"
kill -9 $agent; wait $agent 2>/dev/null; begin require
live() { view; grep -q '"state":"live"' /tmp/view; }
wait_for live && echo "CHECK ok the connection outlives the agent" || echo "CHECK FAIL the connection: $(cat /tmp/view)"
# The kernel throws everybody out when the link goes, and the agent makes both good: the host proves it anew.
rm $nvmet/ports/4420/subsystems/*:1
lost() { view; ! grep -q '"state":"live"' /tmp/view; }
wait_for lost; wait_for live && echo "CHECK ok what broke comes back with its key" || echo "CHECK FAIL it comes back: $(cat /tmp/view) $(tail -3 /run/agent.err)"
detach 1; shut 1; check "shut" 200 "$status"
admit 2; check "where a key is required nobody is let in without" 409 "$status"
says "and why" "brings no key"
for file in /run/agent.err /tmp/view /tmp/answer; do grep -q AAECAwQFBgcI $file && echo "CHECK FAIL the key stands in $file" || echo "CHECK ok the key stands not in $file"; done
dmesg | grep -q AAECAwQFBgcI && echo "CHECK FAIL the kernel's log has the key" || echo "CHECK ok nor in the kernel's log"
check "what is kept is its owner's alone" 600 "$(stat -c %a /run/agent/drives.json)"
