//! A child that shares its mother's memory until it becomes its command: how it is born, and the system calls that it may make.
//!
//! `fork(2)` copies the tables of all pages and makes them read-only for both, and each of the two pays for every page that it touches
//! next. `clone3(2)` with `CLONE_VM` copies nothing, as `posix_spawn(3)` does. In exchange the child needs a stack of its own, and it may not
//! call the C library: `errno` is its mother's. So these are the kernel's calls themselves, with the error in their answer.
#![allow(unsafe_code)] // The C library has no wrapper of clone3, and none that leaves errno alone.

use std::arch::asm;
use std::ffi::c_void;
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use nix::libc;
use nix::sys::signal::SigSet;

/// `include/uapi/linux/sched.h`.
const CLONE_VM: u64 = 0x100;
/// The bytes of the kernel's set of signals.
const MASK: usize = 8;
/// The bytes of a stack are its unit, so that it begins where a stack may.
type Unit = u128;
/// 16 KiB: some calls of small functions, also where they are not optimised.
const UNITS: usize = 1024;

/// The memory that a child stands on.
#[derive(Debug)]
pub struct Stack(Box<[std::mem::MaybeUninit<Unit>]>);

impl Stack {
    /// Memory that nobody has touched yet.
    pub fn new() -> Stack {
        Stack(Box::new_uninit_slice(UNITS))
    }
}

/// What a child does with what its mother left it; it never returns.
// SAFETY: it promises what `bear` asks of it; the type says so.
pub type Life = unsafe extern "C" fn(*mut c_void) -> !;

/// Bears a child that begins with `life(with)` on this stack, in its mother's memory; its pid. `arguments.flags` gets `CLONE_VM`.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// Stack and what `with` points to must stay where they are until the child has ended or become its command. `life` may only call
/// what is in this module, must not panic, and every handler of a signal must be blocked or cleared in it.
// SAFETY: the caller promises what stands above.
pub unsafe fn bear(
    arguments: &mut libc::clone_args,
    stack: &mut Stack,
    life: Life,
    with: *mut c_void,
) -> io::Result<i32> {
    arguments.flags |= CLONE_VM;
    arguments.stack = u64::try_from(stack.0.as_mut_ptr().expose_provenance()).map_err(io::Error::other)?;
    arguments.stack_size = u64::try_from(size_of_val(&*stack.0)).map_err(io::Error::other)?;
    let answer: isize;
    // SAFETY: the caller's promises. The mother goes on behind the label, with all registers as they were but those that the kernel answers
    // in; the child has an empty stack and goes on into `life`, which never returns.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => answer,
            in("rdi") ptr::from_mut(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") with,
            in("r13") life,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_mut(arguments) => answer,
            in("x1") size_of::<libc::clone_args>(),
            in("x20") with,
            in("x21") life,
        );
    }
    let number = i32::try_from(answer).map_err(io::Error::other)?;
    if number < 0 {
        return Err(io::Error::from_raw_os_error(-number));
    }
    Ok(number)
}

/// Closes a descriptor.
pub fn close(file: RawFd) {
    // SAFETY: takes a number.
    unsafe { call(libc::SYS_close, [word(file), 0, 0, 0]) };
}

/// Writes bytes; an error number where that failed, else 0.
pub fn write(file: RawFd, bytes: &[u8]) -> i32 {
    let words = [word(file), bytes.as_ptr().expose_provenance(), bytes.len(), 0];
    // SAFETY: the kernel reads these bytes.
    trouble(unsafe { call(libc::SYS_write, words) })
}

/// Waits for a byte; whether one came.
pub fn reads_a_byte(file: RawFd) -> bool {
    let mut byte = 0_u8;
    let words = [word(file), ptr::from_mut(&mut byte).expose_provenance(), 1, 0];
    // SAFETY: the kernel writes into our byte.
    unsafe { call(libc::SYS_read, words) == 1 }
}

/// Makes `to` another name of `from`, which is another descriptor.
pub fn dup(from: RawFd, to: RawFd) {
    // SAFETY: takes numbers.
    unsafe { call(libc::SYS_dup3, [word(from), word(to), 0, 0]) };
}

/// Gives a signal its usual action.
pub fn act_as_usual(signal: i32) {
    /// The kernel's `struct sigaction`, in which zero means all that is usual.
    const USUAL: [u64; 4] = [0; 4];
    let words = [word(signal), USUAL.as_ptr().expose_provenance(), 0, MASK];
    // SAFETY: the kernel reads the structure.
    unsafe { call(libc::SYS_rt_sigaction, words) };
}

/// Blocks these signals and no others.
pub fn mask(signals: &SigSet) {
    let signals = ptr::from_ref(signals.as_ref()).expose_provenance();
    // SAFETY: the kernel reads the first bytes of the set, which are its own.
    unsafe {
        call(
            libc::SYS_rt_sigprocmask,
            [word(libc::SIG_SETMASK), signals, 0, MASK],
        )
    };
}

/// Becomes a program, in the environment of this process. Returns only where that failed, with the error's number.
///
/// # Safety
/// `words` are addresses of strings, and the last one is null.
// SAFETY: the caller promises what stands above; `environ` is the C library's, as declared here.
pub unsafe fn exec(program: *const libc::c_char, words: &[*const libc::c_char]) -> i32 {
    // SAFETY: this is how the C library declares it.
    unsafe extern "C" {
        /// `environ(7)`.
        static environ: *const *const libc::c_char;
    }
    // SAFETY: nobody changes the environment of this program, which has one thread.
    let environment = unsafe { environ }.expose_provenance();
    let words = [
        program.expose_provenance(),
        words.as_ptr().expose_provenance(),
        environment,
        0,
    ];
    // SAFETY: the caller's promise.
    trouble(unsafe { call(libc::SYS_execve, words) })
}

/// Ends this process, which has one thread.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes a number.
        unsafe { call(libc::SYS_exit_group, [word(code), 0, 0, 0]) };
    }
}

/// A number as the kernel takes it. Descriptors, signals and codes are never below zero.
fn word(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn trouble(answer: isize) -> i32 {
    if answer < 0 {
        i32::try_from(-answer).unwrap_or(libc::EIO)
    } else {
        0
    }
}

/// One system call: what it answers, or its error number below zero.
///
/// # Safety
/// As the call itself: what is passed must be what it expects.
// SAFETY: the caller promises what stands above.
unsafe fn call(number: libc::c_long, words: [usize; 4]) -> isize {
    let [first, second, third, fourth] = words;
    let answer: isize;
    // SAFETY: the caller's promise. The kernel changes no other register, and may write into memory that the words point to.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") first as isize => answer,
            in("x1") second,
            in("x2") third,
            in("x3") fourth,
            options(nostack),
        );
    }
    answer
}
