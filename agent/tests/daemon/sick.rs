//! Sources that hang in the real daemon: each holds what it held from the start, is named, and costs no scrape its answer.

use std::fs;

use collectors::drive_health::RECORDED;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::stand::{Agent, Home, until};

/// So many scrapes follow one another while sources hang.
const SCRAPES: usize = 50;

/// Two NVMe drives, one of which hangs in open(2), and a topology whose reader hangs on a file that nobody writes.
fn sick_machine(home: &Home) {
    let log = {
        // 323 K, as the NVMe specification counts, and nothing worn.
        let mut log = vec![0_u8; 512];
        log[1..3].copy_from_slice(&323_u16.to_le_bytes());
        log
    };
    for drive in ["nvme0", "nvme1"] {
        home.write(&format!("machine/sys/class/nvme/{drive}/model"), "FAST\n");
        home.write(&format!("machine/sys/class/nvme/{drive}/serial"), drive);
        fs::create_dir_all(home.path(&format!("machine/{RECORDED}/{drive}"))).unwrap();
    }
    fs::create_dir_all(home.path("machine/sys/class/block")).unwrap();
    fs::write(home.path(&format!("machine/{RECORDED}/nvme0/health_log")), log).unwrap();
    let hung = home.path(&format!("machine/{RECORDED}/nvme1/health_log"));
    mkfifo(&hung, Mode::S_IRWXU).unwrap();
    home.write("machine/proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\n");
    fs::create_dir_all(home.path("machine/sys/devices/system/cpu")).unwrap();
    let online = home.path("machine/sys/devices/system/cpu/online");
    mkfifo(&online, Mode::S_IRWXU).unwrap();
}

fn threads(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/task", agent.pid()))
        .unwrap()
        .count()
}

#[test]
fn what_hangs_is_named_and_neither_scrapes_nor_threads_feel_it() {
    let home = Home::new();
    sick_machine(&home);
    let root = home.path("machine");
    let agent = home.start(&["--root", root.to_str().unwrap()]);
    let down = "busbar_source_status_info{source=\"drive_health/nvme1\",reason=\"timeout\"} 1";
    let page = until("the drive that hangs is named", || {
        let page = agent.get("/metrics");
        page.contains(down).then_some(page)
    });
    assert!(
        page.contains("busbar_source_up{source=\"drive_health/nvme1\"} 0\n"),
        "{page}"
    );
    assert!(
        page.contains("busbar_source_up{source=\"drive_health\"} 1\n"),
        "its neighbour speaks\n{page}"
    );
    assert!(
        page.contains("busbar_disk_temperature_celsius{device=\"nvme0\"} 50\n"),
        "{page}"
    );
    assert!(
        !page.contains("busbar_disk_temperature_celsius{device=\"nvme1\"}"),
        "{page}"
    );
    assert!(
        page.contains("busbar_source_up{source=\"topology\"} 0\n"),
        "{page}"
    );
    let before = threads(&agent);
    for _ in 0..SCRAPES {
        let page = agent.get("/metrics");
        assert!(
            page.contains(down) && page.contains("busbar_source_up{source=\"cpu\"} 1\n"),
            "{page}"
        );
    }
    assert!(
        threads(&agent) <= before,
        "scrapes start no threads for what hangs"
    );
    assert!(agent.stop().success());
}
