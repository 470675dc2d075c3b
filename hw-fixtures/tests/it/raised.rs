//! Raises a world in a process of its own, and talks to its BMCs as a client that trusts only its authority.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;

/// Nothing that a test waits for takes longer, on any machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A served world.
pub struct Raised {
    child: Child,
    pub dir: TempDir,
    pub addresses: Value,
}

/// One BMC as a client sees it.
pub struct Bmc {
    pub url: String,
    pub user: String,
    pub password: String,
    pub client: Client,
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hw-fixtures"));
    command
        .env_remove("BUSBAR_WORLD")
        .env("RUST_LOG", "warn")
        .env("NO_COLOR", "1");
    command
}

impl Raised {
    /// Serves the demonstration rack.
    pub fn demo() -> Self {
        Self::serve(TempDir::new().unwrap(), &["racks/demo.toml"])
    }

    /// Serves with these arguments; answers when everything listens.
    pub fn serve(dir: TempDir, arguments: &[&str]) -> Self {
        let mut child = command()
            .arg("serve")
            .args(arguments)
            .arg("--state-dir")
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(
            line.starts_with("ready hw-fixtures http://127.0.0.1:"),
            "not ready: {line:?}"
        );
        let addresses = std::fs::read_to_string(dir.path().join("addresses.json")).unwrap();
        let addresses: Value = serde_json::from_str(&addresses).unwrap();
        assert_eq!(addresses["control"].as_str(), line.trim().rsplit(' ').next());
        Self {
            child,
            dir,
            addresses,
        }
    }

    /// Ends the process with a signal and gives back its folder.
    pub fn stop(mut self, signal: &str) -> TempDir {
        let killed = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let ended = self.child.wait().unwrap();
        if signal == "-TERM" {
            assert!(ended.success(), "a graceful stop exits with 0, not {ended}");
        }
        std::mem::replace(&mut self.dir, TempDir::new().unwrap())
    }

    /// Runs `hw-fixtures do`.
    pub fn run(&self, words: &[&str]) -> Output {
        command()
            .arg("do")
            .args(words)
            .arg("--state-dir")
            .arg(self.dir.path())
            .output()
            .unwrap()
    }

    /// Runs `hw-fixtures do`, which must succeed, and answers what it printed.
    pub fn act(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The world as the control face shows it.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.act(&["status", "--output", "json"])).unwrap()
    }

    /// Looks at the world until it is as expected.
    pub fn until(&self, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            if expected(&status) {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "never came: {what}; last: {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A BMC by its name.
    pub fn bmc(&self, name: &str) -> Bmc {
        let bmcs = self.addresses["bmcs"].as_array().unwrap();
        let found = bmcs.iter().find(|bmc| bmc["name"] == name).unwrap();
        let credentials = std::fs::read_to_string(found["credentials_file"].as_str().unwrap()).unwrap();
        let credentials: toml::Table = toml::from_str(&credentials).unwrap();
        let text = |key: &str| credentials[key].as_str().unwrap().to_owned();
        Bmc {
            url: found["url"].as_str().unwrap().to_owned(),
            user: text("username"),
            password: text("password"),
            client: client(Path::new(self.addresses["ca_file"].as_str().unwrap())),
        }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that trusts this authority and no other.
pub fn client(ca_file: &Path) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = std::fs::read(ca_file).unwrap();
    let ca = reqwest::Certificate::from_pem(&pem).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([ca])
        .timeout(DEADLINE)
        .build()
        .unwrap()
}

impl Bmc {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .basic_auth(&self.user, Some(&self.password))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn read(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "GET {path}");
        response.json().await.unwrap()
    }

    pub async fn patch(&self, path: &str, if_match: &str, body: Value) -> Response {
        self.request(Method::PATCH, path)
            .header("If-Match", if_match)
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }
}
