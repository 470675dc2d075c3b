//! A part of a GPU (MIG), from the ask to the file that tells containers of it, and back to nothing.

use agent::reconcile::{Keeper, footprint, leave};
use agent_api::v1::{Ask, GpuWish, RunRequest, Workload};
use facts::gpu::{Gpu, GpuReadings, MigDevice};
use facts::{Identity, Inventory, Reading};
use intent::Mode;

use crate::fixture::{Fixture, NOW, machine};

const SPEC: &str = "var/run/cdi/busbar-web.json";

/// One GPU that is cut in two; of the second part the driver does not tell which it is.
fn cut() -> Inventory {
    let part = |index: u32, instances: Option<u32>| MigDevice {
        index,
        gpu_instance: instances,
        compute_instance: instances.map(|_| 0),
        uuid: Some(format!("MIG-{index}")),
        name: None,
        memory_bytes: Reading::default(),
        memory_used_bytes: Reading::default(),
    };
    let readings = GpuReadings {
        mig_devices: vec![part(0, Some(9)), part(1, None)],
        ..GpuReadings::default()
    };
    Inventory {
        gpus: vec![Gpu {
            identity: Identity::default(),
            uuid: Some("GPU-0".to_owned()),
            pci: Some("0000:18:00.0".parse().unwrap()),
            pci_id: None,
            numa_node: None,
            device: Some("nvidia0".to_owned()),
            memory_bytes: None,
            readings: Some(Box::new(readings)),
        }],
        ..machine(8)
    }
}

fn fixture() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write(
        "proc/devices",
        "Character devices:\n195 nvidia\n234 nvidia-caps\n\nBlock devices:\n",
    );
    fixture.write(
        "proc/driver/nvidia/gpus/0000:18:00.0/information",
        "Device Minor: 0\n",
    );
    for (place, minor) in [("gi9", 84), ("gi9/ci0", 85)] {
        let file = format!("proc/driver/nvidia/capabilities/gpu0/mig/{place}/access");
        fixture.write(&file, &format!("DeviceFileMinor: {minor}\n"));
    }
    fixture.write("dev/nvidiactl", "");
    fixture
}

fn start(keeper: &mut Keeper, part: &str) -> Result<Workload, String> {
    let ask = Ask {
        cpus: 1,
        name: Some("web".parse().unwrap()),
        gpus: Some(GpuWish::These(vec![part.to_owned()])),
        ..Ask::default()
    };
    let command = "sleep".to_owned();
    let started = keeper.start(
        RunRequest {
            ask,
            command,
            enters: false,
        },
        7,
        1_000,
        &cut(),
        NOW,
    );
    started.map_err(|error| error.to_string())
}

#[test]
fn containers_are_told_of_a_part_of_a_gpu_as_long_as_its_workload_runs() {
    let fixture = fixture();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "MIG-0").unwrap();
    assert_eq!(web.cdi.as_deref(), Some("/var/run/cdi/busbar-web.json"));
    let said = fixture.read(SPEC);
    for device in [
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "nvidia-cap84",
        "nvidia-cap85",
        "BUSBAR_GPUS=MIG-0",
    ] {
        assert!(said.contains(device), "{device}: {said}");
    }
    // Somebody removes it: the next sweep puts it back.
    std::fs::remove_file(fixture.path(SPEC)).unwrap();
    let events = keeper.sweep(NOW);
    assert!(
        events[0].message.contains("place /var/run/cdi/busbar-web.json"),
        "{events:?}"
    );
    assert_eq!(fixture.read(SPEC), said);
    keeper.end(&web.id, NOW).unwrap();
    assert!(!fixture.path(SPEC).exists());
    let refused = start(&mut keeper, "MIG-1").unwrap_err();
    assert!(
        refused.contains("which part of its GPU it is was not told"),
        "{refused}"
    );
    assert!(!fixture.path(SPEC).exists() && keeper.workloads().is_empty());
}

#[test]
fn leave_takes_the_files_along_wherever_they_were_placed() {
    let fixture = fixture();
    let mut config = fixture.config(Mode::Enforce);
    config.cdi_dir = Some("/etc/cdi".into());
    let mut keeper = Keeper::open(config).unwrap();
    start(&mut keeper, "MIG-0").unwrap();
    drop(keeper);
    let placed = footprint(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(
        placed.files.contains(&"/etc/cdi/busbar-web.json".into()),
        "{placed:?}"
    );
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(left.kept.is_empty(), "{left}");
    assert!(!fixture.path("etc/cdi/busbar-web.json").exists());
    let mut nowhere = fixture.config(Mode::Enforce);
    nowhere.cdi_dir = None;
    let mut keeper = Keeper::open(nowhere).unwrap();
    assert_eq!(start(&mut keeper, "MIG-0").unwrap().cdi, None);
    assert!(!fixture.path(SPEC).exists());
}
