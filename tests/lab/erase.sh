# Erasing drives: who is in use, or is somebody's, is refused and nothing is written to it (the host reads the drives from outside); what can
# be erased is, with samples that were read back; over `kill -9` and a loss of power nothing is called done that is not.
# QEMU's NVMe drives know Format NVM and no Sanitize, its SATA disks no SECURITY feature set: those are not shown here.
#: modules crc32c_generic virtio_pci virtio_blk ext4 nvme ahci libata sd_mod nvmet configfs raid1 md_mod
#: module scsi_debug dev_size_mb=8
#: packages mdadm lvm2 cryptsetup-bin fdisk
#: examples erase
#: lasts 900
. /words
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

echo >&9
ask() { # LINE: what the host answers to that, by its first word
    echo "$1" >&9
    while read -r -t 30 answer <&9; do
        case $answer in "${1%% *} "*) echo "${answer#* }"; return 0 ;; esac
    done
    return 1
}
boot=$(ask boot) || { echo "CHECK FAIL the host answers"; exit; }
by_serial() { for disk in /sys/block/*; do [ "$(cat "$disk/serial" "$disk/device/serial" 2>/dev/null | tr -d ' ')" = "$1" ] && basename "$disk" && return 0; done; return 1; }
for serial in STATE VD-1 VD-2; do wait_for by_serial $serial; done
virtio=$(by_serial VD-1); guarded=$(by_serial VD-2); state=$(by_serial STATE)
mkdir -p /state /mnt; wait_for test -b "/dev/$state"
mount -t ext4 "/dev/$state" /state || { echo "CHECK FAIL boot $boot: the disk of the records is mounted"; exit; }
says() { grep -q -- "$2" /tmp/out && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(tr '\n' ' ' </tmp/out | tail -c 600)"; }
told() { tail -1 /tmp/out | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# --- after the power went: the record says what was under way
if [ "$boot" = 2 ]; then
    erase outcome /state/virtio.json >/tmp/out 2>&1; check "after a loss of power nothing is called done" null "$(cat /tmp/out)"
    before=$(ask "sum virtio"); [ "$before" != blank ] && echo "CHECK ok and it is not" || echo "CHECK FAIL the power came too late"
    erase resume "$virtio" VD-9 /state/virtio.json >/tmp/out 2>&1; check "a record is of one drive" 3 $?
    check "and nothing is written to another" "$before" "$(ask "sum virtio")"
    erase resume "$virtio" VD-1 /state/virtio.json >/tmp/out 2>&1; check "what was under way is done anew" 0 $?
    says "and says so" '"is":"done"'; check "and nothing is left of it, read from outside" blank "$(ask "sum virtio")"
    exit
fi

# --- what speaks against it: nothing is written
clean() { dd if=/dev/zero "of=/dev/$guarded" bs=1M count=64 oflag=direct 2>/dev/null; }
refuses() { # NAME EXPECTED: the drive that is guarded is not erased, and says why
    erase obstacles "$guarded" >/tmp/out 2>&1; says "$1: told" "$2"
    sync; before=$(ask "sum guarded")
    erase begin "$guarded" VD-2 /state/guarded.json overwrite >/tmp/out 2>&1; check "$1: refused" 3 $?; says "$1: with why" "$3"
    check "$1: nothing was written to it, read from outside" "$before" "$(ask "sum guarded")"
}
erase obstacles "$guarded" >/tmp/out 2>&1; check "nothing speaks against a blank drive" "" "$(cat /tmp/out)"
mkfs.ext4 -q -F "/dev/$guarded" 2>/dev/null || mke2fs "/dev/$guarded" >/dev/null 2>&1
mount -t ext4 "/dev/$guarded" /mnt 2>/dev/null || mount -t ext2 "/dev/$guarded" /mnt; refuses "mounted" "mounted at /mnt" "in use"
umount /mnt; clean
mkswap "/dev/$guarded" >/dev/null 2>&1; swapon "/dev/$guarded"; refuses "swap" "swaps to" "in use"
swapoff "/dev/$guarded"; refuses "swap that is off" "swap space" "swap space"; clean
printf 'label: gpt\n,8M\n' | sfdisk -q "/dev/$guarded" >/dev/null 2>&1; refuses "a partition table" "GPT" "GPT"; clean; sfdisk --delete "/dev/$guarded" >/dev/null 2>&1; blockdev --rereadpt "/dev/$guarded" 2>/dev/null
printf 'label: dos\n,8M\n' | sfdisk -q "/dev/$guarded" >/dev/null 2>&1; refuses "an old partition table" "MBR" "MBR"; clean; blockdev --rereadpt "/dev/$guarded" 2>/dev/null
mdadm --create /dev/md7 --run --level=1 --raid-devices=2 --metadata=1.2 "/dev/$guarded" missing >/tmp/md 2>&1 </dev/null || tail -2 /tmp/md
refuses "a member of an array" "part of md7" "in use"
mdadm --stop /dev/md7 >/dev/null 2>&1; refuses "a member of an array that is off" "(md)" "(md)"; clean
lvm pvcreate -qq -y --config 'devices{use_devicesfile=0}' "/dev/$guarded" >/tmp/pv 2>&1 || tail -2 /tmp/pv
refuses "an LVM volume" "LVM" "LVM"; clean
printf secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "/dev/$guarded" - >/tmp/luks 2>&1 || tail -2 /tmp/luks
refuses "an encrypted drive" "LUKS" "LUKS"
# Its tenant made it so, and gave it back: then that is what goes.
erase begin "$guarded" VD-2 /state/guarded.json overwrite lent >/tmp/out 2>&1; check "what a tenant left is erased" 0 $?
check "and nothing is left of it, read from outside" blank "$(ask "sum guarded")"
[ -d /sys/kernel/config/nvmet ] || mount -t configfs none /sys/kernel/config
if [ -d /sys/kernel/config/nvmet ]; then
    s=/sys/kernel/config/nvmet/subsystems/nqn.2020-01.org.other:x; mkdir $s $s/namespaces/1; echo "/dev/$guarded" >$s/namespaces/1/device_path
    refuses "a drive that this machine's target offers" "org.other:x" "org.other:x"; rmdir $s/namespaces/1 $s
else echo "CHECK SKIP a drive that a target offers: this kernel has no nvmet"; fi

# --- the gate, the name, the method
ask "fill guarded" >/dev/null; before=$(ask "sum guarded")
erase begin "$guarded" VD-2 /state/guarded.json overwrite observe >/tmp/out 2>&1; check "observe refuses" 3 $?; says "by its mode" "in mode observe"
erase begin "$guarded" VD-1 /state/guarded.json overwrite >/tmp/out 2>&1; check "another drive than the one that is meant is refused" 3 $?; says "with both" "says that it is VD-2; expected VD-1"
erase begin "$guarded" VD-2 /state/guarded.json >/tmp/out 2>&1; check "without a method nothing is done" 3 $?; says "and that is said" "was not allowed"
check "nothing was written to it, read from outside" "$before" "$(ask "sum guarded")"

# --- the light of a bay in which nothing sits, and of one that has none
check "the slot is empty" "" "$(ls -d /sys/bus/pci/devices/$(cat /sys/bus/pci/slots/7/address 2>/dev/null || echo none).0 2>/dev/null)"
check "its light is off" off "$(erase locate 7)"
holds "it is lit" erase locate 7 on; check "and read back" on "$(erase locate 7)"; check "it blinks" 2 "$(cat /sys/bus/pci/slots/7/attention)"
holds "it is put out" erase locate 7 off; check "and read back dark" off "$(erase locate 7)"
erase locate 9 >/tmp/out 2>&1; check "a bay without a light is refused" 3 $?; says "by name" 'locate LED of bay "9"'

# --- NVMe: Format NVM
namespace() { echo "$(basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial | head -1)")")n1"; }
wait_for namespace SN-1; wait_for namespace SN-2; one=$(namespace SN-1); two=$(namespace SN-2)
wait_for test -b "/dev/$one"; wait_for test -b "/dev/$two"
ask "fill nvme" >/dev/null
start=$(uptime_ms); erase begin "$one" SN-1 /state/nvme.json >/tmp/out 2>&1; check "an NVMe drive is formatted with its data erased" 0 $?
echo "MEASURED 64 MiB of QEMU's NVMe formatted and read back: $(($(uptime_ms) - start)) ms"
check "by its own command" format_block "$(told method)"; check "64 samples were read back" 64 "$(told samples)"; check "none of them is dirty" 0 "$(told dirty)"
check "it told who it is afterwards" SN-1 "$(told serial)"; [ -n "$(told written)" ] && echo "CHECK ok and its counter" || echo "CHECK FAIL its counter: $(cat /tmp/out)"
check "nothing is left of it, read from outside" blank "$(ask "sum nvme")"
ask "fill first" >/dev/null; ask "fill second" >/dev/null; before=$(ask "sum first")
erase begin "$two" SN-2 /state/two.json overwrite >/tmp/out 2>&1; check "a drive of several namespaces is refused" 3 $?; says "with the other one" "another namespace"
check "nothing was written to it, read from outside" "$before" "$(ask "sum first")"

# --- SATA, SCSI
sata=$(basename "$(dirname "$(dirname "$(grep -l ATA /sys/block/sd*/device/vendor)")")")
ask "fill sata" >/dev/null
erase begin "$sata" QM-3 /state/sata.json >/tmp/out 2>&1; check "a SATA disk without the SECURITY feature set is refused" 3 $?; says "and that is said" "no SECURITY feature set"
erase begin "$sata" QM-3 /state/sata.json overwrite >/tmp/out 2>&1; check "a SATA disk is overwritten where that is allowed" 0 $?; says "and says what it could not do" "no SECURITY feature set"
check "nothing is left of it, read from outside" blank "$(ask "sum sata")"
scsi=$(basename "$(dirname "$(dirname "$(grep -l scsi_debug /sys/block/sd*/device/model)")")")
yes tenant | dd "of=/dev/$scsi" bs=1M count=8 iflag=fullblock oflag=direct 2>/dev/null
serial=$(tail -c +5 "/sys/block/$scsi/device/vpd_pg80" | tr -d '\0 ')
erase begin "$scsi" "$serial" /state/scsi.json overwrite >/tmp/out 2>&1; check "a SCSI disk is overwritten where that is allowed" 0 $?
check "and nothing is left of it" "" "$(dd "if=/dev/$scsi" bs=1M iflag=direct 2>/dev/null | tr -d '\0' | head -c 8)"

