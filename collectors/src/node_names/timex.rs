//! Names of node_exporter's `timex`, and the size of a page: two calls that neither std nor nix offer.
#![allow(unsafe_code)] // adjtimex(2) and sysconf(3) have no safe wrapper among our dependencies.

use std::sync::OnceLock;

use facts::sheet::Writing;
use nix::libc;

use super::select::float;

facts::families! {
    OFFSET Gauge "node_timex_offset_seconds" []
        "Offset between this clock and its reference." from "adjtimex";
    FREQUENCY Gauge "node_timex_frequency_adjustment_ratio" []
        "How much faster than its own pace the clock is made to run." from "adjtimex";
    MOST_ERROR Gauge "node_timex_maxerror_seconds" []
        "The most that the clock may be off." from "adjtimex";
    ERROR Gauge "node_timex_estimated_error_seconds" []
        "How much the clock is thought to be off." from "adjtimex";
    STATUS Gauge "node_timex_status" []
        "Bits of the clock's status." from "adjtimex";
    CONSTANT Gauge "node_timex_loop_time_constant" []
        "Time constant of the loop that disciplines the clock." from "adjtimex";
    TICK Gauge "node_timex_tick_seconds" []
        "Time between ticks." from "adjtimex";
    PPS_FREQUENCY Gauge "node_timex_pps_frequency_hertz" []
        "Frequency of the pulse a second." from "adjtimex";
    PPS_JITTER Gauge "node_timex_pps_jitter_seconds" []
        "Jitter of the pulse a second." from "adjtimex";
    PPS_SHIFT Gauge "node_timex_pps_shift_seconds" []
        "Interval over which the pulse is measured." from "adjtimex";
    PPS_STABILITY Gauge "node_timex_pps_stability_hertz" []
        "Stability of the pulse a second." from "adjtimex";
    PPS_JITTERS Counter "node_timex_pps_jitter_total" []
        "Times that the jitter was beyond its limit." from "adjtimex";
    PPS_CALIBRATIONS Counter "node_timex_pps_calibration_total" []
        "Calibrations by the pulse." from "adjtimex";
    PPS_ERRORS Counter "node_timex_pps_error_total" []
        "Calibrations by the pulse that failed." from "adjtimex";
    PPS_STABILITIES Counter "node_timex_pps_stability_exceeded_total" []
        "Times that the stability was beyond its limit." from "adjtimex";
    TAI Gauge "node_timex_tai_offset_seconds" []
        "Offset of international atomic time." from "adjtimex";
    SYNCHRONIZED Gauge "node_timex_sync_status" []
        "Whether the clock follows a reference: 1 or 0." from "adjtimex";
}

/// Parts of a part in a million in which adjtimex(2) tells frequencies.
const SCALED_PPM: f64 = 65_536_000_000.0;
const MICRO: f64 = 1e6;
const NANO: f64 = 1e9;

/// What a page has on every machine where the kernel does not tell.
const USUAL_PAGE: u64 = 4096;

/// Bytes of a page on this machine.
pub(super) fn page_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // SAFETY: sysconf(3) takes a number and gives one; it touches no memory of ours.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        u64::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes > 0)
            .unwrap_or(USUAL_PAGE)
    })
}

/// How the kernel disciplines the clock.
pub(super) fn write(sheet: &mut Writing<'_>) {
    // SAFETY: timex is a plain C structure of integers, for which zeros are valid; modes 0 changes nothing.
    let mut told: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to our own structure, which lives through the call.
    let state = unsafe { libc::adjtimex(&raw mut told) };
    if state < 0 {
        return;
    }
    let fine = if told.status & libc::STA_NANO == 0 {
        MICRO
    } else {
        NANO
    };
    let status = float(i64::from(told.status));
    let rows = [
        (&OFFSET, float(told.offset) / fine),
        (&FREQUENCY, 1.0 + float(told.freq) / SCALED_PPM),
        (&MOST_ERROR, float(told.maxerror) / MICRO),
        (&ERROR, float(told.esterror) / MICRO),
        (&STATUS, status),
        (&CONSTANT, float(told.constant)),
        (&TICK, float(told.tick) / MICRO),
        (&PPS_FREQUENCY, float(told.ppsfreq) / SCALED_PPM),
        (&PPS_JITTER, float(told.jitter) / fine),
        (&PPS_SHIFT, float(i64::from(told.shift))),
        (&PPS_STABILITY, float(told.stabil) / SCALED_PPM),
        (&PPS_JITTERS, float(told.jitcnt)),
        (&PPS_CALIBRATIONS, float(told.calcnt)),
        (&PPS_ERRORS, float(told.errcnt)),
        (&PPS_STABILITIES, float(told.stbcnt)),
        (&TAI, float(i64::from(told.tai))),
    ];
    for (family, number) in rows {
        sheet.add(family, &[], Some(number));
    }
    sheet.add(&SYNCHRONIZED, &[], Some(state != libc::TIME_ERROR));
}
