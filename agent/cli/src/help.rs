//! What stands below the options in `--help`: examples first.

/// Below the options of `busbar`.
pub const AFTER_HELP: &str = "\
First steps:
  busbar show                                  the rack as one machine
  busbar show power                            supplies, sums, headroom
  busbar claim power --watts 800 --for web     hold firm watts; they survive the loss of a supply
  busbar drain shelf/psu-3 --dry-run           may this supply be pulled?
  busbar swap shelf/psu-3                      swap it, step by step
  busbar doubts                                what BMCs say and cannot be believed
  busbar show drives                           pooled drives: which bay, whose
  busbar claim drives --for db --node n01      a drive of the pool for a node
  busbar run --cpus 1 --exclusive -- CMD       run CMD on a core of its own, on this machine
  busbar place asks.toml                       where would all of these go?
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

/// Below the options of `busbar place`.
pub const PLACE_HELP: &str = "\
The file holds an [[ask]] for each workload, in the words of `busbar run`'s options; `count` is how many of them. A text that
begins with { is JSON: {\"ask\": [{...}]}. The most difficult are placed first, and none of the places overlap.

  [[ask]]
  name = \"web\"
  count = 3
  cpus = 4
  exclusive = true
  memory = \"32GiB\"
  topology = \"single-numa-node\"

Exit codes: 0 all fit, 2 the file is wrong, 3 not all fit; the lines say what is missing and what would help.

Examples:
  busbar place asks.toml                       who goes where, and why
  busbar place - --output json < asks.json     for programs
  busbar place asks.toml --all-or-nothing      no places at all unless all fit";

/// Below the options of `busbar defrag`.
pub const DEFRAG_HELP: &str = "\
With an ask (the options of `busbar run`) it looks for the cheapest moves after which that fits; without one, for as many
exclusive CPUs on one NUMA node as moving can bring together. Nothing moves: it is a proposal. A cost in seconds is an upper
bound at the rate: all promised memory that would go to another NUMA node.

Exit codes: 0 it fits, now or after the moves; 3 no moves were found.

Examples:
  busbar defrag                                what moving would give
  busbar defrag --cpus 16 --exclusive --topology single-numa-node
  busbar defrag --cpus 16 --exclusive --rate 4GiB --output json";

/// Below the options of `busbar verify`.
pub const VERIFY_HELP: &str = "\
Exit codes: 0 proven (or the workload shares its CPUs), 3 not proven; the lines say who else was there and what would help.

Examples:
  busbar verify web-1                          watch for 5 seconds
  busbar verify web-1 --for 30s --output json  longer, for programs";
