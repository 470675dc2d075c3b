# The power of the controller's machine is cut at random moments while claims are made: what was acknowledged stands after each boot.
# The guest's memory is gone with its page cache, and so is what its kernel had not yet given to its disk, an ext4 in a file of the host's.
# The emulator goes on, and the host remembers which claims were acknowledged. BUSBAR_LAB=20 cuts twenty times, in the place of five.
#: ours busbar busbar-rack
#: modules crc32c_generic virtio_pci virtio_blk ext4
#: lasts 3600
. /words

# What a cut left half of a line to the host ends here.
echo >&9
ask() { # WORD: what the host answers to that; what it said to the boot before is passed over
    echo "$1 ." >&9
    while read -r -t 30 answer <&9; do
        case $answer in "$1 "*) echo "${answer#"$1 "}"; return 0 ;; esac
    done
    return 1
}
read -r cuts </given; [ -n "$cuts" ] || cuts=5
boot=$(ask boot) || { echo "CHECK FAIL the host answers"; exit; }
mkdir -p /disk
wait_for test -b /dev/vda
mount -t ext4 /dev/vda /disk || { echo "CHECK FAIL boot $boot: the disk is mounted"; exit; }
cat >/run/rack.toml <<EOF
[rack]
name = "r"
mode = "enforce"
simulated = true
listen_address = "127.0.0.1:9712"
state_dir = "/disk/rack"
keep_events = 1000
[[domain]]
name = "contract"
source = "budget"
budget_watts = 100000
redundancy = "n"
EOF
export BUSBAR_RACK=http://127.0.0.1:9712

[ "$boot" = 1 ] || holds "boot $boot: the journal's chain is whole" busbar-rack journal verify /disk/rack
busbar-rack serve --config /run/rack.toml >/run/rack.out 2>/run/rack.err &
wait_for grep -q '^ready' /run/rack.out || { echo "CHECK FAIL boot $boot: the controller starts: $(tail -3 /run/rack.err)"; exit; }
busbar show claims -o json >/run/claims || echo "CHECK FAIL boot $boot: the claims are shown"

# Every claim that was acknowledged, by its name: the boot, who asked, its number. One of each who asked may be there beside: its answer was cut off.
acknowledged=$(ask acknowledged) || echo "CHECK FAIL boot $boot: the host answers"
awk -v said="$acknowledged" '
    /"for":/ { split($0, part, "\""); there[part[4]] = 1; claims++ }
    END {
        runs = split(said, run, " ")
        for (r = 1; r <= runs; r++) {
            split(run[r], its, ":")
            for (number = 1; number <= its[2]; number++) {
                all++
                if (!((its[1] "-" number) in there)) lost = lost " " its[1] "-" number
            }
        }
        print all + 0, claims - all, lost
    }' /run/claims >/run/judged
read -r all beside lost </run/judged
if [ "$boot" -gt 1 ]; then
    check "boot $boot: each claim that was acknowledged stands" "" "$lost"
    [ "$all" -ge $((boot - 1)) ] && echo "CHECK ok boot $boot: $all were acknowledged" || echo "CHECK FAIL boot $boot: only $all were acknowledged"
    [ "$beside" -le $((4 * (boot - 1))) ] && echo "CHECK ok boot $boot: and none that nobody made" || echo "CHECK FAIL boot $boot: $beside that nobody made"
fi
if [ "$boot" -gt "$cuts" ]; then
    echo "MEASURED $cuts cuts of the power: $all claims were acknowledged, $beside more were written and not answered any more"
    exit
fi

asks() { # WHO: one claim after the other on one connection, each told to the host when it was acknowledged
    mkfifo "/run/to-$1" "/run/from-$1"
    nc 127.0.0.1 9712 <"/run/to-$1" >"/run/from-$1" &
    exec 3>"/run/to-$1" 4<"/run/from-$1"
    number=0
    while number=$((number + 1)); do
        body="{\"for\":\"$boot-$1-$number\",\"watts\":1}"
        printf 'POST /v1/claims HTTP/1.1\r\nHost: 127.0.0.1:9712\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' ${#body} "$body" >&3
        # No line ends a body, so what the next answer begins with stands behind the last one's.
        line=; while read -r line <&4; do case $line in *'HTTP/1.1 '*) break ;; esac; done
        case $line in *'HTTP/1.1 201'*) echo "held $1 $number ." >&9 ;; *) echo "CHECK FAIL $boot-$1-$number is taken: $line"; return ;; esac
    done
}
qmp set-action '{"reboot":"reset"}' || { echo "CHECK FAIL the emulator goes on after a reset"; exit; }
for who in 1 2 3 4; do asks $who & done
random=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
sleep $((3 + random % 6)).$((random % 1000 + 1000))
echo '{"execute":"system_reset"}' >&9
sleep 60
echo "CHECK FAIL boot $boot: the power goes"
