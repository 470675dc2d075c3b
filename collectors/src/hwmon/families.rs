//! Limits and states of sensors; their values are written from the facts, which hold those of every source.

facts::families! {
    TEMPERATURE_LIMIT Gauge "busbar_temperature_limit_celsius" ["chip", "sensor", "limit"]
        "Limits of a temperature sensor: warning, critical, emergency." from "hwmon, thermal zones, IPMI";
    SENSOR_STATE Gauge "busbar_sensor_state" ["chip", "sensor"]
        "How a sensor is by its own alarms: 0 within its limits, 1 somebody should look, 2 critical." from "hwmon, IPMI";
}
