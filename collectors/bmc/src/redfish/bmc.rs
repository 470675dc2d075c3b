//! One BMC, or a recorded tree of one, behind one face.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use facts::supply::Doubt;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::BmcError;
use super::http::Http;
use super::schema::root::Root;
use super::schema::{Doubts, Fields};
use super::tree::{SERVICE_ROOT, Tree};
use super::trust::Fingerprint;

/// Resources that a recording holds: three times the largest walk over the recorded BMCs.
const MAX_RECORDED: usize = 2048;

/// Where resources come from.
#[derive(Debug)]
pub(super) enum Source {
    Http(Box<Http>),
    Tree(Tree),
}

#[derive(Debug)]
struct Inner {
    source: Source,
    root: Root,
    doubts: Vec<Doubt>,
    recording: Mutex<Option<BTreeMap<String, Value>>>,
}

/// One BMC. Cheap to clone; all clones share one session, at most four requests in flight, and the counts.
#[derive(Clone, Debug)]
pub struct Bmc {
    inner: Arc<Inner>,
}

impl Bmc {
    /// Reads the service root. The session is opened when the first resource behind it is read.
    ///
    /// # Errors
    /// Where the address or the trust cannot be used, or no Redfish service answers there.
    pub async fn connect(endpoint: Endpoint) -> Result<Bmc, BmcError> {
        let http = Http::new(&endpoint)?;
        let doubts = Doubts::default();
        let root = match http.get(SERVICE_ROOT, true, true).await {
            Ok(got) => Root::read(&Fields::of(&got.value, SERVICE_ROOT, &doubts)),
            // The root should be open to everybody (DSP0266); some ask who we are first.
            Err(BmcError::Unauthorized { .. }) if endpoint.credentials.is_some() => {
                let got = http.get(SERVICE_ROOT, true, false).await?;
                Root::read(&Fields::of(&got.value, SERVICE_ROOT, &doubts))
            }
            Err(error) if error.is_missing() => Root::unread(&error, &doubts),
            Err(error) => return Err(error),
        };
        http.session.lock().await.collection.clone_from(&root.sessions);
        let bmc = Bmc::new(Source::Http(Box::new(http)), root, doubts);
        // One read behind the login: wrong credentials and a service without a root are told now, not at the first poll.
        match bmc.get(bmc.root().chassis()).await {
            Err(error) if bmc.root().was_read && error.is_local() => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(bmc)
    }

    /// Opens a recorded tree: the folder that stands for `/redfish/v1`, or one that holds `redfish/v1`.
    ///
    /// # Errors
    /// Where there is no such tree.
    pub fn open_tree(dir: &Path) -> Result<Bmc, BmcError> {
        Tree::open(dir).map(Bmc::of_tree)
    }

    /// Opens a recorded tree that is packed: the files of the archive at `path`, each by its path within.
    ///
    /// # Errors
    /// Where there is no such tree among them.
    pub fn open_archive(path: &Path, files: BTreeMap<String, Vec<u8>>) -> Result<Bmc, BmcError> {
        Tree::of_archive(path, files).map(Bmc::of_tree)
    }

    fn of_tree(tree: Tree) -> Bmc {
        let doubts = Doubts::default();
        let root = match tree.get(SERVICE_ROOT) {
            Ok(value) => Root::read(&Fields::of(&value, SERVICE_ROOT, &doubts)),
            Err(error) => Root::unread(&error, &doubts),
        };
        Bmc::new(Source::Tree(tree), root, doubts)
    }

    fn new(source: Source, root: Root, doubts: Doubts) -> Bmc {
        Bmc {
            inner: Arc::new(Inner {
                source,
                root,
                doubts: doubts.take(),
                recording: Mutex::new(None),
            }),
        }
    }

    /// What the service root said.
    pub fn root(&self) -> &Root {
        &self.inner.root
    }

    /// What could not be believed of the service root.
    pub(super) fn root_doubts(&self) -> &[Doubt] {
        &self.inner.doubts
    }

    pub(super) fn source(&self) -> &Source {
        &self.inner.source
    }

    /// The BMC's address, or the tree's folder.
    pub fn name(&self) -> String {
        match self.source() {
            Source::Http(http) => http.origin.clone(),
            Source::Tree(tree) => tree.place().display().to_string(),
        }
    }

    /// Reads a resource, through the ETag cache where the BMC gives ETags.
    ///
    /// # Errors
    /// Where it cannot be read, or is no JSON object.
    pub async fn get(&self, path: &str) -> Result<Arc<Value>, BmcError> {
        self.read(path, false).await
    }

    /// Reads a resource past the ETag cache: for what changes, and for reading back.
    ///
    /// # Errors
    /// As `get`.
    pub async fn get_fresh(&self, path: &str) -> Result<Arc<Value>, BmcError> {
        self.read(path, true).await
    }

    async fn read(&self, path: &str, fresh: bool) -> Result<Arc<Value>, BmcError> {
        let value = match self.source() {
            Source::Http(http) => http.get(path, fresh, false).await?.value,
            Source::Tree(tree) => Arc::new(tree.get(path)?),
        };
        let mut recording = self
            .inner
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = recording.as_mut()
            && (seen.len() < MAX_RECORDED || seen.contains_key(path))
        {
            seen.insert(path.to_owned(), value.as_ref().clone());
        }
        Ok(value)
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<(), BmcError> {
        match self.source() {
            Source::Http(http) => http.patch(path, body).await,
            Source::Tree(tree) => Err(BmcError::Refused {
                resource: tree.name(path),
                why: "a recorded tree cannot be changed".to_owned(),
            }),
        }
    }

    /// Sends an action. Once: what it did is read back, and not what was answered.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<(), BmcError> {
        self.post_for_task(path, body).await.map(|_| ())
    }

    /// The same; gives the path of the task that does it, where the BMC names one.
    pub(super) async fn post_for_task(&self, path: &str, body: &Value) -> Result<Option<String>, BmcError> {
        match self.source() {
            Source::Http(http) => http.post(path, body).await,
            Source::Tree(tree) => Err(BmcError::Refused {
                resource: tree.name(path),
                why: "a recorded tree cannot be changed".to_owned(),
            }),
        }
    }

    /// How a resource is named in messages: its path, or its file in a recorded tree.
    pub fn name_of(&self, path: &str) -> String {
        match self.source() {
            Source::Http(_) => path.to_owned(),
            Source::Tree(tree) => tree.name(path),
        }
    }

    /// From now on keeps what is read, for a recording.
    pub fn record(&self) {
        let mut recording = self
            .inner
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recording.get_or_insert_with(BTreeMap::new);
    }

    /// What was read since `record`: resources by path.
    pub fn recorded(&self) -> BTreeMap<String, Value> {
        let recording = self
            .inner
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recording.clone().unwrap_or_default()
    }

    /// Requests sent that could change something; log-ins and log-outs are not among them.
    pub fn writes_made(&self) -> u64 {
        match self.source() {
            Source::Http(http) => http.writes(),
            Source::Tree(_) => 0,
        }
    }

    /// Log-ins and log-outs sent.
    pub fn session_requests(&self) -> u64 {
        match self.source() {
            Source::Http(http) => http.session_requests(),
            Source::Tree(_) => 0,
        }
    }

    /// The certificate of the last handshake.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self.source() {
            Source::Http(http) => http.fingerprint(),
            Source::Tree(_) => None,
        }
    }

    /// Logs out. Afterwards every call fails with `Closed`.
    pub async fn close(&self) {
        if let Source::Http(http) = self.source() {
            http.close().await;
        }
    }
}
