//! Items and links of configfs, and connections of the initiator: done, then read back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use intent::DriveKey;
use nix::libc::EBUSY;
use zeroize::Zeroizing;

use super::{REMOVE_PAUSE, REMOVE_TRIES, StepError, failed, read, write};
use crate::fabric::initiator::device_of;
use crate::fabric::{Connect, DELETE_CONTROLLER, FABRICS, FabricStep, NVME, Nqn, SUBSYSNQN};
use crate::host::{Host, is_gone};

/// How long a connection may need to come up with its block device, or to go.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// How long the kernel tries to come back to a target that went, in seconds; afterwards whoever waits has an error. Shorter than the
/// 75 s after which a hung drive counts as lost, longer than a target's restart.
const CTRL_LOSS_TMO: u32 = 30;
/// Between two tries, in seconds.
const RECONNECT_DELAY: u32 = 1;
/// How soon a silent target is noticed, in seconds.
const KEEP_ALIVE_TMO: u32 = 5;
/// What this host proves to know.
const SECRET: &str = ",dhchap_secret=";
/// The longest answer to an order for a connection: `instance=3,cntlid=1`.
const LONGEST_ANSWER: usize = 4_096;

pub(super) fn perform(host: &Host, step: &FabricStep) -> Result<(), StepError> {
    match step {
        FabricStep::Make { dir } => make(host, dir),
        FabricStep::Remove { dir } => remove(host, dir),
        FabricStep::Key { file, key } => keyed(host, file, key),
        FabricStep::Link { link, to } => linked(host, link, to),
        FabricStep::Unlink { link } => unlinked(host, link),
        FabricStep::Connect(connect) => connected(host, connect),
        FabricStep::Disconnect { controller, nqn } => disconnected(host, controller, nqn),
    }
}

/// A kernel makes an item's own directories with it; in a recorded tree they come into being as they are needed.
fn make(host: &Host, dir: &Path) -> Result<(), StepError> {
    let real = host.real(dir);
    let made = if host.is_this_machine() {
        fs::create_dir(real)
    } else {
        fs::create_dir_all(real)
    };
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && host.is_dir(dir) => Ok(()),
        Err(error) => Err(failed(dir, error)),
    }
}

fn remove(host: &Host, dir: &Path) -> Result<(), StepError> {
    let real = host.real(dir);
    for left in (0..REMOVE_TRIES).rev() {
        let removed = if host.is_this_machine() {
            fs::remove_dir(&real)
        } else {
            fs::remove_dir_all(&real)
        };
        match removed {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            // What is connected is still on its way out.
            Err(error) if error.raw_os_error() == Some(EBUSY) && left > 0 => thread::sleep(REMOVE_PAUSE),
            Err(error) => return Err(StepError::Refused(error)),
        }
    }
    Ok(())
}

fn linked(host: &Host, link: &Path, to: &Path) -> Result<(), StepError> {
    let real = host.real(link);
    if !host.is_this_machine()
        && let Some(above) = real.parent()
    {
        fs::create_dir_all(above).map_err(StepError::Refused)?;
    }
    match symlink(host.real(to), &real) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(link, error)),
    }
    if fs::read_link(&real).is_ok_and(|found| found.file_name() == to.file_name()) {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: link.to_owned(),
        wrote: to.display().to_string(),
        said: "no such link".to_owned(),
    })
}

fn unlinked(host: &Host, link: &Path) -> Result<(), StepError> {
    let real = host.real(link);
    match fs::remove_file(&real) {
        Ok(()) => {}
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(StepError::Refused(error)),
    }
    if real.symlink_metadata().is_err_and(|error| is_gone(&error)) {
        return Ok(());
    }
    Err(StepError::TooSlow {
        file: link.to_owned(),
        said: "the link".to_owned(),
    })
}

/// What went wrong with it is told without it.
fn keyed(host: &Host, file: &Path, key: &DriveKey) -> Result<(), StepError> {
    write(host, file, key.as_str())?;
    if Zeroizing::new(read(host, file)?).as_str() == key.as_str() {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: file.to_owned(),
        wrote: "a key".to_owned(),
        said: "another one, or none".to_owned(),
    })
}

fn options(connect: &Connect) -> String {
    let Connect { nqn, peer, .. } = connect;
    format!(
        "nqn={nqn},transport=tcp,traddr={},trsvcid={},hostnqn={},hostid={},ctrl_loss_tmo={CTRL_LOSS_TMO},\
         reconnect_delay={RECONNECT_DELAY},keep_alive_tmo={KEEP_ALIVE_TMO}",
        peer.address.ip(),
        peer.address.port(),
        peer.host,
        peer.host_id.as_str()
    )
}

