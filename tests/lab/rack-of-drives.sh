# A rack of three guests, each with a kernel and an agent of its own: a JBOF that lends two NVMe drives, and the nodes a and b, which use them over a
# network that can be cut. The controller and `busbar` run on the host. What happens stands in rack-of-drives.host, which boots jbof and a, and tells all
# three what to do, a command a line; this guest is b, and prints the checks.
#: ours busbar-agent
#: modules virtio_pci virtio_net nvme nvmet nvmet-tcp nvme-tcp configfs
#: lasts 1500
. /words
exec 3>&1
name=${guest:-b}
[ -d /sys/kernel/config/nvmet ] || mount -t configfs none /sys/kernel/config
card() { for card in /sys/class/net/*; do [ "$(cat "$card/address")" = "$1" ] && basename "$card"; done; } # MAC
up() { ip link set "$1" up; }

# The controller reaches each agent over a network that no drive is on; between the nodes and the jbof there is a line each.
card=$(card 52:54:00:00:00:01); up "$card"; ip addr add 10.0.2.15/24 dev "$card"
case $name in
jbof)
    ip addr add 10.77.0.1/32 dev lo
    for node in a:2 b:3; do
        card=$(card "52:54:00:00:02:0${node%:*}"); up "$card"
        ip addr add 10.77.1.1/32 dev "$card"; ip route add "10.77.0.${node#*:}" dev "$card" src 10.77.0.1
    done
    lends='[pooled_drives]\nlend = ["serial:SN-1", "serial:SN-2"]\nlisten_address = "10.77.0.1:4420"\n' ;;
*)
    case $name in a) number=2 ;; *) number=3 ;; esac
    card=$(card "52:54:00:00:01:0$name"); up "$card"
    ip addr add "10.77.0.$number/32" dev "$card"; ip route add 10.77.0.1 dev "$card" ;;
esac
mkdir -p /run/rack
# shellcheck disable=SC2059
printf "[agent]\nname = \"$name\"\nmode = \"enforce\"\nlisten_address = \"10.0.2.15:9711\"\nsocket = \"/run/agent.sock\"\nstate_dir = \"/run/agent\"\n\
token_file = \"/run/rack/token\"\nrack_token_file = \"/run/rack/token\"\ntls_certificate_file = \"/run/rack/cert.pem\"\ntls_key_file = \"/run/rack/key.pem\"\n$lends" >/run/agent.toml

agent_begins() {
    busbar-agent run --config /run/agent.toml >/run/agent.out 2>>/run/agent.err & echo $! >/run/agent.pid
    wait_for grep -q '^ready' /run/agent.out || { tail -3 /run/agent.err; return 1; }
}
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; } # SERIAL
reads() { dd "if=/dev/$1" bs=512 skip=8 count=1 iflag=direct 2>/dev/null | tr -d '\0' | head -1; } # DEVICE
puts() { printf '%s' "$2" | dd "of=/dev/$1" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>&1; } # DEVICE TEXT
# Who never stops: each write that the drive took is counted. A block device that is gone leaves a loop that waits for one.
writes() { # DEVICE
    n=0; echo 0 >/run/taken
    while :; do
        n=$((n + 1))
        if [ -b "/dev/$1" ]; then
            printf 'a %08d' $n | dd "of=/dev/$1" bs=512 count=1 seek=8 conv=sync,notrunc oflag=direct 2>>/run/writer && echo $n >/run/taken
        else sleep 0.1; fi
    done
}
# And what it left in the place of a device that was gone, which hides the next one.
writer_ends() { kill "$(cat /run/writer.pid)"; sleep 1; for file in /dev/nvme*n*; do [ ! -f "$file" ] || rm "$file"; done; }
grows() { first=$(cat /run/taken); sleep 0.5; [ "$(cat /run/taken)" -gt "$first" ]; }

echo "hello $name" >&9
while read -r line <&9; do
    case $line in
    end) break ;;
    'CHECK '* | 'MEASURED '* | 'SAYS '*) echo "$line"; continue ;;
    esac
    (eval "$line") >/tmp/said 2>&1; status=$?
    echo "$status:$(tr '\n' ' ' </tmp/said)" >&9
done
