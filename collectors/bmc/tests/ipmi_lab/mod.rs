//! A real BMC simulator (OpenIPMI's `ipmi_sim`) on loopback, a front end for suite 17, and a UDP proxy that loses and delays.
#![allow(dead_code)] // each test file uses its part

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket as StdUdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bmc::Credentials;
use bmc::ipmi::{Endpoint, Ipmi, Limits, Privilege, observe};
use tokio::net::UdpSocket;

pub const USER: &str = "ADMIN";
pub const PASSWORD: &str = "admin-pw-16chars";

/// A process that ends with the test.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running simulator.
pub struct Sim {
    pub port: u16,
    pub has_dcmi: bool,
    pub folder: tempfile::TempDir,
    process: Option<Process>,
    lab: PathBuf,
}

fn shared() -> PathBuf {
    match std::env::var_os("BUSBAR_SHARED") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

pub fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .is_ok()
}

/// A UDP port that is free, with the TCP port 1000 above it, where the generator puts the serial line.
fn free_port() -> u16 {
    loop {
        let port = StdUdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if port < 64_000 && TcpListener::bind(("127.0.0.1", port + 1000)).is_ok() {
            return port;
        }
    }
}

/// One full sensor record with this linearisation and format, and the emulator's lines for it.
fn extra(number: u8, name: &str, linearisation: u8, units: u8, factors: [u8; 6], raw: u8) -> String {
    let mut record = vec![
        0x20, 0, number, 7, number, 0x43, 0x48, 0x01, 0x01, 0x95, 0x0A, 0x95, 0x0A, 0, 0,
    ];
    record.extend_from_slice(&[units, 1, 0, linearisation]);
    record.extend_from_slice(&factors);
    record.extend_from_slice(&[0, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    record.push(0xC0 | name.len() as u8);
    record.extend_from_slice(name.as_bytes());
    let mut whole = vec![0, 0, 0x51, 0x01, record.len() as u8];
    whole.extend_from_slice(&record);
    let bytes: Vec<String> = whole.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let states = ["000111111000000"; 4].join(" ");
    format!(
        "sensor_add 0x20 0 {number} 0x01 0x01\nsensor_set_value 0x20 0 {number} 0x{raw:02x} 0\n\
         sensor_set_event_support 0x20 0 {number} enable scanning per-state {states}\nmain_sdr_add 0x20 {}\n",
        bytes.join(" ")
    )
}

/// Every linearisation and every sign, which the generator does not have.
fn extras() -> String {
    let mut lines = String::new();
    for linearisation in 0..12_u8 {
        let name = format!("L{linearisation}");
        // y = L[(2·raw + 1) / 10]
        lines += &extra(
            200 + linearisation,
            &name,
            linearisation,
            0,
            [2, 0, 1, 0, 0, 0xF0],
            33,
        );
    }
    lines += &extra(220, "Twos", 0, 0x80, [1, 0, 0, 0, 0, 0], 0xF6);
    lines += &extra(221, "Ones", 0, 0x40, [1, 0, 0, 0, 0, 0], 0xF6);
    lines += &extra(222, "Minus", 0, 0, [0xFE, 0xC0, 0xFF, 0xC0, 0, 0xD2], 10);
    lines
}

impl Sim {
    /// Starts it; `None` with a line that says what is missing.
    pub async fn start() -> Option<Sim> {
        let lab = shared().join("lab/ipmi_sim");
        if !lab.join("gen.py").exists() {
            println!("skipped: no shared folder at {}", shared().display());
            return None;
        }
        for program in ["ipmi_sim", "python3"] {
            if !installed(program) {
                println!("skipped: {program} is not installed");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let port = free_port();
        let made = Command::new("python3")
            .arg(lab.join("gen.py"))
            .arg(folder.path())
            .arg(port.to_string())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let emulator = fs::read_to_string(at("bmc.emu")).unwrap();
        let enable = "mc_enable 0x20\n";
        fs::write(at("bmc.emu"), emulator.replace(enable, &(extras() + enable))).unwrap();
        fs::write(at("power_watts"), "404").unwrap();
        let has_dcmi = Command::new("gcc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(at("dcmi.so"))
            .arg(lab.join("dcmi.c"))
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !has_dcmi {
            println!("skipped: DCMI; its module needs gcc and libopenipmi-dev");
            let lines = fs::read_to_string(at("lan.conf")).unwrap();
            let kept: Vec<&str> = lines
                .lines()
                .filter(|line| !line.starts_with("loadlib"))
                .collect();
            fs::write(at("lan.conf"), kept.join("\n") + "\n").unwrap();
        }
        let mut sim = Sim {
            port,
            has_dcmi,
            folder,
            process: None,
            lab,
        };
        sim.run().await;
        Some(sim)
    }

    /// Starts the process, and waits until it answers.
    pub async fn run(&mut self) {
        self.process = None;
        let at = |name: &str| self.folder.path().join(name);
        let _ = fs::remove_dir_all(at("state"));
        fs::create_dir(at("state")).unwrap();
        let log = fs::File::create(at("ipmi_sim.log")).unwrap();
        let child = Command::new("ipmi_sim")
            .arg("-c")
            .arg(at("lan.conf"))
            .arg("-f")
            .arg(at("bmc.emu"))
            .arg("-s")
            .arg(at("state"))
            .arg("-n")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(Process(child.unwrap()));
        answers(&self.endpoint()).await;
    }

    /// Ends the process: the BMC is gone.
    pub fn end(&mut self) {
        self.process = None;
    }

    /// The front end that speaks suite 17, and its port.
    pub async fn front(&self) -> Option<(Process, u16)> {
        let has = Command::new("python3")
            .args(["-c", "import cryptography"])
            .stderr(Stdio::null())
            .status();
        if !has.is_ok_and(|status| status.success()) {
            println!("skipped: suite 17; its front end needs Python's cryptography");
            return None;
        }
        let port = free_port();
        let child = Command::new("python3")
            .arg(self.lab.join("rmcpp17.py"))
            .args([port.to_string(), (self.port + 1000).to_string()])
            .stdin(Stdio::null())
            .spawn();
        let process = Process(child.unwrap());
        answers(&at(port)).await;
        Some((process, port))
    }

    pub fn endpoint(&self) -> Endpoint {
        at(self.port)
    }

    pub fn client(&self) -> Ipmi {
        Ipmi::new(self.endpoint())
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// What ipmitool says; `None` where it is not installed.
    pub fn ipmitool(&self, words: &[&str]) -> Option<String> {
        if !installed("ipmitool") {
            println!("skipped: ipmitool is not installed");
            return None;
        }
        let port = self.port.to_string();
        let output = Command::new("ipmitool")
            .args([
                "-I",
                "lanplus",
                "-C",
                "3",
                "-H",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                USER,
                "-P",
                PASSWORD,
            ])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// An endpoint on loopback. The simulator gives DCMI to administrators only.
pub fn at(port: u16) -> Endpoint {
    let endpoint = Endpoint::new(format!("127.0.0.1:{port}"), Credentials::new(USER, PASSWORD));
    Endpoint {
        privilege: Privilege::Administrator,
        ..endpoint
    }
}

/// The same with short waits, for tests in which somebody is silent.
pub fn hasty(port: u16, tries: u32) -> Endpoint {
    let limits = Limits {
        answer: Duration::from_millis(150),
        tries,
        ..Limits::default()
    };
    Endpoint { limits, ..at(port) }
}

async fn answers(endpoint: &Endpoint) {
    let mut last = None;
    let endpoint = Endpoint {
        limits: hasty(1, 2).limits,
        ..endpoint.clone()
    };
    for _ in 0..60 {
        match observe::device(&Ipmi::new(endpoint.clone())).await {
            Ok(_) => return,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{}: {last:?}", endpoint.address);
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Pass,
    Lose,
    Hold(Duration),
}

/// Between a client and a BMC: decides on each packet by its direction (`true` towards the BMC) and its number in it.
pub async fn proxy(upstream: u16, decide: impl Fn(bool, u32) -> Fate + Send + Sync + 'static) -> u16 {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let port = front.local_addr().unwrap().port();
    let decide = Arc::new(decide);
    tokio::spawn(async move {
        // One upstream socket a client, as a BMC would see them; the counts run over all of them.
        let mut known: Vec<(SocketAddr, Arc<UdpSocket>)> = Vec::new();
        let answers = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let mut requests = 0;
        let mut buffer = vec![0; 2048];
        while let Ok((length, from)) = front.recv_from(&mut buffer).await {
            let found = known.iter().find(|(client, _)| *client == from);
            let back = match found.map(|(_, back)| Arc::clone(back)) {
                Some(back) => back,
                None => {
                    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                    back.connect(("127.0.0.1", upstream)).await.unwrap();
                    known.push((from, Arc::clone(&back)));
                    tokio::spawn(answer(
                        Arc::clone(&back),
                        Arc::clone(&front),
                        from,
                        Arc::clone(&decide),
                        Arc::clone(&answers),
                    ));
                    back
                }
            };
            let fate = decide(true, requests);
            requests += 1;
            let packet = buffer[..length].to_vec();
            tokio::spawn(async move {
                if wait(fate).await {
                    let _ = back.send(&packet).await;
                }
            });
        }
    });
    port
}

async fn answer(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    to: SocketAddr,
    decide: Arc<impl Fn(bool, u32) -> Fate + Send + Sync + 'static>,
    count: Arc<std::sync::atomic::AtomicU32>,
) {
    let mut buffer = vec![0; 2048];
    loop {
        let Ok(length) = back.recv(&mut buffer).await else {
            continue;
        };
        let fate = decide(false, count.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        let packet = buffer[..length].to_vec();
        let front = Arc::clone(&front);
        tokio::spawn(async move {
            if wait(fate).await {
                let _ = front.send_to(&packet, to).await;
            }
        });
    }
}

async fn wait(fate: Fate) -> bool {
    match fate {
        Fate::Pass => true,
        Fate::Lose => false,
        Fate::Hold(time) => {
            tokio::time::sleep(time).await;
            true
        }
    }
}
