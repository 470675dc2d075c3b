//! A line of `/proc/PID/stat` (proc_pid_stat(5)), read in one place for all who ask it something. Pure.

/// A thread of the kernel (`PF_KTHREAD`, `include/linux/sched.h`).
const PF_KTHREAD: u64 = 0x0020_0000;
/// The number of the field after the name.
const FIRST: usize = 3;
const STATE: usize = 3;
const PARENT: usize = 4;
const FLAGS: usize = 9;
const STARTED: usize = 22;
/// States of those that have ended.
const ENDED: [&str; 2] = ["Z", "X"];

/// What the line says; fields that nobody asks for are not looked at.
#[derive(Clone, Debug)]
pub struct Stat<'t> {
    /// The number of the process or thread.
    pub pid: u32,
    /// Its name, as the kernel cuts it off.
    pub name: &'t str,
    fields: Vec<&'t str>,
}

impl<'t> Stat<'t> {
    /// Reads a line; `None` where it does not begin as the kernel writes it.
    pub fn of(text: &'t str) -> Option<Stat<'t>> {
        // The name may hold spaces and brackets; the last bracket ends it.
        let (head, fields) = text.rsplit_once(')')?;
        let (pid, name) = head.split_once('(')?;
        Some(Stat {
            pid: pid.trim().parse().ok()?,
            name,
            fields: fields.split_whitespace().collect(),
        })
    }

    /// A field by its number in proc_pid_stat(5), from 3 on.
    pub fn number(&self, field: usize) -> Option<u64> {
        self.fields.get(field.checked_sub(FIRST)?)?.parse().ok()
    }

    /// Who started it, or took it over.
    pub fn parent(&self) -> Option<u32> {
        u32::try_from(self.number(PARENT)?).ok()
    }

    /// When it was started, in clock ticks after boot. With the number it names one process for good.
    pub fn started(&self) -> Option<u64> {
        self.number(STARTED)
    }

    /// All flags of the kernel's `include/linux/sched.h`.
    pub fn flags(&self) -> Option<u64> {
        self.number(FLAGS)
    }

    /// Whether it is a thread of the kernel.
    pub fn is_kernels(&self) -> Option<bool> {
        Some(self.flags()? & PF_KTHREAD != 0)
    }

    /// Whether it has ended and waits to be asked for its status.
    pub fn has_ended(&self) -> Option<bool> {
        Some(ENDED.contains(self.fields.get(STATE.checked_sub(FIRST)?)?))
    }
}
