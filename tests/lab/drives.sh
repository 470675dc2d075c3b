# Drives on a real kernel: what they say of themselves is what nvme-cli reads, a warning is a warning, a disk that sleeps stays
# asleep, a drive that hangs silences no other, a drive that goes takes its series with it. Two NVMe controllers, one SATA disk,
# one SCSI disk of the kernel's own scsi_debug.
#: modules nvme ahci libata sd_mod
#: module scsi_debug dev_size_mb=8
#: qemu -device pcie-root-port,id=rp1,chassis=1,slot=1 -device pcie-root-port,id=rp2,chassis=2,slot=2
#: qemu -device pcie-root-port,id=rp3,chassis=3,slot=3
#: qemu -blockdev driver=null-co,node-name=d0,size=67108864,read-zeroes=on
#: qemu -blockdev driver=null-co,node-name=d1,size=67108864,read-zeroes=on
#: qemu -blockdev driver=null-co,node-name=d2,size=67108864,read-zeroes=on
#: qemu -blockdev driver=null-co,node-name=d3,size=67108864,read-zeroes=on
#: qemu -device nvme,id=nv0,serial=SN-0,bus=rp1,drive=d0 -device nvme,id=nv1,serial=SN-1,bus=rp2,drive=d1
#: qemu -device ide-hd,id=sata0,drive=d3,bus=ide.0,serial=QM-3
#: programs nvme
. /words

controller() { basename "$(dirname "$(grep -l "$1" /sys/class/nvme/nvme*/serial)")"; } # the kernel numbers them as they come
wait_for controller SN-0; wait_for controller SN-1; wait_for test -e /dev/sdb
zero=$(controller SN-0); one=$(controller SN-1)
sata=$(basename "$(dirname "$(dirname "$(grep -l ATA /sys/block/sd*/device/vendor)")")")
scsi=$(basename "$(dirname "$(dirname "$(grep -l scsi_debug /sys/block/sd*/device/model)")")")
facts() { busbar-agent facts --output json >/run/facts.json 2>/run/facts.err; }
health() { sed -n "/\"read_from\": \"$1\"/,/\"unsafe_shutdowns\"/p" /run/facts.json; }
value() { health "$1" | sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",{]*\)\"\{0,1\},\{0,1\}\$/\1/p"; }
reason() { health "$1" | grep -A 1 "\"$2\": {" | sed -n 's/.*"no_data": "\(.*\)".*/\1/p'; }
log() { nvme smart-log "/dev/$1" -o json | sed -n "s/^ *\"$2\" *: *\"\{0,1\}\([0-9]*\).*/\1/p" | head -1; }

# --- the health log of an NVMe drive, against nvme-cli
dd if="/dev/${zero}n1" of=/dev/null bs=1M count=32 2>/dev/null
facts
check "the verdict of a drive that is well" ok "$(value "$zero" state)"
check "323 K are 50 degrees Celsius" 50 "$(value "$zero" temperature_celsius)"
check "the temperature is nvme-cli's" "$(log "$zero" temperature)" "$(($(value "$zero" temperature_celsius) + 273))"
check "the bytes read are nvme-cli's data units" "$(($(log "$zero" data_units_read) * 512000))" "$(value "$zero" read_bytes)"
check "the spare is nvme-cli's" "$(log "$zero" avail_spare)" "$(value "$zero" spare_percent)"
check "the wear is nvme-cli's" "$(log "$zero" percent_used)" "$(value "$zero" used_percent)"
check "the hours under power are nvme-cli's" "$(($(log "$zero" power_on_hours) * 3600))" "$(value "$zero" power_on_seconds)"
check "the media errors are nvme-cli's" "$(log "$zero" media_errors)" "$(value "$zero" media_errors)"

# --- a warning
qmp qom-set '{"path":"/machine/peripheral/nv0","property":"smart_critical_warning","value":1}'
facts; check "a spare below its threshold is a warning" warning "$(value "$zero" state)"
health "$zero" | grep -q '"spare"' && echo "CHECK ok the warning is named" || echo "CHECK FAIL the warning is named: $(health "$zero" | head -5 | tr '\n' ' ')"
qmp qom-set '{"path":"/machine/peripheral/nv0","property":"smart_critical_warning","value":4}'
facts; check "degraded reliability is critical" critical "$(value "$zero" state)"
qmp qom-set '{"path":"/machine/peripheral/nv0","property":"smart_critical_warning","value":0}'

