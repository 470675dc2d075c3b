//! The families of `drive_health`. The label `device` is that of `busbar_disk_info`; of an NVMe controller with several
//! namespaces, that of the first.

facts::families! {
    HEALTH Gauge "busbar_disk_health" ["device"]
        "The drive's own verdict: 0 ok, 1 warning, 2 critical." from "NVMe log 02h, SMART RETURN STATUS, SCSI log 2Fh";
    WARNING Gauge "busbar_disk_warning" ["device", "warning"]
        "1 for each thing that a drive warns of now; absent where it does not." from "NVMe log 02h, SMART RETURN STATUS, SCSI log 2Fh";
    TEMPERATURE Gauge "busbar_disk_temperature_celsius" ["device"]
        "Temperature of a drive as a whole." from "NVMe log 02h, SMART, SCSI log 0Dh";
    SENSOR Gauge "busbar_disk_sensor_temperature_celsius" ["device", "sensor"]
        "Temperature of one sensor of a drive, by the drive's number of it." from "NVMe log 02h";
    LIMIT Gauge "busbar_disk_temperature_limit_celsius" ["device", "limit"]
        "Temperature at which a drive warns, and at which it is damaged or stops." from "NVMe Identify Controller, SMART statistics, SCSI log 0Dh";
    WEAR Gauge "busbar_disk_wear_ratio" ["device"]
        "Part of a drive's rated life that is used; it may go beyond 1." from "NVMe log 02h, SMART statistics, SCSI log 11h";
    SPARE Gauge "busbar_disk_spare_ratio" ["device"]
        "Spare blocks that are left, of those that the drive came with." from "NVMe log 02h";
    SPARE_THRESHOLD Gauge "busbar_disk_spare_threshold_ratio" ["device"]
        "Spare below which the drive warns." from "NVMe log 02h";
    MEDIA_ERRORS Counter "busbar_disk_media_errors_total" ["device"]
        "Errors that a drive could not correct, in its life." from "NVMe log 02h, SMART, SCSI logs 02h and 03h";
    REALLOCATED Counter "busbar_disk_reallocated_sectors_total" ["device"]
        "Sectors that a drive has replaced, in its life." from "SMART";
    PENDING Gauge "busbar_disk_pending_sectors" ["device"]
        "Sectors that a drive could not read and has not replaced yet." from "SMART";
    READ Counter "busbar_disk_read_bytes_total" ["device"]
        "Bytes that hosts have read from a drive, in its life, as it counts them itself." from "NVMe log 02h, SMART statistics, SCSI log 03h";
    WRITTEN Counter "busbar_disk_written_bytes_total" ["device"]
        "Bytes that hosts have written to a drive, in its life, as it counts them itself." from "NVMe log 02h, SMART statistics, SCSI log 02h";
    POWER_ON Counter "busbar_disk_power_on_seconds_total" ["device"]
        "Time that a drive was under power, in its life; most count hours." from "NVMe log 02h, SMART, SCSI log 15h";
    POWER_CYCLES Counter "busbar_disk_power_cycles_total" ["device"]
        "How often a drive was switched on." from "NVMe log 02h, SMART";
    UNSAFE_SHUTDOWNS Counter "busbar_disk_unsafe_shutdowns_total" ["device"]
        "How often a drive lost its power unprepared." from "NVMe log 02h";
}
