//! What a runtime is refused, modes that do not act, and peers that speak something else.

use std::io::Write;

use intent::Mode;

use super::runtime::{Runtime, about, container, pod, text};
use super::{Agent, EXCLUSIVE, adjusted, host};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_the_reason() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    let before = fixture.all("sys");
    let mut refused = |asks: &[(&str, &str)], code: u64, said: &str| {
        let error = runtime
            .call("CreateContainer", &about(&pod("p1", asks), &container("c1", "")))
            .unwrap_err();
        assert!(error.0 == code && error.1.contains(said), "{asks:?}: {error:?}");
    };
    // INVALID_ARGUMENT 3, RESOURCE_EXHAUSTED 8, FAILED_PRECONDITION 9.
    refused(
        &[("busbar.dev/cpu", "2")],
        3,
        "busbar.dev/cpu is none of busbar.dev/cpus",
    );
    refused(&[("busbar.dev/cpus", "0")], 3, "0");
    refused(
        &[("busbar.dev/cpus", "64"), ("busbar.dev/exclusive", "true")],
        8,
        "64",
    );
    let state = "var/lib/kubelet/cpu_manager_state";
    fixture.write(state, "{\"policyName\":\"static\"}");
    refused(&EXCLUSIVE, 9, "cpuManagerPolicy: none");
    std::fs::remove_file(fixture.path(state)).unwrap();
    agent.desk.drain(Some("new memory".to_owned())).await.unwrap();
    refused(&EXCLUSIVE, 9, "new memory");
    agent.desk.drain(None).await.unwrap();
    assert_eq!(fixture.all("sys"), before);
    assert!(agent.held().await.is_empty());
    // A cgroup that leads out of the tree.
    let away = [text(1, "c9"), text(3, "app"), text(11, text(5, "/../../etc"))].concat();
    let error = runtime
        .call("CreateContainer", &about(&pod("p1", &EXCLUSIVE), &away))
        .unwrap_err();
    assert!(error.0 == 3 && error.1.contains("SLICE:PREFIX:NAME"), "{error:?}");
    let error = runtime.call("Frobnicate", &[]).unwrap_err();
    assert_eq!(error.0, 12, "{error:?}");
    let error = runtime.call("CreateContainer", b"\x0a\xff").unwrap_err();
    assert!(
        error.0 == 3 && error.1.contains("no CreateContainerRequest"),
        "{error:?}"
    );

    // What only its runtime may do to a container.
    runtime
        .call(
            "CreateContainer",
            &about(&pod("p1", &EXCLUSIVE), &container("c1", "")),
        )
        .unwrap();
    let id = agent.desk.containers().await.unwrap()[0].workload.clone();
    let errors = [
        agent.desk.end(id.clone()).await.unwrap_err(),
        agent.desk.freeze(id.clone(), true).await.unwrap_err(),
        agent.desk.migrate(id.clone(), false).await.unwrap_err(),
        agent
            .desk
            .signal(id, nix::sys::signal::Signal::SIGTERM)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("crictl stop c1"), "{error}");
    }
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_does_not_act_answers_nothing() {
    for mode in [Mode::Observe, Mode::Advise] {
        let (fixture, listener) = host();
        let agent = Agent::start(&fixture, mode);
        let (mut runtime, told) =
            Runtime::accept(&listener, &[pod("p1", &EXCLUSIVE)], &[container("c0", "")]);
        assert_eq!(told, Vec::<String>::new());
        for asks in [
            &EXCLUSIVE[..],
            &[("busbar.dev/cpus", "64")],
            &[("busbar.dev/oops", "1")],
        ] {
            let answer = runtime.call("CreateContainer", &about(&pod("p1", asks), &container("c1", "")));
            assert_eq!(answer, Ok(vec![]));
        }
        assert_eq!(
            runtime.call(
                "StopContainer",
                &about(&pod("p1", &EXCLUSIVE), &container("c1", ""))
            ),
            Ok(vec![])
        );
        assert!(!fixture.path("state").exists(), "nothing is written");
        agent.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_something_else_is_left_and_tried_again() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        &[0xff; 64],
        b"\0\0\0\x01\0\0\0\x0a\0\0\0\0\0\0\0\x01\x03\0",
    ] {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(garbage).unwrap();
    }
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    let answer = runtime
        .call(
            "CreateContainer",
            &about(&pod("p1", &EXCLUSIVE), &container("c1", "")),
        )
        .unwrap();
    assert_eq!(adjusted(&answer), "1-2 on 0, Some(268435456), None");
    agent.end().await;
}
