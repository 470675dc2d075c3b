//! BMCs that misbehave as they were told to, and only they.

use std::time::Duration;

use crate::raised::Raised;

#[tokio::test]
async fn four_ways_to_misbehave_and_back() {
    let world = Raised::demo();
    let (shelf, node) = (world.bmc("shelf"), world.bmc("n01"));
    for (answer, status) in [("401", 401), ("404", 404)] {
        let said = world.act(&["bmc", "shelf", "answer", answer]);
        assert_eq!(said, format!("the BMC of shelf answers {answer} from now on\n"));
        assert_eq!(shelf.get("/redfish/v1/").await.status(), status);
        assert_eq!(shelf.get("/redfish/v1/Chassis").await.status(), status);
    }
    world.act(&["bmc", "shelf", "answer", "half"]);
    let half = shelf.get("/redfish/v1/").await;
    assert_eq!(half.status(), 200);
    let promised = half.content_length().unwrap();
    let cut = half.bytes().await;
    assert!(
        cut.is_err(),
        "{promised} bytes were promised and all came: {cut:?}"
    );

    world.act(&["bmc", "shelf", "answer", "never"]);
    let request = shelf
        .client
        .get(format!("{}/redfish/v1/", shelf.url))
        .timeout(Duration::from_millis(500));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(
        node.get("/redfish/v1/").await.status(),
        200,
        "another BMC is none the worse"
    );

    world.act(&["bmc", "shelf", "answer", "ok"]);
    assert_eq!(shelf.get("/redfish/v1/Chassis").await.status(), 200);
}

#[tokio::test]
async fn a_dark_rack_takes_the_nodes_bmcs_with_it_and_not_the_shelfs() {
    let world = Raised::demo();
    for node in ["n01", "n02", "n03", "n04"] {
        world.act(&["demand", node, "4000"]);
    }
    world.until("16 kW are drawn", |status| status["draw_watts"] == 16_000);
    world.act(&["pull", "shelf/psu-0"]);
    let status = world.until("the rack goes dark", |status| status["dark"] == true);
    assert_eq!(status["draw_watts"], 0);
    let node = world.bmc("n01");
    let request = node
        .client
        .get(format!("{}/redfish/v1/", node.url))
        .timeout(Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    let health = &world.bmc("shelf").read("/redfish/v1/Chassis/shelf").await["Status"]["Health"];
    assert_eq!(health, "Critical");
    for node in ["n01", "n02", "n03", "n04"] {
        world.act(&["demand", node, "1000"]);
    }
    world.act(&["restart"]);
    world.until("the rack is lit again", |status| {
        status["dark"] == false && status["draw_watts"] == 4_000
    });
    assert_eq!(node.get("/redfish/v1/").await.status(), 200);
}
