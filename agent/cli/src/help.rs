//! What stands below the options in `--help`: examples first.

/// Below the options of `busbar`.
pub const AFTER_HELP: &str = "\
First steps:
  busbar show                                  the rack as one machine
  busbar show power                            supplies, sums, headroom
  busbar claim power --watts 800 --for web     hold firm watts; they survive the loss of a supply
  busbar drain shelf/psu-3 --dry-run           may this supply be pulled?
  busbar run --cpus 1 --exclusive -- CMD       run CMD on a core of its own, on this machine
  busbar verify web-1                          was nobody else on its CPUs?
  busbar top                                   watch this machine; busbar top http://n01:9711 another one
  busbar events -f                             follow the journal

Exit codes: 0 done, 1 failed, 2 wrong usage or a bad ask, 3 refused (the sentence says what would help), 4 unreachable.
`busbar run` passes the command's own exit status on.";

/// Below the options of `busbar top`.
pub const TOP_HELP: &str = "\
Keys: q quits, j and k or the arrows scroll, r reads at once. `-` is no zero: beside it stands why there is no value.

Examples:
  busbar top                                   the local agent, over its socket
  busbar top http://n01:9711 --interval 5      another node
  busbar top --once                            one frame, as text
  busbar top --output json | jq '.tables[0]'   one frame, for programs";

/// Below the options of `busbar verify`.
pub const VERIFY_HELP: &str = "\
Exit codes: 0 proven (or the workload shares its CPUs), 3 not proven; the lines say who else was there and what would help.

Examples:
  busbar verify web-1                          watch for 5 seconds
  busbar verify web-1 --for 30s --output json  longer, for programs";
