# Random operations and kill -9 of the agent and its clients at random moments, on a kernel with partitions: `cargo prove isolation`'s
# storm. No CPU ever has two holders, ledger and kernel say the same, nothing is left. BUSBAR_LAB=10000 cargo lab storm makes so many.
#: measured
#: lasts 10800
. /words

read -r count </given
house prove-storm "${count:-200}" 2>&1
check "the storm went to its end" 0 $?
check "no cgroup is left" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"
