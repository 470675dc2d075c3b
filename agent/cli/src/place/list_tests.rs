//! Files of asks: what they mean, and what is said of those that mean nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const TOML: &str = r#"
[[ask]]
name = "web"
count = 2
cpus = 4
exclusive = true
memory = "32GiB"
near = ["gpu:1", "nic:eth0"]
topology = "single-numa-node"
hugepages = ["2MiB=2GiB"]
l3 = "25%"
memory-bandwidth = "10%"
watts = 600
priority = 1

[[ask]]
name = "batch"
memory = 268435456
watts = 0.5
gpus = 2
"#;

const JSON: &str = r#"{"ask":[
  {"name":"web","count":2,"cpus":4,"exclusive":true,"memory":"32GiB","near":["gpu:1","nic:eth0"],
   "topology":"single-numa-node","hugepages":["2MiB=2GiB"],"l3":"25%","memory-bandwidth":"10%","watts":600,"priority":1},
  {"name":"batch","memory":268435456,"watts":0.5,"gpus":2}]}"#;

#[test]
fn both_ways_of_writing_give_the_same_asks() {
    let asks = parse("asks.toml", TOML.as_bytes()).unwrap();
    assert_eq!(parse("-", JSON.as_bytes()).unwrap(), asks);
    let names: Vec<&str> = asks
        .iter()
        .map(|ask| ask.name.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(names, ["web-1", "web-2", "batch"]);
    let (web, batch) = (&asks[1], &asks[2]);
    assert_eq!(web.memory_bytes, Some(Bytes::new(32 << 30)));
    assert_eq!(web.near.len(), 2);
    assert_eq!(web.hugepages[0].bytes, Bytes::new(2 << 30));
    assert_eq!(web.l3_share, Some(Share::new(250).unwrap()));
    assert_eq!(web.watts, Power::from_watts(600));
    assert_eq!((batch.cpus, batch.exclusive), (1, false));
    assert_eq!(batch.watts, Some(Power::from_milliwatts(500)));
    assert_eq!(batch.gpus, Some(GpuWish::Count(2)));
    for ask in &asks {
        ask.check().unwrap();
    }
}

#[test]
fn nonsense_is_refused_with_its_place() {
    let long = " ".repeat(LONGEST + 1);
    let long_name = format!("[[ask]]\nname = \"{}\"\ncount = 2\n", "a".repeat(63));
    for (text, expected) in [
        ("", "asks.toml holds no ask"),
        ("[[ask]]\ncpu = 4\n", "line 2"),
        ("[[ask]]\nmemory = \"much\"\n", "amount of bytes"),
        ("[[ask]]\nl3 = \"101%\"\n", "percentage"),
        ("[[ask]]\nwatts = -1\n", "no number of watts"),
        ("[[ask]]\nwatts = nan\n", "no number of watts"),
        ("[[ask]]\nhugepages = [\"2GiB\"]\n", "SIZE=BYTES"),
        ("[[ask]]\nname = \"../../etc\"\n", "line 2"),
        ("[[ask]]\ncpus = 1000000000000000000\n", "line 2"),
        ("[[ask]]\ncount = 1001\n", "more than 1000 asks"),
        ("[[ask]]\ncount = 0\n", "holds no ask"),
        (&long_name, "with count = 2"),
        ("{\"ask\":[{\"cpus\":\"4\"}]}", "asks.toml"),
        (&long, "longer than"),
    ] {
        let error = parse("asks.toml", text.as_bytes()).unwrap_err();
        let said =
            std::error::Error::source(&error).map_or(error.to_string(), |cause| format!("{error}: {cause}"));
        assert!(said.contains(expected), "{text:.40}: {said}");
        assert!(said.contains("asks.toml"), "{said}");
    }
    let json = parse("asks.json", b"{\"ask\":[{\"cpus\":\"4\"}]}").unwrap_err();
    let cause = std::error::Error::source(&json).unwrap().to_string();
    assert!(cause.contains("line 1 column"), "{cause}");
    assert!(
        parse("x", b"\xff\xfe")
            .unwrap_err()
            .to_string()
            .contains("no UTF-8")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Err(error) = parse("asks.toml", &data) {
            prop_assert!(error.to_string().contains("asks.toml"));
        }
    }
}
