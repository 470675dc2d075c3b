//! systemd over D-Bus: `org.freedesktop.systemd1` (systemd's man page of that name, section 5; properties of resource control).
//!
//! Properties are set for the runtime only: they are gone with the unit's run where it is a scope, and with the boot in any case.

use facts::{Bytes, CpuSet, NumaSet};
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use super::{Asked, Doors, Owner, OwnerError, Values};
use crate::ledger::Had;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// What a unit is called that is not loaded.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
/// The kinds of units with processes, and their interfaces.
const KINDS: [(&str, &str); 2] = [
    (".scope", "org.freedesktop.systemd1.Scope"),
    (".service", "org.freedesktop.systemd1.Service"),
];
const ALLOWED_CPUS: &str = "AllowedCPUs";
const ALLOWED_MEMORY_NODES: &str = "AllowedMemoryNodes";
const MEMORY_MAX: &str = "MemoryMax";
/// What stands there for no limit.
const NO_LIMIT: u64 = u64::MAX;
/// What is expected where the bus cannot be reached.
const EXPECTED: &str = "systemd as the first process, and its system bus (the package dbus)";

/// One unit, and the connection by which it is asked.
struct Unit<'a> {
    bus: Connection,
    name: &'a str,
    path: OwnedObjectPath,
    kind: &'static str,
}