/// The kernel answers on the same file when the connection is there.
fn connected(host: &Host, connect: &Connect) -> Result<(), StepError> {
    let file = Path::new(FABRICS);
    let opened = OpenOptions::new().read(true).write(true).open(host.real(file));
    let mut opened = opened.map_err(|error| failed(file, error))?;
    let mut said = Zeroizing::new(options(connect));
    if let Some(key) = &connect.key {
        said.reserve_exact(SECRET.len() + key.as_str().len());
        said.push_str(SECRET);
        said.push_str(key.as_str());
    }
    opened.write_all(said.as_bytes()).map_err(StepError::Refused)?;
    let answer = answer(&mut opened).map_err(StepError::Refused)?;
    let instance = answer
        .split(',')
        .find_map(|word| word.trim().strip_prefix("instance=")?.parse::<u32>().ok());
    let Some(instance) = instance else {
        return Err(StepError::ReadBack {
            file: file.to_owned(),
            wrote: options(connect),
            said: answer,
        });
    };
    let controller = format!("nvme{instance}");
    // Another drive than the one that is meant is not kept for a moment.
    let known = known(host, &controller, connect).and_then(|()| has_device(host, &controller, connect));
    known.inspect_err(|error| {
        tracing::warn!(%error, controller, "disconnecting");
        if let Err(error) = disconnected(host, &controller, &connect.nqn) {
            tracing::warn!(%error, controller, "cannot disconnect");
        }
    })
}

fn answer(opened: &mut File) -> io::Result<String> {
    let mut bytes = vec![0; LONGEST_ANSWER];
    let read = opened.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(bytes.get(..read).unwrap_or_default())
        .trim()
        .to_owned())
}

fn known(host: &Host, controller: &str, connect: &Connect) -> Result<(), StepError> {
    let dir = Path::new(NVME).join(controller);
    let expected = [
        ("serial", Some(connect.drive.serial())),
        ("model", connect.drive.model()),
    ];
    for (name, expected) in expected {
        let Some(expected) = expected else { continue };
        let file = dir.join(name);
        let said = read(host, &file)?;
        if said != expected {
            return Err(StepError::ReadBack {
                file,
                wrote: expected.to_owned(),
                said,
            });
        }
    }
    Ok(())
}

fn has_device(host: &Host, controller: &str, connect: &Connect) -> Result<(), StepError> {
    let began = Instant::now();
    loop {
        let device = device_of(host, controller, connect.nqn.as_str());
        let device = device.map_err(|error| StepError::Refused(io::Error::other(error)))?;
        // Who writes to a drive that has gone leaves a plain file of its name behind: that is none.
        let is_there = device.as_deref().filter(|device| is_block(host, device));
        if let Some(device) = is_there {
            return same_namespace(host, device, connect);
        }
        if began.elapsed() >= PATIENCE {
            let file = device.map(|device| Path::new("/dev").join(device));
            let plain = file.filter(|file| host.has(file));
            return Err(StepError::TooSlow {
                said: if plain.is_some() {
                    "that it is a plain file, which hides the drive; remove it".to_owned()
                } else {
                    "no block device".to_owned()
                },
                file: plain.unwrap_or_else(|| Path::new(NVME).join(controller)),
            });
        }
        thread::sleep(LOOK);
    }
}

fn is_block(host: &Host, device: &str) -> bool {
    let about = fs::metadata(host.real(&Path::new("/dev").join(device)));
    about.is_ok_and(|about| about.file_type().is_block_device())
}

fn same_namespace(host: &Host, device: &str, connect: &Connect) -> Result<(), StepError> {
    let Some(expected) = connect.drive.nguid() else {
        return Ok(());
    };
    let file = Path::new("/sys/class/block").join(device).join("nguid");
    let said = read(host, &file)?;
    if said == expected {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file,
        wrote: expected.to_owned(),
        said,
    })
}

/// The kernel takes its time where the target does not answer any more; it is waited for, so that who is told "disconnected" may count
/// on it.
fn disconnected(host: &Host, controller: &str, nqn: &Nqn) -> Result<(), StepError> {
    let dir = Path::new(NVME).join(controller);
    let of = dir.join(SUBSYSNQN);
    let is_it = |host: &Host| host.read(&of).ok().flatten().as_deref() == Some(nqn.as_str());
    if !is_it(host) {
        return Ok(());
    }
    match write(host, &dir.join(DELETE_CONTROLLER), "1") {
        Err(StepError::NoFile(_)) | Ok(()) => {}
        Err(error) => return Err(error),
    }
    let began = Instant::now();
    while is_it(host) {
        if began.elapsed() >= PATIENCE {
            return Err(StepError::TooSlow {
                file: of,
                said: nqn.to_string(),
            });
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