# --- killed, and begun anew
ask "fill virtio" >/dev/null
erase begin "$virtio" VD-1 /state/virtio.json overwrite >/tmp/first 2>&1 & eraser=$!
far() { grep -q '"permille":[2-9][0-9][0-9]' /tmp/first; }
wait_for far; erase begin "$virtio" VD-1 /state/other.json overwrite >/tmp/out 2>&1; check "nobody else can take it meanwhile" 3 $?; says "by the kernel's word" "in use"
kill -9 $eraser; wait $eraser 2>/dev/null
erase outcome /state/virtio.json >/tmp/out 2>&1; check "killed in the middle, nothing is called done" null "$(cat /tmp/out)"
erase resume "$virtio" VD-1 /state/virtio.json >/tmp/out 2>&1; check "it is done anew" 0 $?
check "and nothing is left of it, read from outside" blank "$(ask "sum virtio")"
erase resume "$virtio" VD-1 /state/virtio.json >/tmp/out 2>&1; check "how it ended is kept" 0 $?; check "and it is done only once" 1 "$(wc -l </tmp/out)"

# --- the power goes in the middle
ask "fill virtio" >/dev/null
qmp set-action '{"reboot":"reset"}' || echo "CHECK FAIL the emulator goes on after a reset"
erase begin "$virtio" VD-1 /state/virtio.json overwrite >/tmp/first 2>&1 &
wait_for far
echo '{"execute":"system_reset"}' >&9
sleep 60
echo "CHECK FAIL the power goes"
