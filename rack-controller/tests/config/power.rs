//! rack.toml: what nodes draw at the least must fit to be enforced, and who may be switched off.

use rack_controller::config::check_config_report;

use super::{changed, errors, read};

/// power.md: 64 nodes on six supplies of 3 kW. Floors of 120 W fit, floors of 300 W are refused for enforce.
#[test]
fn floors_that_do_not_fit_are_refused_for_enforce_only() {
    let agent = "rest_watts = 40\nagent = \"https://192.0.2.7:9711\"\n";
    let rack_of = |mode: &str, floor: u32, holds: &str| {
        let mut text = format!(
            "[rack]\nname = \"r\"\nmode = \"{mode}\"\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\nmargin = 0\n\
[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n"
        );
        for bay in 0..6 {
            text.push_str(&format!(
                "[[bay]]\nplace = \"shelf/psu-{bay}\"\nrated_watts = 3000\n"
            ));
        }
        for node in 0..64 {
            text.push_str(&format!(
                "[[node]]\nname = \"n{node}\"\ndomain = \"shelf\"\nmax_draw_watts = 1100\nfloor_watts = {floor}\n{holds}"
            ));
        }
        text
    };
    let rack = |mode: &str, floor: u32| rack_of(mode, floor, agent);
    assert!(read(&rack("enforce", 120)).is_ok());
    // Without agents that hold their caps, the same nodes count with all that they can draw.
    let said = errors(&rack_of("enforce", 120, ""));
    assert!(
        said.contains("70.4 kW together (70400 W of it all that nodes can draw"),
        "{said}"
    );
    let said = errors(&rack("enforce", 300));
    assert!(said.contains("19.2 kW together and 15.0 kW is firm"), "{said}");
    assert!(said.contains("rack.toml:4: "), "{said}");
    let observed = read(&rack("observe", 300)).unwrap();
    let report = check_config_report(&observed);
    assert!(report.contains("REFUSED FOR ENFORCE"), "{report}");
}

#[test]
fn who_may_be_switched_off_is_a_known_server_and_not_the_controllers_host() {
    let known = "bmc = \"https://192.0.2.7\"\nuuid = \"4C4C4544-0042-3510-8052-B4C04F564D32\"\n";
    let node = |lines: &str| {
        changed(
            "max_draw_watts = 1100\n",
            &format!("max_draw_watts = 1100\n{lines}"),
        )
    };
    let config = read(&node(&format!("{known}allow_power_off = true\n"))).unwrap();
    assert!(config.nodes[0].allow_power_off && config.nodes[0].uuid.is_some());
    assert!(
        !read(&node(known)).unwrap().nodes[0].allow_power_off,
        "the default"
    );
    for (lines, expected) in [
        ("allow_power_off = true\n".to_owned(), "it has no BMC"),
        (
            "allow_power_off = true\nbmc = \"https://192.0.2.7\"\n".to_owned(),
            "it has no uuid",
        ),
        (
            format!("{known}allow_power_off = true\nrole = \"switch\"\n"),
            "a switch is never switched off",
        ),
        (
            format!("{known}allow_power_off = true\nrole = \"jbof\"\n"),
            "which drives of a JBOF are claimed",
        ),
        (
            format!("{known}role = \"oven\"\n"),
            "expected \"server\", \"switch\" or \"jbof\"",
        ),
        ("uuid = \"n01\"\n".to_owned(), "uuid in [[node]]"),
    ] {
        let said = errors(&node(&lines));
        assert!(said.contains(expected), "{lines}: {said}");
    }
    let host = node(&format!("{known}allow_power_off = true\n")).replacen(
        "name = \"r1\"",
        "name = \"r1\"\ncontroller_host = \"n01\"",
        1,
    );
    assert!(errors(&host).contains("because this controller runs there"));
}
