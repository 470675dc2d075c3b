//! The source where nobody can be asked: it says which way is missing, and why.
#![allow(clippy::unwrap_used)]

use super::*;

fn told(wish: BmcWish) -> (NoData, String) {
    let mut collector = LocalBmcCollector::new(Root::host(), wish);
    let error = collector.collect().unwrap_err();
    (error.reason, error.explain())
}

#[test]
fn a_device_that_is_none_or_is_not_one_is_named() {
    let none = BmcWish {
        device: DeviceWish::None,
        redfish: None,
    };
    let (reason, message) = told(none);
    assert_eq!(reason, NoData::Absent);
    assert!(message.contains("device = \"none\""), "{message}");
    let at = |path: &str| BmcWish {
        device: DeviceWish::Path(PathBuf::from(path)),
        redfish: None,
    };
    let (reason, message) = told(at("/dev/ipmi-that-is-not-there"));
    assert_eq!(reason, NoData::Absent, "{message}");
    assert!(message.contains("/dev/ipmi-that-is-not-there"), "{message}");
    let (_, message) = told(at("/dev/null"));
    assert!(
        message.contains("/dev/null: IPMICTL_SET_TIMING_PARMS_CMD failed"),
        "{message}"
    );
}

#[test]
fn a_redfish_service_that_is_not_there_is_the_reason_where_nothing_else_is() {
    // Bound and not listening: a connection is refused.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let wish = BmcWish {
        device: DeviceWish::None,
        redfish: Some(RedfishWish {
            url: format!("http://{address}"),
            credentials_file: None,
            trust: RedfishTrust::Insecure,
        }),
    };
    let (_, message) = told(wish);
    assert!(message.contains(&address.to_string()), "{message}");
    let secret = BmcWish {
        device: DeviceWish::None,
        redfish: Some(RedfishWish {
            url: "https://127.0.0.1".to_owned(),
            credentials_file: Some(PathBuf::from("/nonexistent/bmc.toml")),
            trust: RedfishTrust::Insecure,
        }),
    };
    let (reason, message) = told(secret);
    assert_eq!(reason, NoData::Refused);
    assert!(message.contains("/nonexistent/bmc.toml"), "{message}");
}
