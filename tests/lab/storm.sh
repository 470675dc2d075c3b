# Random operations and kill -9 of the agent and its clients at random moments, on a kernel with partitions: `cargo prove isolation`'s
# storm. No CPU ever has two holders, ledger and kernel say the same, nothing is left. BUSBAR_LAB="1000 7" cargo lab storm makes a thousand, of seed 7.
#: measured
#: one-thread
#: lasts 10800
. /words

read -r count seed </given
# shellcheck disable=SC2086 # No seed is no word.
house prove-storm "${count:-200}" $seed 2>&1
check "the storm went to its end" 0 $?
check "no cgroup is left" "" "$(ls -d /sys/fs/cgroup/busbar* 2>/dev/null)"
