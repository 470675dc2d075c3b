# The node's own BMC through a real kernel: /dev/ipmi0 of ipmi_si and ipmi_devintf, behind it OpenIPMI's simulator on the host.
# Values, one supply that loses its input, one name for two sensors, a serial number that disagrees, and a BMC that hangs.
#: modules ipmi_si ipmi_devintf
#: qemu -smbios type=1,serial=GUEST-7
. /words

printf '[agent]\nname = "guest"\nlisten_address = "127.0.0.1:9711"\nsocket = "/run/agent.sock"\nstate_dir = "/run/agent"\n' >/run/agent.toml
wait_for test -c /dev/ipmi0 && echo "CHECK ok the kernel shows the BMC" || echo "CHECK FAIL the kernel shows the BMC: $(dmesg | grep -i ipmi | tail -3)"
busbar-agent run --config /run/agent.toml >/run/agent.out 2>/run/agent.err &
agent=$!
wait_for grep -q '^ready' /run/agent.out || { echo "CHECK FAIL the agent starts: $(tail -3 /run/agent.err)"; exit; }
(printf 'GET /v1/events HTTP/1.0\r\n\r\n'; sleep 600) | nc 127.0.0.1 9711 >/run/events &

shows() { get /metrics >/run/page; grep -qF "$1" /run/page; }
within() { # SECONDS, since a scrape takes one; COMMAND...
    left=$1; shift
    until "$@"; do left=$((left - 1)); [ "$left" -gt 0 ] || return 1; done
}
seen() { # NAME SERIES
    within 25 shows "$2" && echo "CHECK ok $1" || echo "CHECK FAIL $1: $(grep -E 'bmc|supply|host_power|sel_' /run/page | tr '\n' ' ' | head -c 1500)"
}
seen "the BMC is a source" 'busbar_source_up{source="bmc"} 1'
seen "who it is" 'busbar_bmc_info{device="/dev/ipmi0",firmware="9.08",ipmi_version="2.0",manufacturer="4753",product="3842"} 1'
seen "a temperature" 'busbar_temperature_celsius{chip="bmc",sensor="Inlet",location="air inlet 1"} 24'
seen "two fans of one name" 'busbar_fan_speed_rpm{chip="bmc",sensor="Fan 06h",location="fan 2"} 6100'
seen "a supply that delivers" 'busbar_power_supply_health{supply="PS2 Status"} 0'
seen "what a supply draws" 'busbar_power_supply_input_watts{supply="PS1 Status"} 208'
if [ "$(host dcmi)" = yes ]; then
    seen "the host's power" 'busbar_host_power_watts{source="dcmi"} 412'
    host 'watts 617' >/dev/null
    seen "another power" 'busbar_host_power_watts{source="dcmi"} 617'
fi
get /v1/facts >/run/facts
grep -q 'GUEST-7 by SMBIOS and OTHER-9 by the FRU inventory' /run/facts && echo "CHECK ok what SMBIOS and the BMC disagree on is a doubt" || echo "CHECK FAIL the doubt: $(grep -o '"doubts".*' /run/facts | head -c 600)"

# --- requests: six sensors and four more
asked() { sed -n 's/^busbar_bmc_requests_total //p' /run/page; }
turned() { get /metrics >/run/page; [ "$(asked)" != "$1" ]; }
get /metrics >/run/page; before=$(asked); within 25 turned "$before"
before=$(asked); within 25 turned "$before"; after=$(asked)
[ $((after - before)) -le 10 ] && echo "CHECK ok a turn costs sensors and four requests at most" || echo "CHECK FAIL a turn costs $((after - before)) requests"
echo "MEASURED one turn of six sensors: $((after - before)) requests"
sed -n 's/^busbar_source_duration_seconds{source="bmc"} /MEASURED a turn of the BMC in seconds: /p' /run/page

# --- a recording holds what the BMC said, and not its serial number (OTHER-9 in hexadecimal digits)
busbar-agent record --yes --output /run/picture.tar >/run/picture.list 2>&1; tar -xf /run/picture.tar -C /run
of_bmc=/run/busbar-record/busbar/ipmi
[ "$(wc -l <$of_bmc/sdr.hex)" -ge 6 ] && [ -s $of_bmc/fru-0.hex ] && echo "CHECK ok a recording holds the BMC's records" || echo "CHECK FAIL the recording: $(tail -5 /run/picture.list | tr '\n' ' ')"
check "and not its serial number" 0 "$(cat $of_bmc/fru-*.hex | grep -c 4f544845522d39)"

# --- a supply loses its input
host lose >/dev/null; began=$(uptime_ms)
seen "a supply that lost its input" 'busbar_power_supply_health{supply="PS2 Status"} 1'
echo "MEASURED from the loss to the scrape: $(($(uptime_ms) - began)) ms"
seen "its entry in the event log" 'busbar_sel_entries 1'
get /v1/facts >/run/facts
grep -q '"input_lost"' /run/facts && echo "CHECK ok the facts say so" || echo "CHECK FAIL the facts: $(grep -o '"supplies".*' /run/facts | head -c 300)"

# --- the BMC hangs: its source is down with a reason, nothing else is slow; then it is well again
host stop >/dev/null; began=$(uptime_ms)
down() { shows 'busbar_source_status_info{source="bmc",reason="timeout"} 1'; }
within 60 down && echo "CHECK ok a BMC that hangs is a source that is down" || echo "CHECK FAIL a BMC that hangs: $(grep '"bmc"' /run/page | tr '\n' ' ')"
echo "MEASURED from the hang to the reason: $(($(uptime_ms) - began)) ms"
grep -q 'source_down' /run/events && echo "CHECK ok it is told on the event stream" || echo "CHECK FAIL the event stream: $(tail -2 /run/events)"
host go >/dev/null
up() { shows 'busbar_source_up{source="bmc"} 1'; }
within 60 up && echo "CHECK ok it is asked again once it answers" || echo "CHECK FAIL it is asked again: $(grep '"bmc"' /run/page | tr '\n' ' ')"

kill $agent; wait $agent; check "the agent stops in order" 0 $?
