//! What `busbar run` asks for: CPUs, memory, what to be near, and which rules.

use agent_api::v1::{Ask, CoreWish, GpuWish, HugepageAsk, Near, Policy, Siblings, TopologyRule};
use clap::Args;
use facts::{Bytes, Power};
use intent::{Priority, Share, WorkloadId};

use crate::place::words::{parse_hugepages, parse_watts};

pub const RUN_HELP: &str = "\
CPUs come from as few NUMA nodes as hold all of the ask: CPUs, memory, huge pages and GPUs together. `--dry-run` shows the
place and why it is that one; a refusal says what is missing, who has it, and what would make it fit.

Examples:
  busbar run --cpus 2 -- make                                 shared CPUs, at most the time of two
  busbar run --cpus 4 --exclusive --memory 32GiB -- CMD       4 CPUs for CMD alone, 32 GiB promised near them
  busbar run --cpus 2 --exclusive --oci ./bundle              the container of an OCI bundle, on 2 CPUs of its own
  busbar run --cpus 3 --exclusive --memory 5GiB --vm -- qemu-system-x86_64 -smp 2 -m 4G -drive file=db.img,format=raw
  busbar run --cpus 4 --exclusive --near gpu:1 --topology single-numa-node -- CMD
  busbar run --cpus 8 --exclusive --policy spread --siblings whole --dry-run -- CMD
  busbar run --cpus 4 --exclusive --hugepages 2MiB=2GiB --l3 25% -- CMD
  busbar run --cpus 4 --exclusive --drives nvme1n1,nvme2n1 --near nic:eth0 -- CMD
  busbar run --cpus 4 --exclusive --watts 200 -- CMD           200 W of its parts also when this machine is capped
  busbar run --cpus 8 --revocable -- CMD                       the first to give up when a cap falls (busbar why --workload)

What can be placed and not enforced here (watts where nothing takes a power limit; GPUs and drives on cgroup v1; huge pages and shares
of caches where this host lacks hugetlb or resctrl) is offered with --dry-run and refused without; both say what would give it.";

/// What is asked for.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// How many CPUs.
    #[arg(long, default_value_t = 1)]
    pub cpus: u32,
    /// Nobody else of Busbar's runs on them; on cgroup v2 the kernel keeps everybody off.
    #[arg(long)]
    pub exclusive: bool,
    /// The most memory, as in 256M or 4GiB; it is promised, near the CPUs where it fits there.
    #[arg(long)]
    pub memory: Option<Bytes>,
    /// A name for the workload.
    #[arg(long)]
    pub name: Option<WorkloadId>,
    /// Be near to this: gpu:1, gpu:UUID, nic:eth0, drive:nvme0n1 or pci:0000:3b:00.0; may be given several times.
    #[arg(long, value_name = "PART")]
    pub near: Vec<Near>,
    /// GPUs for it alone: how many, or their unique ids with commas between (MIG devices too).
    #[arg(long, value_name = "N|UUIDS")]
    pub gpus: Option<GpuWish>,
    /// Whole drives of this machine for it alone, as in nvme1n1, by serial number too; may be given several times. One that is
    /// mounted, partitioned, holds data or belongs to another machine is refused with who has it.
    #[arg(long, value_name = "DRIVE", value_delimiter = ',')]
    pub drives: Vec<String>,
    /// Which kind of core: performance, efficient or any. Without it all are of one kind, the fastest that fits.
    #[arg(long, value_name = "KIND")]
    pub core_kind: Option<CoreWish>,
    /// best-effort spreads over as few NUMA nodes as there are; restricted refuses where the empty machine would need fewer;
    /// single-numa-node refuses where one does not hold all.
    #[arg(long, value_name = "RULE", default_value_t)]
    pub topology: TopologyRule,
    /// packed: together where the least is left free; spread: apart, evenly; balanced: together where the most is left free.
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub policy: Policy,
    /// whole: whole cores only; blocked: hardware threads that were not asked for stay with the host.
    #[arg(long, value_name = "RULE", default_value_t)]
    pub siblings: Siblings,
    /// Huge pages of the kernel's pools, as in 2MiB=2GiB; may be given for several sizes.
    #[arg(long, value_name = "SIZE=BYTES", value_parser = parse_hugepages)]
    pub hugepages: Vec<HugepageAsk>,
    /// A share of each L3 cache that its CPUs are under, as in 25%.
    #[arg(long, value_name = "SHARE")]
    pub l3: Option<Share>,
    /// A share of the memory bandwidth behind these caches, as in 25%.
    #[arg(long, value_name = "SHARE")]
    pub memory_bandwidth: Option<Share>,
    /// Power that is promised to it and its devices, as in 600: a cap of this machine leaves it that.
    #[arg(long, value_name = "WATTS", value_parser = parse_watts)]
    pub watts: Option<Power>,
    /// 1 is kept longest, 9 is shed first.
    #[arg(long, value_name = "1-9")]
    pub priority: Option<Priority>,
    /// It gives up first when power runs short, before everybody who is not revocable, whatever the priority.
    #[arg(long)]
    pub revocable: bool,
    /// It must never be moved to other CPUs once it runs.
    #[arg(long)]
    pub immovable: bool,
}

