//! Closed by default: TLS and a token beyond loopback, and orders from root or our own user only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use agent_api::{AgentClient, ClientError, Token};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::stand::{Home, LONG, wait};

/// Set in the child that asks as another user: the socket.
const ASK_AS_OTHER: &str = "BUSBAR_TEST_ASK_AS_OTHER";
/// Nobody's number on every Linux distribution.
const NOBODY: u32 = 65_534;

fn secret(home: &Home, name: &str, text: &str) -> PathBuf {
    let path = home.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A CA, a certificate of it for loopback, its key, and a configuration with a token.
fn guarded() -> Home {
    let home = Home::new();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    home.write("ca.pem", &ca.pem());
    home.write("agent.pem", &leaf.pem());
    secret(&home, "agent.key", &key.serialize_pem());
    secret(&home, "agent.token", "0123456789abcdef0123\n");
    home.write(
        "agent.toml",
        "[agent]\nlisten_address = \"127.0.0.1:0\"\ntls_certificate_file = \"agent.pem\"\n\
         tls_key_file = \"agent.key\"\ntoken_file = \"agent.token\"\n",
    );
    home
}

#[test]
fn with_tls_and_a_token_only_who_has_both_is_answered() {
    let home = guarded();
    let agent = home.start(&[]);
    assert!(agent.url.starts_with("https://127.0.0.1:"), "{}", agent.url);
    let ca = home.path("ca.pem");
    let client = |token: Option<&str>| {
        let token = token.map(|text| Token::from_file(&secret(&home, "presented", text)).unwrap());
        AgentClient::http(&agent.url, Some(&ca), token)
            .unwrap()
            .with_deadline(LONG)
    };
    wait(async {
        let right = client(Some("0123456789abcdef0123"));
        assert!(!right.status().await.unwrap().node.is_empty());
        assert!(right.facts().await.is_ok() && right.events().await.is_ok());
        assert!(right.metrics().await.unwrap().contains("busbar_build_info"));
        for wrong in [None, Some("0123456789abcdef0124"), Some("0123456789abcdef")] {
            // A scrape has a way of its own, past the routes: it asks for the token by itself.
            let errors = [
                client(wrong).status().await.unwrap_err(),
                client(wrong).metrics().await.unwrap_err(),
            ];
            for error in errors {
                assert!(
                    matches!(&error, ClientError::Refused { status: 401, code, .. } if code == "unauthorized"),
                    "{error:?}"
                );
            }
        }
        // An authority that did not sign it.
        let stranger = guarded();
        let other = AgentClient::http(&agent.url, Some(&stranger.path("ca.pem")), None).unwrap();
        let error = other.status().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    });
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    for file in ["agent.key", "agent.token"] {
        let home = guarded();
        fs::set_permissions(home.path(file), fs::Permissions::from_mode(0o644)).unwrap();
        let (code, said) = home.fail(&[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(file) && said.contains("0644") && said.contains("0600"),
            "{said}"
        );
    }
    let home = guarded();
    home.write("agent.pem", "no certificate");
    let (code, said) = home.fail(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("agent.pem"), "{said}");
}

#[test]
fn another_user_gives_no_orders() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can ask as another user");
        return;
    }
    let home = Home::new();
    let _agent = home.start(&[]);
    // The socket's mode keeps others away already; opened wide, the kernel's word of who asks still does.
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    // A copy, because the folder of the tests may be closed to others. Another process writes it: a file that this one
    // had open to write would be busy (ETXTBSY) while a child that another test is just starting still holds it open.
    let program = home.path("asker");
    let installed = Command::new("install")
        .args(["-m", "755"])
        .args([&std::env::current_exe().unwrap(), &program])
        .status();
    assert!(installed.unwrap().success());
    let output = Command::new(program)
        .args(["--exact", "closed::asks_as_somebody_else", "--nocapture"])
        .env(ASK_AS_OTHER, home.socket())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("refused: user 65534"),
        "{said}"
    );
}

/// The child of the test above; by itself it has nothing to ask.
#[test]
fn asks_as_somebody_else() {
    let Some(socket) = std::env::var_os(ASK_AS_OTHER) else {
        return;
    };
    let error = wait(AgentClient::unix(&PathBuf::from(socket)).status()).unwrap_err();
    println!("{}: {error}", error.code().unwrap_or_default());
}
