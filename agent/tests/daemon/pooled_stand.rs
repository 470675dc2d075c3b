//! Pooled drives for tests: a made-up machine that lends two of its drives, and what is ordered about them.

use std::fs;

use agent_api::v1::{DriveAnswer, DriveOrder, DrivesView, PooledDrive};
use agent_api::{AgentClient, ClientError};
use facts::Identity;

use crate::rehearsal::Machine;
use crate::stand::{Agent, wait};

pub const A: &str = "nqn.2014-08.org.nvmexpress:uuid:aaaaaaaa-0000-4000-8000-000000000001";
pub const B: &str = "nqn.2014-08.org.nvmexpress:uuid:bbbbbbbb-0000-4000-8000-000000000002";
pub const NVMET: &str = "sys/kernel/config/nvmet";
pub const STRAY: &str = "nqn.2026-11.dev.busbar:drive:S9:4";
pub const FOREIGN: &str = "nqn.2020-01.org.other:x";

/// A machine with two NVMe drives, a target that offers nothing of ours, and an agent that may act.
pub fn machine(mode: &str, more: &str) -> Machine {
    machine_with(mode, more, "")
}

/// The same, with more in the section of its drives.
pub fn machine_with(mode: &str, more: &str, of_drives: &str) -> Machine {
    let machine = Machine::new();
    let config = format!(
        "[agent]\nmode = \"{mode}\"\n{more}[reserved]\ncpus = \"0\"\n[pooled_drives]\nlend = [\"all_but_boot\"]\n{of_drives}"
    );
    machine.home.write("agent.toml", &config);
    plug(&machine, "nvme0n1", "S1", 11);
    plug(&machine, "nvme1n1", "S2", 12);
    // A drive of another node, as the kernel shows one with several paths: below its subsystem, which has no transport of its own.
    plug(&machine, "nvme4n1", "S1", 13);
    let far = machine.home.path("machine/sys/class/block/nvme4n1/device");
    fs::remove_file(far.join("transport")).unwrap();
    fs::create_dir_all(far.join("nvme4")).unwrap();
    machine.write("sys/class/nvme/nvme4/transport", "tcp\n");
    for folder in ["ports", "hosts"] {
        make(&machine, &format!("{NVMET}/{folder}"));
    }
    make(&machine, &format!("{NVMET}/subsystems/{FOREIGN}/allowed_hosts"));
    machine
}

pub fn make(machine: &Machine, folder: &str) {
    fs::create_dir_all(machine.home.path("machine").join(folder)).unwrap();
}

pub fn plug(machine: &Machine, device: &str, serial: &str, disk: u64) {
    let dir = format!("sys/class/block/{device}");
    for (file, text) in [
        ("dev", format!("259:{disk}\n")),
        ("size", "131072\n".to_owned()),
        ("diskseq", format!("{disk}\n")),
        ("device/serial", format!("{serial:20}\n")),
        ("device/model", "M1\n".to_owned()),
        ("device/transport", "pcie\n".to_owned()),
    ] {
        machine.write(&format!("{dir}/{file}"), &text);
    }
}

pub fn pull(machine: &Machine, device: &str) {
    fs::remove_dir_all(machine.home.path("machine/sys/class/block").join(device)).unwrap();
}

pub fn identity(serial: &str) -> Identity {
    Identity {
        maker: None,
        model: Some("M1".to_owned()),
        serial: Some(serial.to_owned()),
    }
}

pub fn admit(arrival: u64, generation: u64, host: &str) -> DriveOrder {
    DriveOrder::Admit {
        drive: identity("S1"),
        arrival,
        generation,
        host: host.to_owned(),
        key: None,
    }
}

pub fn shut(arrival: u64, generation: u64) -> DriveOrder {
    DriveOrder::Shut {
        drive: identity("S1"),
        arrival,
        generation,
    }
}

pub fn client(machine: &Machine) -> AgentClient {
    machine.home.client()
}

pub fn view(machine: &Machine) -> DrivesView {
    wait(client(machine).drives()).unwrap()
}

pub fn obeyed(machine: &Machine, order: &DriveOrder) -> PooledDrive {
    let answer = wait(client(machine).order_drive(order)).unwrap();
    let told = format!("{answer:?}");
    let DriveAnswer::Drive(drive) = answer else {
        panic!("{told}");
    };
    *drive
}

/// The code and the sentence with which an order is refused.
pub fn refused(machine: &Machine, order: &DriveOrder) -> (String, String) {
    let error = wait(client(machine).order_drive(order)).unwrap_err();
    let told = error.to_string();
    let ClientError::Refused { code, message, .. } = error else {
        panic!("{told}");
    };
    (code, message)
}

pub fn names(machine: &Machine, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(machine.home.path("machine").join(NVMET).join(folder));
    let mut names: Vec<String> = entries
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn has(machine: &Machine, path: &str) -> bool {
    let path = machine.home.path("machine").join(NVMET).join(path);
    path.symlink_metadata().is_ok()
}

pub fn start(machine: &Machine) -> Agent {
    let root = machine.home.path("machine");
    machine
        .home
        .start(&["--root", root.to_str().unwrap(), "--rehearse"])
}
