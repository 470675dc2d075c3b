//! The wire to baseboard management controllers: what they say, read leniently, and the few things we ask of them.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod ipmi;
pub mod redfish;
pub mod redundancy;
mod system_power;

pub use redfish::act;
pub use redfish::bmc::Bmc;
pub use redfish::endpoint::{Credentials, CredentialsError, Endpoint, Limits};
pub use redfish::error::BmcError;
pub use redfish::events::{Hint, Hints, events, subscriptions};
pub use redfish::observe::{
    DriveFacts, Drives, LimitWay, NodeFacts, PowerLimit, Sensors, drives, node, sensors, supplies,
};
pub use redfish::trust::{Fingerprint, Trust};
pub use system_power::SystemPower;

#[cfg(test)]
mod tests {
    use super::*;

    /// Daemons ask BMCs from tasks that move between threads.
    #[test]
    fn what_is_asked_can_be_asked_from_any_task() {
        fn send<T: Send>(_: impl FnOnce(Endpoint, Bmc) -> T) {}
        send(|endpoint, _| Bmc::connect(endpoint));
        send(|_, bmc| async move { supplies(&bmc).await });
        send(|_, bmc| async move { node(&bmc).await });
        send(|_, bmc| async move { drives(&bmc).await });
        send(
            |_, bmc| async move { act::secure_erase(&bmc, "/", false, facts::Moment::EPOCH, |_| true).await },
        );
        send(|_, bmc| async move { events(&bmc).await });
        send(|_, bmc| async move { act::set_led(&bmc, "/", true).await });
        send(|_, bmc| async move { act::set_power_limit(&bmc, facts::Power::ZERO).await });
        send(|_, bmc| async move { act::switch(&bmc, SystemPower::Off, |_| true).await });
    }
}
