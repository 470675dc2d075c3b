//! Rules of devices as data, and the program that they become: a few instructions a rule, the first that fits decides.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What begins the names of our programs; the kernel takes 15 characters.
pub(crate) const PROGRAM_PREFIX: &str = "busbar_";

/// Character or block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A character device.
    Char,
    /// A block device.
    Block,
}

impl Kind {
    /// The letter of the devices controller.
    pub const fn letter(self) -> char {
        match self {
            Kind::Char => 'c',
            Kind::Block => 'b',
        }
    }

    /// `BPF_DEVCG_DEV_BLOCK`, `BPF_DEVCG_DEV_CHAR` (`include/uapi/linux/bpf.h`).
    const fn number(self) -> i32 {
        match self {
            Kind::Block => 1,
            Kind::Char => 2,
        }
    }
}

/// Whether a device may be made, read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// All of it.
    Allow,
    /// Nothing of it.
    Deny,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// What it says.
    pub access: Access,
    /// Of which kind.
    pub kind: Kind,
    /// The driver's number; `None` for all.
    pub major: Option<u32>,
    /// The first and the last of the devices' numbers.
    pub minors: (u32, u32),
}

impl DeviceRule {
    /// Whether it speaks of this device.
    pub fn fits(&self, kind: Kind, major: u32, minor: u32) -> bool {
        self.kind == kind
            && self.major.is_none_or(|of| of == major)
            && (self.minors.0..=self.minors.1).contains(&minor)
    }
}

impl fmt::Display for DeviceRule {
    /// `deny b *:*`, `allow c 195:0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.access {
            Access::Allow => "allow",
            Access::Deny => "deny",
        };
        write!(f, "{word} {} ", self.kind.letter())?;
        match self.major {
            Some(major) => write!(f, "{major}:")?,
            None => f.write_str("*:")?,
        }
        match self.minors {
            (0, u32::MAX) => f.write_str("*"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// One instruction, `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    code: u8,
    /// Destination in the low four bits, source in the high ones.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// `BPF_LDX | BPF_MEM | BPF_W`: a word of the context into a register.
const LOAD_WORD: u8 = 0x61;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u8 = 0x54;
/// `BPF_ALU64 | BPF_MOV | BPF_K`.
const MOVE: u8 = 0xb7;
/// `BPF_JMP32 | BPF_JNE | BPF_K`: numbers are compared as 32 bits without a sign.
const JUMP_NOT_EQUAL: u8 = 0x56;
/// `BPF_JMP32 | BPF_JLT | BPF_K`.
const JUMP_LESS: u8 = 0xa6;
/// `BPF_JMP32 | BPF_JGT | BPF_K`.
const JUMP_GREATER: u8 = 0x26;
/// `BPF_JMP | BPF_EXIT`.
const EXIT: u8 = 0x95;
/// `struct bpf_cgroup_dev_ctx`: access and type, major, minor.
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const MAJOR: u8 = 3;
const MINOR: u8 = 4;

const fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: to | from << 4,
        offset,
        immediate,
    }
}

/// The program: what no rule fits is allowed.
pub(crate) fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0),
        instruction(AND, TYPE, 0, 0, 0xffff),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules {
        let mut tests = vec![(JUMP_NOT_EQUAL, TYPE, rule.kind.number())];
        if let Some(major) = rule.major {
            tests.push((JUMP_NOT_EQUAL, MAJOR, major.cast_signed()));
        }
        if rule.minors.0 > 0 {
            tests.push((JUMP_LESS, MINOR, rule.minors.0.cast_signed()));
        }
        if rule.minors.1 < u32::MAX {
            tests.push((JUMP_GREATER, MINOR, rule.minors.1.cast_signed()));
        }
        // From each test that fails over the rest of them, the verdict and the exit.
        let mut over = i16::try_from(tests.len()).unwrap_or(0) + 1;
        for (code, register, immediate) in tests {
            program.push(instruction(code, register, 0, over, immediate));
            over -= 1;
        }
        program.extend(verdict(rule.access));
    }
    program.extend(verdict(Access::Allow));
    program
}

fn verdict(access: Access) -> [Instruction; 2] {
    let value = i32::from(access == Access::Allow);
    [instruction(MOVE, 0, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)]
}

/// The program's name: it tells these rules from others (FNV-1a of the instructions), so that an agent that starts again
/// knows what is in force.
pub(crate) fn program_name(rules: &[DeviceRule]) -> String {
    let mut hash = 0x811c_9dc5_u32;
    for one in program(rules) {
        let [low, high] = one.offset.to_le_bytes();
        let [a, b, c, d] = one.immediate.to_le_bytes();
        for byte in [one.code, one.registers, low, high, a, b, c, d] {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    format!("{PROGRAM_PREFIX}{hash:08x}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// What the kernel's interpreter would do with these few instructions.
    fn run(program: &[Instruction], kind: Kind, major: u32, minor: u32) -> bool {
        let context = [kind.number().cast_unsigned() | 2 << 16, major, minor];
        let mut registers = [0_u32; 11];
        let mut at = 0_usize;
        loop {
            let one = program[at];
            at += 1;
            let to = usize::from(one.registers & 15);
            let immediate = one.immediate.cast_unsigned();
            let jump = match one.code {
                LOAD_WORD => {
                    registers[to] = context[usize::try_from(one.offset).unwrap() / 4];
                    false
                }
                AND => {
                    registers[to] &= immediate;
                    false
                }
                MOVE => {
                    registers[to] = immediate;
                    false
                }
                JUMP_NOT_EQUAL => registers[to] != immediate,
                JUMP_LESS => registers[to] < immediate,
                JUMP_GREATER => registers[to] > immediate,
                EXIT => return registers[0] == 1,
                other => unreachable!("{other:#x}"),
            };
            if jump {
                at += usize::try_from(one.offset).unwrap();
            }
        }
    }

    #[test]
    fn a_program_says_what_its_rules_say() {
        let rule = |access, kind, major, minors| DeviceRule {
            access,
            kind,
            major,
            minors,
        };
        let rules = [
            rule(Access::Allow, Kind::Block, Some(259), (0, 3)),
            rule(Access::Allow, Kind::Char, Some(195), (1, 1)),
            rule(Access::Deny, Kind::Char, Some(195), (0, 253)),
            rule(Access::Deny, Kind::Block, None, (0, u32::MAX)),
        ];
        let program = program(&rules);
        for kind in [Kind::Char, Kind::Block] {
            for major in [0, 1, 8, 195, 196, 259, 4095] {
                for minor in [0, 1, 2, 3, 4, 253, 254, 255, 1 << 20, u32::MAX] {
                    let first = rules.iter().find(|rule| rule.fits(kind, major, minor));
                    let allowed = first.is_none_or(|rule| rule.access == Access::Allow);
                    assert_eq!(
                        run(&program, kind, major, minor),
                        allowed,
                        "{kind:?} {major}:{minor}"
                    );
                }
            }
        }
        assert_eq!(program_name(&rules).len(), 15);
        assert_ne!(program_name(&rules), program_name(&rules[1..]));
        assert_eq!(rules[3].to_string(), "deny b *:*");
    }
}
