//! bpf(2): loads a program of device rules and attaches it to a cgroup (v2), and finds the one that is attached.
#![allow(unsafe_code)] // the system call has no safe wrapper

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::libc;

use crate::rule::{DeviceRule, PROGRAM_PREFIX, program, program_name};

/// Commands (`include/uapi/linux/bpf.h`).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
/// Ours runs beside those of others, who attached theirs to this cgroup or to one above.
const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
/// One program takes the place of another at once (Linux 5.6).
const BPF_F_REPLACE: u32 = 1 << 2;
/// The most programs that the kernel lets a cgroup have for one purpose (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;
/// `BPF_OBJ_NAME_LEN`.
const NAME_LENGTH: usize = 16;
/// The program calls nothing, so any license does.
const LICENSE: &[u8] = b"Apache-2.0\0";

/// `union bpf_attr` of the load, up to `expected_attach_type`.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; NAME_LENGTH],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// `union bpf_attr` of attaching.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// `union bpf_attr` of the query; newer kernels write as far as the last field.
#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// `union bpf_attr` of the program behind a number.
#[repr(C)]
#[derive(Default)]
struct Identified {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// `union bpf_attr` of what is known of a program.
#[repr(C)]
#[derive(Default)]
struct Asked {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct bpf_prog_info`, up to its name.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
    load_time: u64,
    created_by_uid: u32,
    nr_map_ids: u32,
    map_ids: u64,
    name: [u8; NAME_LENGTH],
}

/// A program of ours on a cgroup.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Its name.
    pub name: String,
    program: OwnedFd,
}

/// One call; the answer is a descriptor or zero.
fn call<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is a live `repr(C)` struct of exactly `size` bytes, all of them initialised, that the kernel reads
    // and for the query writes in place; each address in it points to memory that the callers keep until the call returns.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}

/// The same, where the answer is a new descriptor.
fn descriptor<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    let answer = call(command, attributes)?;
    let number = libc::c_int::try_from(answer).map_err(io::Error::other)?;
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn number(file: &impl AsRawFd) -> io::Result<u32> {
    u32::try_from(file.as_raw_fd()).map_err(io::Error::other)
}

fn count(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(io::Error::other)
}

/// The address of something that the kernel reads or fills.
fn address<T>(of: *const T) -> io::Result<u64> {
    u64::try_from(of.expose_provenance()).map_err(io::Error::other)
}

/// Our program on this cgroup, where there is one.
pub(crate) fn ours(cgroup: &Path) -> io::Result<Option<Attached>> {
    let cgroup = File::open(cgroup)?;
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut query = Query {
        target_fd: number(&cgroup)?,
        attach_type: BPF_CGROUP_DEVICE,
        prog_ids: address(ids.as_mut_ptr())?,
        prog_cnt: count(ids.len())?,
        ..Query::default()
    };
    call(BPF_PROG_QUERY, &mut query)?;
    let found = usize::try_from(query.prog_cnt).map_err(io::Error::other)?;
    for id in ids.iter().take(found) {
        let mut identified = Identified {
            prog_id: *id,
            ..Identified::default()
        };
        // One that was detached meanwhile is none.
        let Ok(program) = descriptor(BPF_PROG_GET_FD_BY_ID, &mut identified) else {
            continue;
        };
        let name = name_of(&program)?;
        if name.starts_with(PROGRAM_PREFIX) {
            return Ok(Some(Attached { name, program }));
        }
    }
    Ok(None)
}

fn name_of(program: &OwnedFd) -> io::Result<String> {
    let mut info = Info::default();
    let mut asked = Asked {
        bpf_fd: number(program)?,
        info_len: count(size_of::<Info>())?,
        info: address(std::ptr::from_mut(&mut info))?,
    };
    call(BPF_OBJ_GET_INFO_BY_FD, &mut asked)?;
    let name = info.name.iter().copied().take_while(|byte| *byte != 0);
    Ok(String::from_utf8_lossy(&name.collect::<Vec<u8>>()).into_owned())
}

/// Puts a program of these rules on the cgroup, in the place of ours that is there.
pub(crate) fn attach(cgroup: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    let instructions = program(rules);
    let mut prog_name = [0_u8; NAME_LENGTH];
    for (to, from) in prog_name
        .iter_mut()
        .zip(program_name(rules).bytes().take(NAME_LENGTH - 1))
    {
        *to = from;
    }
    let mut load = Load {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: count(instructions.len())?,
        insns: address(instructions.as_ptr())?,
        license: address(LICENSE.as_ptr())?,
        prog_name,
        expected_attach_type: BPF_CGROUP_DEVICE,
        ..Load::default()
    };
    let new = descriptor(BPF_PROG_LOAD, &mut load)?;
    drop(instructions);
    let old = ours(cgroup)?;
    let cgroup = File::open(cgroup)?;
    let mut attach = Attach {
        target_fd: number(&cgroup)?,
        attach_bpf_fd: number(&new)?,
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI,
        replace_bpf_fd: 0,
    };
    if let Some(old) = &old {
        attach.attach_flags |= BPF_F_REPLACE;
        attach.replace_bpf_fd = number(&old.program)?;
    }
    call(BPF_PROG_ATTACH, &mut attach)?;
    Ok(())
}
