//! The Unix socket: a stale one of a dead agent is replaced, one of a living agent is not touched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use tokio::net::UnixListener;

/// Read and write for the owner and the group, nothing for others.
const SOCKET_MODE: u32 = 0o660;
const LOCK_MODE: u32 = 0o600;

/// How often a lock file is opened again that somebody removed just then.
const MOST_TRIES: usize = 10;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent serves it.
    #[error("{path} is served by another agent{}; stop it, or choose another socket with --socket", of(*pid))]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The process that serves it, where the kernel tells.
        pid: Option<i32>,
    },
    /// Something else is there.
    #[error("{path} is there and is no socket; remove it, or choose another with --socket")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

fn of(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// A bound socket, with the lock that makes it ours.
pub(super) struct BoundSocket {
    listener: UnixListener,
    path: SocketPath,
}

/// The socket's file; dropping this removes it, and then its lock.
pub(super) struct SocketPath {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: Flock<File>,
}

impl SocketPath {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        for path in [&self.path, &self.lock_path] {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

impl BoundSocket {
    /// Binds the socket; its directory is made where it is missing.
    pub(super) fn bind(path: &Path) -> Result<BoundSocket, SocketError> {
        let failed = |act, path: &Path| {
            let path = path.to_owned();
            move |source| SocketError::Io { act, path, source }
        };
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            fs::create_dir_all(directory).map_err(failed("make the directory", directory))?;
        }
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let lock = lock(&lock_path, path)?;
        // The lock is ours, so whatever agent bound the socket before is dead; unless it is no agent of ours at all.
        match fs::symlink_metadata(path) {
            Ok(metadata) if std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) => {
                if let Some(pid) = served_by(path) {
                    return Err(SocketError::InUse {
                        path: path.to_owned(),
                        pid,
                    });
                }
                fs::remove_file(path).map_err(failed("remove the stale socket", path))?;
            }
            Ok(_) => {
                return Err(SocketError::NoSocket {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", path)(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed("bind the socket", path))?;
        let ours = SocketPath {
            path: path.to_owned(),
            lock_path,
            _lock: lock,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
            .map_err(failed("set the mode of the socket", path))?;
        Ok(BoundSocket { listener, path: ours })
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketPath) {
        (self.listener, self.path)
    }
}

/// Takes the lock beside the socket. The kernel frees it when its holder dies, whichever way.
fn lock(lock_path: &Path, socket: &Path) -> Result<Flock<File>, SocketError> {
    let failed = |source| SocketError::Io {
        act: "open the lock",
        path: lock_path.to_owned(),
        source,
    };
    for _ in 0..MOST_TRIES {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(LOCK_MODE)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(lock_path)
            .map_err(failed)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => {
                let pid = served_by(socket).flatten();
                return Err(SocketError::InUse {
                    path: socket.to_owned(),
                    pid,
                });
            }
            Err((_, error)) => return Err(failed(error.into())),
        };
        // Its last holder may have removed the file between our open and our lock; then somebody else can lock a new one.
        let ours = lock.metadata().map_err(failed)?.ino();
        if fs::metadata(lock_path).is_ok_and(|there| there.ino() == ours) {
            return Ok(lock);
        }
    }
    Err(SocketError::InUse {
        path: socket.to_owned(),
        pid: None,
    })
}

/// Whether somebody serves this socket, and who: the peer of a connection is the process that listens.
fn served_by(socket: &Path) -> Option<Option<i32>> {
    let stream = UnixStream::connect(socket).ok()?;
    Some(getsockopt(&stream, PeerCredentials).ok().map(|peer| peer.pid()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/agent.sock");
        let living = BoundSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, SOCKET_MODE);
        let error = BoundSocket::bind(&path).err().unwrap().to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!("served by another agent (pid {pid})")),
            "{error}"
        );
        drop(living);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        // What a killed process leaves: a socket that nobody serves.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(BoundSocket::bind(&path).unwrap());
    }

    #[tokio::test]
    async fn what_is_not_ours_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "kept").unwrap();
        assert!(matches!(
            BoundSocket::bind(&path),
            Err(SocketError::NoSocket { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        // Served by something that takes no lock.
        let foreign = directory.path().join("foreign.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&foreign).unwrap();
        assert!(matches!(
            BoundSocket::bind(&foreign),
            Err(SocketError::InUse { .. })
        ));
    }
}
