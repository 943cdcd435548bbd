//! How does a server start, stay up and go down?
//!
//! The parts are joined here and nowhere else. Two runtimes: a small one accepts, watches signals and answers
//! /health, so that cancel works under load; the other runs sessions and queries.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarn_udfs::fit::queue::{FitQueue, FoundDevice, Pressure};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context;
use crate::engine::{Counters, Engine};
use crate::error::PgError;
use crate::models::Models;
use crate::postgres::listen;
use crate::session::cancel::Sessions;
use crate::session::temporary;
use crate::training::Trainings;
use crate::{callables, http, ml_tables};

/// Stack of threads that plan: nested expressions recurse.
const STACK_BYTES: usize = 16 << 20;

/// Running statements get this long to hear that the server goes down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Part of the memory budget that opened group models may hold.
const MODEL_CACHE_SHARE: usize = 8;

/// A server with open doors.
pub struct Server {
    /// The shared parts.
    pub engine: Arc<Engine>,
    /// Where the Postgres door is.
    pub postgres: std::net::SocketAddr,
    /// Where the HTTP door is.
    pub http: Option<std::net::SocketAddr>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    control: Runtime,
    workers: Runtime,
}

/// Opens the data directory and the doors.
pub fn start(config: Config) -> Result<Server, PgError> {
    let control = runtime("control", 2)?;
    let workers = runtime("worker", config.threads.max(2))?;
    let engine = Arc::new(open(config, &workers)?);
    let doors = control.block_on(open_doors(&engine))?;
    let server = Server {
        postgres: doors.tcp.local_addr()?,
        http: doors
            .http
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?,
        socket: doors.unix.as_ref().map(|(_, path)| path.clone()),
        engine,
        control,
        workers,
    };
    server.serve(doors);
    Ok(server)
}

fn runtime(name: &'static str, threads: usize) -> Result<Runtime, PgError> {
    Ok(Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?)
}

fn open(config: Config, workers: &Runtime) -> Result<Engine, PgError> {
    let began = Instant::now();
    let memory = context::memory_pool(&config);
    let catalog = tarn_catalog::Catalog::open_within(&config.data_dir, Arc::clone(&memory))?;
    workers.block_on(ml_tables::ensure(&catalog))?;
    workers.block_on(temporary::sweep(&catalog))?;
    let models = Arc::new(Models::new(
        config.data_dir.clone(),
        config.memory_limit_bytes / MODEL_CACHE_SHARE,
    ));
    let sessions = Arc::new(Sessions::default());
    let trainings: Arc<Trainings> = Arc::default();
    let busy = pressure(&sessions, &trainings);
    let fits = FitQueue::with_device(config.threads, Some(busy), look_for_gpu);
    let base = context::base_state(&config, memory, Arc::clone(&models) as _)?;
    tracing::info!(
        data_dir = %config.data_dir.display(),
        elapsed_ms = began.elapsed().as_millis() as u64,
        "data directory opened"
    );
    Ok(Engine {
        config,
        catalog,
        callables: Arc::new(callables::of_state(&base)),
        base,
        models,
        sessions,
        trainings,
        turns: Arc::default(),
        fits,
        counters: Counters::default(),
        started_at_micros: chrono::Utc::now().timestamp_micros(),
        shutdown: CancellationToken::new(),
    })
}

fn look_for_gpu() -> FoundDevice {
    let device = tarn_gpu::device::detect();
    match &device {
        Ok(None) => {}
        Ok(Some(found)) => tracing::info!(device = found.name(), "a GPU was found"),
        Err(broken) => tracing::warn!(%broken, "a GPU is there and cannot be used"),
    }
    device
}

/// Fits step aside while a statement runs that is not a training.
fn pressure(sessions: &Arc<Sessions>, trainings: &Arc<Trainings>) -> Pressure {
    let (sessions, trainings) = (Arc::clone(sessions), Arc::clone(trainings));
    Arc::new(move || sessions.statements_running() > trainings.running())
}

struct Doors {
    tcp: TcpListener,
    unix: Option<(UnixListener, PathBuf)>,
    http: Option<TcpListener>,
}

async fn open_doors(engine: &Engine) -> Result<Doors, PgError> {
    let config = &engine.config;
    let tcp = bind(config.listen).await?;
    let port = tcp.local_addr()?.port();
    let unix = match &config.socket_dir {
        Some(directory) => Some(listen::bind_unix(directory, port)?),
        None => None,
    };
    let http = match config.http {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok(Doors { tcp, unix, http })
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, PgError> {
    TcpListener::bind(address).await.map_err(|error| {
        PgError::new(
            crate::sqlstate::OBJECT_IN_USE,
            format!("could not listen on {address}: {error}"),
        )
        .with_hint("Is another server running there? Choose another port with --listen or --http.")
    })
}

impl Server {
    fn serve(&self, doors: Doors) {
        let workers = self.workers.handle().clone();
        let engine = Arc::clone(&self.engine);
        self.control
            .spawn(listen::tcp(doors.tcp, engine, workers.clone()));
        if let Some((listener, _)) = doors.unix {
            let engine = Arc::clone(&self.engine);
            self.control.spawn(listen::unix(listener, engine, workers));
        }
        if let Some(listener) = doors.http {
            let engine = Arc::clone(&self.engine);
            self.control.spawn(http::serve(listener, engine));
        }
    }

    /// Runs work on the sessions' runtime.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.workers.block_on(work)
    }

    /// The line that says where the doors are.
    pub fn ready_line(&self) -> String {
        let mut line = format!("listening on postgres={}", self.postgres);
        if let Some(http) = self.http {
            line.push_str(&format!(" http={http}"));
        }
        if let Some(socket) = &self.socket {
            line.push_str(&format!(" socket={}", socket.display()));
        }
        line
    }

    /// Waits for SIGTERM or SIGINT, then ends the sessions and closes.
    pub fn wait(self) -> Result<(), PgError> {
        self.control.block_on(stop_signal())?;
        self.stop();
        Ok(())
    }

    /// Ends running statements with 57P01, lets commits finish and closes.
    pub fn stop(self) {
        tracing::info!("shutting down");
        self.engine.shutdown.cancel();
        self.engine.sessions.terminate_all();
        let began = Instant::now();
        while self.engine.sessions.count() > 0 && began.elapsed() < SHUTDOWN_GRACE {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(socket) = &self.socket {
            // Gone already is as good.
            let _ = std::fs::remove_file(socket);
        }
        self.workers.shutdown_timeout(SHUTDOWN_GRACE);
        self.control.shutdown_timeout(Duration::from_secs(1));
    }
}

async fn stop_signal() -> Result<(), PgError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