impl AskArgs {
    /// The ask.
    pub fn ask(&self) -> Ask {
        Ask {
            cpus: self.cpus,
            exclusive: self.exclusive,
            memory_bytes: self.memory,
            name: self.name.clone(),
            near: self.near.clone(),
            gpus: self.gpus.clone(),
            drives: self.drives.clone(),
            core_kind: self.core_kind,
            topology: self.topology,
            policy: self.policy,
            hugepages: self.hugepages.clone(),
            l3_share: self.l3,
            memory_bandwidth_share: self.memory_bandwidth,
            watts: self.watts,
            priority: self.priority,
            revocable: self.revocable,
            immovable: self.immovable,
            siblings: self.siblings,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn ask(flags: &str) -> Result<Ask, String> {
        let words = ["busbar", "run"]
            .into_iter()
            .chain(flags.split_whitespace())
            .chain(["--", "true"]);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Verb::Run(run) = &cli.verb else {
            return Err(format!("{:?}", cli.verb));
        };
        Ok(run.ask.ask())
    }

    #[test]
    fn flags_become_the_ask() {
        let all = ask(
            "--cpus 4 --exclusive --near gpu:1 --near nic:eth0 --drives nvme1n1,S1 --memory 32GiB --hugepages 2MiB=2GiB --topology restricted \
             --policy balanced --core-kind performance --gpus 2 --watts 600 --l3 25% --siblings whole --priority 2 --revocable --immovable",
        )
        .unwrap();
        all.check().unwrap();
        assert_eq!(all.near, ["gpu:1".parse().unwrap(), "nic:eth0".parse().unwrap()]);
        assert_eq!(
            (all.gpus, all.topology),
            (Some(GpuWish::Count(2)), TopologyRule::Restricted)
        );
        assert!(all.revocable && all.immovable);
        assert_eq!(all.drives, ["nvme1n1", "S1"]);
        assert_eq!(all.hugepages[0].bytes, Bytes::new(2 << 30));
        assert_eq!(
            ask("").unwrap(),
            Ask {
                cpus: 1,
                ..Ask::default()
            }
        );
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for (bad, expected) in [
            ("--near gpu", "gpu:NUMBER"),
            ("--near drive:../../etc", "drive:NAME"),
            ("--hugepages 2GiB", "SIZE=BYTES"),
            ("--l3 101%", "percentage"),
            ("--topology numa", "single-numa-node"),
            ("--policy fast", "packed, spread or balanced"),
            ("--cpus 1000000000000000000", "1000000000000000000"),
            ("--priority 0", "1 (kept longest)"),
        ] {
            let refused = ask(bad).unwrap_err();
            assert!(refused.contains(expected), "{bad}: {refused}");
        }
    }
}