impl<'a> Unit<'a> {
    async fn open(doors: &Doors, name: &'a str) -> Result<Unit<'a>, OwnerError> {
        let kind = KINDS.iter().find(|(end, _)| name.ends_with(end));
        let (_, kind) = kind.ok_or_else(|| OwnerError::Refused {
            owner: shown(name),
            act: "be asked for that unit",
            why: "it has no processes of its own; expected a .scope or a .service".to_owned(),
        })?;
        let bus = match &doors.bus {
            None => Connection::system().await,
            Some(address) => zbus::connection::Builder::address(address.as_str()).build().await,
        };
        let bus = bus.map_err(|error| OwnerError::Unreachable {
            who: super::SYSTEMD,
            path: doors.bus.clone().unwrap_or_else(|| "the system bus".to_owned()),
            why: error.to_string(),
            expected: EXPECTED,
        })?;
        let path = bus
            .call_method(Some(NAME), PATH, Some(MANAGER), "GetUnit", &(name,))
            .await;
        let path = path.map_err(|error| refused(name, "tell of it", error))?;
        let path = path
            .body()
            .deserialize()
            .map_err(|error| refused(name, "tell of it", error))?;
        Ok(Unit {
            bus,
            name,
            path,
            kind,
        })
    }

    async fn get(&self, interface: &str, property: &str) -> Result<OwnedVariant, OwnerError> {
        let words = (interface, property);
        let asked = self
            .bus
            .call_method(Some(NAME), &self.path, Some(PROPERTIES), "Get", &words);
        let told = asked
            .await
            .map_err(|error| refused(self.name, "tell of it", error))?;
        told.body()
            .deserialize()
            .map_err(|error| refused(self.name, "tell of it", error))
    }

    async fn text(&self, property: &str) -> Result<String, OwnerError> {
        let value = self.get(self.kind, property).await?;
        String::try_from(value).map_err(|error| self.strange(property, &error))
    }

    async fn bytes(&self, interface: &str, property: &str) -> Result<Vec<u8>, OwnerError> {
        let value = self.get(interface, property).await?;
        Vec::<u8>::try_from(value).map_err(|error| self.strange(property, &error))
    }

    async fn had(&self) -> Result<Had, OwnerError> {
        let cpus = CpuSet::from_iter(numbers(&self.bytes(self.kind, ALLOWED_CPUS).await?).map(facts::CpuId));
        let nodes = self.bytes(self.kind, ALLOWED_MEMORY_NODES).await?;
        let nodes = numbers(&nodes).map(facts::NumaNodeId);
        let most = self.get(self.kind, MEMORY_MAX).await?;
        let most = u64::try_from(most).map_err(|error| self.strange(MEMORY_MAX, &error))?;
        let run = self.bytes(UNIT, "InvocationID").await?;
        Ok(Had {
            cpus,
            numa_nodes: NumaSet::from_iter(nodes),
            memory_max: (most != NO_LIMIT).then(|| Bytes::new(most)),
            run: run.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// `SetUnitProperties(name, runtime, properties)`.
    async fn write(&self, properties: Vec<(&str, Variant<'_>)>) -> Result<(), OwnerError> {
        let words = (self.name, true, properties);
        let asked = self
            .bus
            .call_method(Some(NAME), PATH, Some(MANAGER), "SetUnitProperties", &words);
        asked
            .await
            .map(|_| ())
            .map_err(|error| refused(self.name, "set its properties", error))
    }

    fn strange(&self, property: &str, error: &dyn std::error::Error) -> OwnerError {
        OwnerError::Strange {
            owner: shown(self.name),
            said: format!("{property} as {error}"),
            expected: "what its manual says".to_owned(),
        }
    }
}

/// What a unit has set; its cgroup must be the one that we found it by.
pub(super) async fn look(doors: &Doors, name: &str, cgroup: &str) -> Result<Had, OwnerError> {
    let unit = Unit::open(doors, name).await?;
    let said = unit.text("ControlGroup").await?;
    if said.trim_start_matches('/') != cgroup {
        return Err(OwnerError::Strange {
            owner: shown(name),
            said: format!("that its cgroup is {said}"),
            expected: format!("/{cgroup}: a unit of another manager (of a user's) is not asked for"),
        });
    }
    unit.had().await
}

/// Sets what a unit is to have, unless it is another run of it than the one that was meant.
pub(super) async fn set(doors: &Doors, name: &str, values: &Values, run: &str) -> Result<(), OwnerError> {
    let unit = Unit::open(doors, name).await?;
    if unit.had().await?.run != run {
        return Err(OwnerError::Gone(format!("that run of {}", shown(name))));
    }
    let mut properties = vec![cpus_of(&values.cpus), nodes_of(&values.numa_nodes)];
    properties.extend(
        values
            .memory_max
            .map(|most| (MEMORY_MAX, Variant::from(most.get()))),
    );
    unit.write(properties).await
}

/// Sets what a unit had, where it still has what it was given.
pub(super) async fn give_back(doors: &Doors, name: &str, asked: &Asked) -> Result<(), OwnerError> {
    let unit = Unit::open(doors, name).await?;
    let (has, had) = (unit.had().await?, &asked.had);
    let mut properties = Vec::new();
    if has.cpus == asked.values.cpus {
        properties.push(cpus_of(&had.cpus));
    }
    if has.numa_nodes == asked.values.numa_nodes {
        properties.push(nodes_of(&had.numa_nodes));
    }
    if asked.values.memory_max.is_some() && has.memory_max == asked.values.memory_max {
        let most = had.memory_max.map_or(NO_LIMIT, Bytes::get);
        properties.push((MEMORY_MAX, Variant::from(most)));
    }
    if properties.is_empty() {
        Ok(())
    } else {
        unit.write(properties).await
    }
}

fn cpus_of(cpus: &CpuSet) -> (&'static str, Variant<'static>) {
    (ALLOWED_CPUS, Variant::from(mask(cpus.iter().map(|cpu| cpu.0))))
}

fn nodes_of(nodes: &NumaSet) -> (&'static str, Variant<'static>) {
    (
        ALLOWED_MEMORY_NODES,
        Variant::from(mask(nodes.iter().map(|node| node.0))),
    )
}

/// A set as systemd sends it: a bit a number, the lowest of the first byte for 0; no byte for nothing.
fn mask(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for number in numbers {
        let at = usize::try_from(number / u8::BITS).unwrap_or(usize::MAX);
        if bytes.len() <= at {
            bytes.resize(at.saturating_add(1), 0);
        }
        if let Some(byte) = bytes.get_mut(at) {
            *byte |= 1 << (number % u8::BITS);
        }
    }
    bytes
}

/// The numbers of such a set.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let of = |(at, byte): (u32, &u8)| {
        let byte = *byte;
        (0..u8::BITS)
            .filter(move |bit| byte & (1 << bit) != 0)
            .map(move |bit| at * u8::BITS + bit)
    };
    (0..).zip(bytes).flat_map(of)
}

fn shown(name: &str) -> String {
    Owner::Systemd(name.to_owned()).to_string()
}

fn refused(name: &str, act: &'static str, error: zbus::Error) -> OwnerError {
    if let zbus::Error::MethodError(kind, why, _) = &error {
        if kind.as_str() == NO_SUCH_UNIT {
            return OwnerError::Gone(shown(name));
        }
        let why = why.clone().unwrap_or_else(|| kind.to_string());
        return OwnerError::Refused {
            owner: shown(name),
            act,
            why,
        };
    }
    OwnerError::Refused {
        owner: shown(name),
        act,
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_set_is_a_bit_a_number_in_both_directions() {
        for (list, bytes) in [
            ("", vec![]),
            ("0", vec![1]),
            ("3", vec![8]),
            ("0-7", vec![0xff]),
            ("1,8-9,23", vec![2, 3, 0x80]),
        ] {
            let cpus: CpuSet = if list.is_empty() {
                CpuSet::new()
            } else {
                list.parse().unwrap()
            };
            assert_eq!(mask(cpus.iter().map(|cpu| cpu.0)), bytes, "{list}");
            let back = CpuSet::from_iter(numbers(&bytes).map(facts::CpuId));
            assert_eq!(back, cpus, "{list}");
        }
    }
}
