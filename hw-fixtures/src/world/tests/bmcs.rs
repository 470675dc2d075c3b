//! What BMCs do with their nodes by themselves: when the power is back, and where more is drawn than their limit.

use super::*;

/// The demonstration rack, whose n01 and n02 have these further lines.
fn with(first: &str, second: &str) -> World {
    let mut text = DEMO.to_owned();
    for (node, line) in [("n01", first), ("n02", second)] {
        let there = format!("[[node]]\nname = \"{node}\"\n");
        assert!(text.contains(&there));
        text = text.replace(&there, &format!("{there}{line}\n"));
    }
    World::new(Plan::parse(&text, Path::new("world.toml")).unwrap())
}

fn is_on(world: &World, node: &str) -> bool {
    world.node(node).unwrap().is_on()
}

fn feeds(world: &mut World, live: bool) {
    for feed in ["A", "B"] {
        let feed = feed.to_owned();
        let verb = if live {
            Verb::FeedRestore { feed }
        } else {
            Verb::FeedLoss { feed }
        };
        world.act(&verb).unwrap();
    }
    world.advance_by(1_000);
}

#[test]
fn a_node_is_restored_as_its_bmc_was_told() {
    let mut world = with("restore = \"always-off\"", "restore = \"always-on\"");
    for node in ["n02", "n03"] {
        let (node, on) = (node.to_owned(), false);
        world.act(&Verb::Power { node, on }).unwrap();
    }
    feeds(&mut world, false);
    assert!(world.is_dark());
    feeds(&mut world, true);
    assert!(!world.is_dark());
    let states = ["n01", "n02", "n03", "n04"].map(|node| is_on(&world, node));
    assert_eq!(
        states,
        [false, true, false, true],
        "stays off; comes on; as it was; as it was"
    );
    assert!(
        world.draw() < 1_000_000,
        "two nodes at their idle draw: {}",
        world.draw()
    );
}

#[test]
fn a_limit_that_is_broken_for_too_long_switches_its_node_off_where_its_bmc_was_told_so() {
    let mut world = with("limiter = \"none\"", "");
    demand(&mut world, 2_000);
    for node in ["n01", "n02"] {
        assert!(world.set_exception(node, Some(1_000)) && world.set_limit(node, Some(1_000_000)));
    }
    world.advance_by(990);
    assert!(is_on(&world, "n01"), "for as long as the correction time");
    world.advance_by(2_000);
    assert!(
        !is_on(&world, "n01"),
        "nothing holds it, and its BMC switches it off"
    );
    assert!(is_on(&world, "n02"), "its limiter holds it in time");
    let (node, on) = ("n01".to_owned(), true);
    world.act(&Verb::Power { node, on }).unwrap();
    assert!(world.set_exception("n01", None));
    world.advance_by(5_000);
    assert!(is_on(&world, "n01"), "an exception that only logs");
    assert_eq!(world.node("n01").unwrap().draw(world.now_ms()), 2_000_000);
    assert!(!world.set_exception("n99", None));
}