# --- SATA and SCSI
check "SMART of a SATA disk: the verdict" ok "$(value "$sata" state)"
check "SMART of a SATA disk: the temperature" 31 "$(value "$sata" temperature_celsius)"
check "log page 0Dh of a SCSI disk" 38 "$(value "$scsi" temperature_celsius)"
check "log page 2Fh of a SCSI disk" ok "$(value "$scsi" state)"
# --- a recording replays what the drives said, and does not name them
busbar-agent record --yes --output /run/picture.tar >/run/picture.list 2>&1; tar -xf /run/picture.tar -C /run
busbar-agent facts --root /run/busbar-record --output json >/run/facts.json 2>/run/facts.err
check "a recording replays the log of an NVMe drive" 50 "$(value "$zero" temperature_celsius)"
check "a recording replays SMART of a SATA disk" 31 "$(value "$sata" temperature_celsius)"
check "a recording replays the log of a SCSI disk" 38 "$(value "$scsi" temperature_celsius)"
check "no recorded page names its drive" 0 "$(grep -rl 'SN-[0-9]' /run/busbar-record/busbar | wc -l)"
# --- disks that sleep
# The kernel itself puts both to sleep (STANDBY IMMEDIATE, START STOP UNIT); whoever opened them would wake them.
power() { cat "/sys/block/$1/device/power/runtime_status"; }
asleep() { [ "$(power "$1")" = suspended ]; }
for disk in $sata $scsi; do
    echo 500 >"/sys/block/$disk/device/power/autosuspend_delay_ms"; echo auto >"/sys/block/$disk/device/power/control"
    wait_for asleep "$disk" || echo "CHECK FAIL the kernel puts $disk to sleep: $(power "$disk")"
done
facts
for disk in $sata $scsi; do
    check "a disk that sleeps is off ($disk)" off "$(reason "$disk" temperature_celsius)"
    check "and sleeps on ($disk)" suspended "$(power "$disk")"
done

# --- the agent runs; a drive hangs
printf '[agent]\nname = "guest"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n' >/run/agent.toml
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
agent=$!
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
shows() { get /metrics >/run/page; grep -qF "$1" /run/page; }
lacks() { ! shows "$1"; }
holds "the scrape has the temperature" wait_for shows "busbar_disk_temperature_celsius{device=\"${zero}n1\"} 50"
holds "and that of the other drive" wait_for shows "busbar_disk_temperature_celsius{device=\"${one}n1\"} 50"
threads() { ls "/proc/$agent/task" | wc -l; }
before=$(threads)
sleep 11 # for 10 s a drive says again what it said
qmp qom-set "{\"path\":\"/machine/peripheral/nv1\",\"property\":\"realized\",\"value\":false}"
qmp device_add '{"driver":"nvme","id":"nv2","serial":"SN-2","bus":"rp3","drive":"d2"}' # a new drive: all are asked at once
began=$(uptime_ms)
holds "a drive that hangs is told" wait_for shows "busbar_source_status_info{source=\"drive_health/$one\",reason=\"timeout\"} 1"
echo "MEASURED a drive that hangs: $(($(uptime_ms) - began)) ms until its source is down"
check "the other drive speaks on" 1 "$(grep -cF "busbar_disk_temperature_celsius{device=\"${zero}n1\"} 50" /run/page)"
check "the source speaks on" 1 "$(grep -cF 'busbar_source_up{source="drive_health"} 1' /run/page)"
check "the hung drive's series are gone" 0 "$(grep -cF "busbar_disk_temperature_celsius{device=\"${one}n1\"}" /run/page)"
now=$(threads)
[ "$now" -le "$((before + 2))" ] && echo "CHECK ok threads are bounded ($before before, $now now)" || echo "CHECK FAIL threads are bounded: $before before, $now now"

# --- a drive goes
qmp device_del '{"id":"nv0"}'
wait_for test ! -e "/sys/class/nvme/$zero"
holds "a drive that goes takes its series with it" wait_for lacks "device=\"${zero}n1\""
kill $agent; wait $agent; check "the agent stops in order" 0 $?
