//! Where do clients come in?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;

use super::client::{Reader, Writer};
use super::connection;
use crate::engine::Engine;
use crate::error::PgError;
use crate::session::Peer;

/// Accepts TCP clients until the server goes down; their sessions run on `workers`.
pub async fn tcp(listener: TcpListener, engine: Arc<Engine>, workers: Handle) {
    loop {
        let accepted = tokio::select! {
            () = engine.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => start_tcp(socket, address, &engine, &workers),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn start_tcp(
    socket: TcpStream,
    address: std::net::SocketAddr,
    engine: &Arc<Engine>,
    workers: &Handle,
) {
    engine.counters.connections.fetch_add(1, Ordering::Relaxed);
    // Small answers must not wait for more.
    let _ = socket.set_nodelay(true);
    let own = socket.local_addr().unwrap_or(address);
    let (reader, writer) = socket.into_split();
    let reader: Reader = Box::new(reader);
    let writer: Writer = Box::new(writer);
    let peer = Peer::Tcp(address, own);
    workers.spawn(connection::serve(reader, writer, peer, Arc::clone(engine)));
}

/// Accepts clients of the Unix socket until the server goes down.
pub async fn unix(listener: UnixListener, engine: Arc<Engine>, workers: Handle) {
    loop {
        let accepted = tokio::select! {
            () = engine.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => start_unix(socket, &engine, &workers),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn start_unix(socket: UnixStream, engine: &Arc<Engine>, workers: &Handle) {
    engine.counters.connections.fetch_add(1, Ordering::Relaxed);
    if !is_trusted(&socket) {
        tracing::warn!("a client of another system user was refused at the Unix socket");
        return;
    }
    let (reader, writer) = socket.into_split();
    let reader: Reader = Box::new(reader);
    let writer: Writer = Box::new(writer);
    workers.spawn(connection::serve(
        reader,
        writer,
        Peer::Unix,
        Arc::clone(engine),
    ));
}

/// The peer is the user that owns this process's files, or root.
fn is_trusted(socket: &UnixStream) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").map(|metadata| metadata.uid());
    match (socket.peer_cred(), own) {
        (Ok(peer), Ok(own)) => peer.uid() == own || peer.uid() == 0,
        _ => false,
    }
}

/// Out of file descriptors, say: wait a little instead of spinning.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "could not accept a client");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// The socket file, named as libpq expects it for a port.
pub fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Binds the Unix socket, replacing a file that a dead server left behind.
pub fn bind_unix(directory: &Path, port: u16) -> Result<(UnixListener, PathBuf), PgError> {
    let path = socket_path(directory, port);
    std::fs::create_dir_all(directory)?;
    if path.exists() {
        // The data folder's lock is held: nobody else serves this socket, unless the folders differ.
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(PgError::new(
                crate::sqlstate::OBJECT_IN_USE,
                format!("the socket {} is in use", path.display()),
            ));
        }
        std::fs::remove_file(&path)?;
    }
    Ok((UnixListener::bind(&path)?, path))
}
