//! A BMC's Redfish service on a real socket: one node with two supplies, in the mood that a test wants.
#![allow(dead_code)] // each test file uses its part

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 401 to everything.
    Unauthorized,
    /// 200 with what is no JSON.
    Garbage,
    /// Closes the connection.
    Hangup,
}

/// The service. Its thread ends with the test's process.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    state: Arc<Mutex<(Mood, &'static str)>>,
}

impl Service {
    pub fn start(mood: Mood) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Service {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new((mood, "OK"))),
        };
        let state = Arc::clone(&service.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, health) = *state.lock().unwrap();
                // A client that went away is no matter of ours.
                let _ = answer(&stream.unwrap(), mood, health);
            }
        });
        service
    }

    pub fn is(&self, mood: Mood) {
        self.state.lock().unwrap().0 = mood;
    }

    /// `Status.Health` of the second supply.
    pub fn second_supply_is(&self, health: &'static str) {
        self.state.lock().unwrap().1 = health;
    }
}

fn answer(mut stream: &TcpStream, mood: Mood, health: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().trim_end_matches('/');
    let (status, body) = match (mood, resource(path, health)) {
        (Mood::Hangup, _) => return Ok(()),
        (Mood::Unauthorized, _) => ("401 Unauthorized", "{}".to_owned()),
        (Mood::Garbage, _) => ("200 OK", "<html>}{\u{0}".to_owned()),
        (Mood::Well, Some(body)) => ("200 OK", body.to_string()),
        (Mood::Well, None) => ("404 Not Found", "{}".to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn resource(path: &str, health: &str) -> Option<Value> {
    let list = |member: &str| json!({"Members": [{"@odata.id": member}]});
    let supply = |id: &str, health: &str| {
        json!({"MemberId": id, "Name": format!("PSU {id}"), "PowerCapacityWatts": 800, "PowerInputWatts": 206,
            "PowerOutputWatts": 190, "SerialNumber": format!("SN{id}"), "Model": "P800", "LineInputVoltage": 230,
            "Status": {"State": "Enabled", "Health": health}})
    };
    Some(match path {
        "/redfish/v1" => json!({"RedfishVersion": "1.9.0", "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
            "Systems": {"@odata.id": "/redfish/v1/Systems"}}),
        "/redfish/v1/Chassis" => list("/redfish/v1/Chassis/1"),
        "/redfish/v1/Systems" => list("/redfish/v1/Systems/1"),
        "/redfish/v1/Systems/1" => {
            json!({"Id": "1", "Manufacturer": "Maker", "Model": "Box", "SerialNumber": "BOX-1",
            "PowerState": "On", "Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/1"}]}})
        }
        "/redfish/v1/Chassis/1" => json!({"Id": "1", "Power": {"@odata.id": "/redfish/v1/Chassis/1/Power"},
            "Thermal": {"@odata.id": "/redfish/v1/Chassis/1/Thermal"}}),
        "/redfish/v1/Chassis/1/Power" => json!({"PowerControl": [{"PowerConsumedWatts": 412}],
            "PowerSupplies": [supply("1", "OK"), supply("2", health)],
            "Voltages": [{"Name": "P12V", "ReadingVolts": 12.1, "Status": {"State": "Enabled", "Health": "OK"}}]}),
        "/redfish/v1/Chassis/1/Thermal" => json!({
            "Temperatures": [
                {"Name": "Inlet Temp", "ReadingCelsius": 24, "UpperThresholdCritical": 47,
                 "Status": {"State": "Enabled", "Health": "OK"}},
                {"Name": "DIMM Temp", "ReadingCelsius": 300, "Status": {"State": "Enabled", "Health": "OK"}},
                {"Name": "DIMM Temp", "ReadingCelsius": 41, "Status": {"State": "Enabled", "Health": "Warning"}}
            ],
            "Fans": [{"Name": "Fan1", "Reading": 8520, "ReadingUnits": "RPM", "Status": {"Health": "OK"}}]}),
        _ => return None,
    })
}
