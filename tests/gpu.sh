#!/bin/sh
# Compares what busbar-agent serves of each NVIDIA GPU with what nvidia-smi says, on a machine that has one.
#
#   sh tests/gpu.sh [URL]        URL of the agent's page; without one http://127.0.0.1:9711/metrics
#
# What does not change must be equal. What does is asked of nvidia-smi right before and right after the page, and the page must
# lie between the two, give or take what each line says: the agent asks the driver every five seconds. Exits 1 where one differs.
set -eu
url=${1:-http://127.0.0.1:9711/metrics}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
command -v nvidia-smi >/dev/null || { echo "there is no nvidia-smi here: nothing to compare with" >&2; exit 2; }

# Equal: a series without its GPU, and the field that nvidia-smi calls the same.
equal='
busbar_gpu_info{pci_bus_id}|pci.bus_id
busbar_gpu_info{model}|name
busbar_gpu_info{vbios}|vbios_version
busbar_gpu_info{driver}|driver_version
busbar_gpu_memory_bytes{state="total"}|memory.total|1048576
busbar_gpu_memory_bytes{state="reserved"}|memory.reserved|1048576
busbar_gpu_power_limit_watts{constraint="set"}|power.limit
busbar_gpu_power_limit_watts{constraint="enforced"}|enforced.power.limit
busbar_gpu_power_limit_watts{constraint="least"}|power.min_limit
busbar_gpu_power_limit_watts{constraint="most"}|power.max_limit
busbar_gpu_ecc_errors_total{severity="corrected"}|ecc.errors.corrected.aggregate.total
busbar_gpu_ecc_errors_total{severity="uncorrected"}|ecc.errors.uncorrected.aggregate.total
'
# Near: the same with how much may lie between, in the unit of nvidia-smi.
near='
busbar_gpu_memory_bytes{state="used"}|memory.used|1048576|64
busbar_gpu_memory_bytes{state="free"}|memory.free|1048576|64
busbar_gpu_power_watts{}|power.draw|1|60
busbar_gpu_temperature_celsius{sensor="core"}|temperature.gpu|1|4
busbar_gpu_temperature_celsius{sensor="memory"}|temperature.memory|1|4
busbar_gpu_clock_hertz{domain="graphics"}|clocks.gr|1000000|250
busbar_gpu_clock_hertz{domain="sm"}|clocks.sm|1000000|250
busbar_gpu_clock_hertz{domain="memory"}|clocks.mem|1000000|0
busbar_gpu_clock_hertz{domain="video"}|clocks.video|1000000|250
busbar_gpu_utilization_ratio{engine="sm"}|utilization.gpu|0.01|10
busbar_gpu_utilization_ratio{engine="memory"}|utilization.memory|0.01|25
'
fields=$(printf '%s%s' "$equal" "$near" | awk -F'|' 'NF > 1 && !seen[$2]++ { printf ",%s", $2 }')
smi() { nvidia-smi --query-gpu="uuid$fields" --format=csv,noheader,nounits >"$1"; }
smi "$scratch/before"
curl -sf "$url" >"$scratch/page" || { echo "no page at $url" >&2; exit 2; }
smi "$scratch/after"

printf '%s' "$equal" >"$scratch/equal"
printf '%s' "$near" >"$scratch/near"
awk -v fields="uuid$fields" '
function trim(text) { gsub(/^ +| +$/, "", text); return text }
# The value of a series of this GPU, or of one of its labels.
function of_page(wanted, uuid,    family, label, i, series, rest) {
    family = wanted; sub(/\{.*/, "", family)
    label = wanted; sub(/^[^{]*\{/, "", label); sub(/\}$/, "", label)
    for (i = 1; i <= lines; i++) {
        series = page[i]
        if (index(series, family "{") != 1 || !index(series, "gpu_uuid=\"" uuid "\"")) continue
        if (label == "") { sub(/.*\} /, "", series); return series }
        if (label ~ /=/) { if (!index(series, label)) continue; sub(/.*\} /, "", series); return series }
        if (!match(series, "[{,]" label "=\"")) continue
        rest = substr(series, RSTART + RLENGTH); sub(/".*/, "", rest); return rest
    }
    return "absent"
}
function tell(is_right, what, ours, theirs) {
    checks++
    if (!is_right) wrong++
    printf "%-4s %-62s %s beside %s\n", is_right ? "ok" : "NO", what, ours, theirs
}
function is_none(text) { return text ~ /N\/A|Not Supported|Not Active|Unknown/ }
FILENAME ~ /page$/ { page[++lines] = $0; next }
FILENAME ~ /equal$/ || FILENAME ~ /near$/ { if (NF) { rule[++rules] = $0; exact[rules] = FILENAME ~ /equal$/ } next }
{
    count = split($0, told, ",")
    uuid = trim(told[1])
    if (FILENAME ~ /before$/) { gpus[++many] = uuid; for (i = 1; i <= count; i++) before[uuid, i] = trim(told[i]) }
    else for (i = 1; i <= count; i++) after[uuid, i] = trim(told[i])
}
END {
    width = split(fields, name, ",")
    for (i = 1; i <= width; i++) column[name[i]] = i
    for (g = 1; g <= many; g++) {
        uuid = gpus[g]; print "GPU " uuid
        for (r = 1; r <= rules; r++) {
            split(rule[r], part, "|")
            ours = of_page(part[1], uuid); first = before[uuid, column[part[2]]]; last = after[uuid, column[part[2]]]
            if (is_none(first) && is_none(last)) { tell(ours == "absent", part[1], ours, first); continue }
            if (exact[r] && part[2] == "pci.bus_id") { first = tolower(substr(first, 5)) }
            if (exact[r] && part[3] == "" ) { tell(ours == first || (first ~ /^[0-9.]+$/ && ours + 0 == first + 0), part[1], ours, first); continue }
            shown = ours == "absent" ? ours : ours / part[3]
            # nvidia-smi rounds to whole units.
            margin = exact[r] ? 1 : part[4] + 1
            low = first < last ? first : last; high = first < last ? last : first
            tell(ours != "absent" && shown >= low - margin && shown <= high + margin, part[1], shown, exact[r] ? first : first " to " last " ± " margin)
        }
    }
    printf "%d of %d differ, on %d GPU(s)\n", wrong, checks, many
    exit (wrong > 0 || checks == 0)
}' "$scratch/page" "$scratch/equal" "$scratch/near" "$scratch/before" "$scratch/after"
